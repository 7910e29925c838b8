package main

import (
	"fmt"
	"io"
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
	flags.StringVarP(&t.file, "output", "o", "", "file to write, which must not exist yet; - is standard output")
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
// cannot show goes to a file named after source. As with captures, a file that
// exists is an error, and one that cannot be finished does not stay.
func (t *target) write(cmd *cobra.Command, k targetFormat, source string, say *speaker, write func(io.Writer) error) error {
	out := cmd.OutOrStdout()
	toTerminal := isTerminal(out) && !k.plain
	if t.file == "-" || t.file == "" && !toTerminal {
		return write(out)
	}
	name := t.file
	if name == "" {
		base := filepath.Base(source)
		name = strings.TrimSuffix(base, filepath.Ext(base)) + k.endings[0]
	}
	if err := writeNew(name, write); err != nil { // as private as the capture
		return err
	}
	say.line("wrote %s", name)
	return nil
}
