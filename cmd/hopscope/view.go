package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/hopscope/hopscope/pkg/capture"
	"github.com/hopscope/hopscope/pkg/export"
	"github.com/hopscope/hopscope/pkg/history"
	"github.com/hopscope/hopscope/pkg/model"
)

// viewExporter is the part of a feed that writes what is seen on the screen.
type viewExporter struct{}

// Export implements tui.Exporter: the numbers as JSON and the flame graph as a
// page, named after the moment that is shown.
func (viewExporter) Export(f history.Frame) (string, error) {
	s := f.Snapshot.Whole()
	if s.Ended == "" {
		s.Ended = "limit" // a part of what goes on
	}
	name := "hopscope-view-" + f.At.UTC().Format("20060102T150405Z")
	for n := 1; ; n++ {
		base := name
		if n > 1 {
			base = fmt.Sprintf("%s-%d", name, n)
		}
		err := writeView(base, s)
		if !errors.Is(err, fs.ErrExist) || n == 100 {
			return base + ".html and .json", err
		}
	}
}

func writeView(base string, s model.Snapshot) error {
	err := writeNew(base+".json", func(w io.Writer) error { return export.JSON(w, s) })
	if err != nil {
		return err
	}
	return writeNew(base+".html", func(w io.Writer) error {
		return export.FlameHTML(w, s, export.FlameOptions{View: export.ViewTotal})
	})
}

// writeNew makes a private file, whole or not at all.
func writeNew(path string, write func(io.Writer) error) error {
	f, err := capture.CreatePrivate(path)
	if err != nil {
		return err
	}
	if err := errors.Join(write(f), f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}
