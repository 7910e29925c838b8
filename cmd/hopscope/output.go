package main

import (
	"fmt"
	"io"
	"os"

	"github.com/charmbracelet/x/term"
	"github.com/spf13/pflag"

	"github.com/hopscope/hopscope/pkg/export"
	"github.com/hopscope/hopscope/pkg/model"
)

// outputFlags say how a summary is printed.
type outputFlags struct {
	format  string
	color   string
	explain bool
}

func (o *outputFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&o.format, "format", "table", "table, json or folded")
	flags.BoolVar(&o.explain, "explain", false, "say what each drop reason and kind of retransmission means, and what mends it")
	flags.StringVar(&o.color, "color", "auto", "auto, always or never")
}

// writer gives the function that prints; an error is one of usage.
func (o *outputFlags) writer(w io.Writer) (func(model.Snapshot) error, error) {
	color, err := o.wantsColor(w)
	if err != nil {
		return nil, err
	}
	if o.explain && o.format != "table" {
		return nil, fmt.Errorf("--explain belongs to --format table")
	}
	switch o.format {
	case "json":
		return func(s model.Snapshot) error { return export.JSON(w, s) }, nil
	case "folded":
		return func(s model.Snapshot) error { return export.Folded(w, s) }, nil
	case "table":
		return func(s model.Snapshot) error {
			return export.Table(w, s, export.Options{Width: terminalWidth(w), Color: color, Explain: o.explain})
		}, nil
	}
	return nil, fmt.Errorf("--format %q is none of table, json and folded", o.format)
}

// wantsColor follows no-color.org: NO_COLOR, when set and not empty, turns
// colour off unless the command line asks for it.
func (o *outputFlags) wantsColor(w io.Writer) (bool, error) {
	switch o.color {
	case "always":
		return true, nil
	case "never":
		return false, nil
	case "auto":
		return isTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb", nil
	}
	return false, fmt.Errorf("--color %q is none of auto, always and never", o.color)
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(f.Fd())
}

// terminalWidth is 0 when w is no terminal.
func terminalWidth(w io.Writer) int {
	if !isTerminal(w) {
		return 0
	}
	width, _, err := term.GetSize(w.(*os.File).Fd())
	if err != nil {
		return 0
	}
	return width
}
