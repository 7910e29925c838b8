package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// target is where the output of a command goes, and in which format.
type target struct {
	format string
	file   string
	known  []targetFormat
}

// targetFormat is a format with the endings of its files, the first of them
// for names that the tool chooses.
type targetFormat struct {
	name    string
	endings []string
	plain   bool // may go to a terminal
}

func (t *target) register(flags *pflag.FlagSet, fallback string) {
	names := make([]string, len(t.known))
	for i, k := range t.known {
		names[i] = k.name
	}
	flags.StringVar(&t.format, "format", "", strings.Join(names, ", ")+" (default by the name of --output, else "+fallback+")")
	flags.StringVarP(&t.file, "output", "o", "", "file to write; - is standard output")
}

// choose gives the format by the flags; its errors are of usage.
func (t *target) choose(fallback string) (targetFormat, error) {
	for _, k := range t.known {
		byName := t.format == "" && slices.ContainsFunc(k.endings, func(e string) bool { return strings.HasSuffix(t.file, e) })
		if k.name == t.format || byName {
			return k, nil
		}
	}
	if t.format != "" {
		return targetFormat{}, fmt.Errorf("--format %q is unknown", t.format)
	}
	if t.file != "" && t.file != "-" && filepath.Ext(t.file) != "" {
		return targetFormat{}, fmt.Errorf("--output %s does not tell a format: add --format", t.file)
	}
	for _, k := range t.known {
		if k.name == fallback {
			return k, nil
		}
	}
	return targetFormat{}, fmt.Errorf("no format %q", fallback)
}

// write gives write the place for its output. Without a name, what a terminal
// cannot show goes to a new file named after source.
func (t *target) write(cmd *cobra.Command, k targetFormat, source string, say *speaker, write func(io.Writer) error) error {
	out := cmd.OutOrStdout()
	toTerminal := isTerminal(out) && !k.plain
	if t.file == "-" || t.file == "" && !toTerminal {
		return write(out)
	}
	name, flags := t.file, os.O_WRONLY|os.O_CREATE|os.O_TRUNC
	if name == "" {
		base := filepath.Base(source)
		name = strings.TrimSuffix(base, filepath.Ext(base)) + k.endings[0]
		flags |= os.O_EXCL
	}
	f, err := os.OpenFile(name, flags, 0o600) // as private as the capture
	if err != nil {
		return err
	}
	if err := errors.Join(write(f), f.Close()); err != nil {
		return err
	}
	say.line("wrote %s", name)
	return nil
}
