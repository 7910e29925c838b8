package main

import (
	"errors"
	"os"
	"time"

	"github.com/spf13/pflag"

	"github.com/hopscope/hopscope/pkg/capture"
	"github.com/hopscope/hopscope/pkg/model"
	"github.com/hopscope/hopscope/pkg/pipeline"
	"github.com/hopscope/hopscope/pkg/record"
)

// saveFlags say where the capture goes.
type saveFlags struct {
	path string
	none bool
}

func (f *saveFlags) register(flags *pflag.FlagSet) {
	flags.StringVarP(&f.path, "output", "o", "", "capture file (default hopscope-SELECTION-TIME.hop, here)")
	flags.BoolVar(&f.none, "no-save", false, "write no capture file")
}

// check reports a mistake in the flags.
func (f *saveFlags) check() error {
	if f.none && f.path != "" {
		return errors.New("--output and --no-save exclude each other")
	}
	return nil
}

// savedFile is the capture of one trace; nil when there is none.
type savedFile struct{ r *record.Recording }

func (f *saveFlags) start(s *pipeline.Session, selection []string) (*savedFile, error) {
	if f.none {
		return nil, nil
	}
	path := f.path
	if path == "" {
		path = capture.DefaultName(selection, time.Now())
	}
	r, err := record.Start(s, record.Options{Path: path, Command: os.Args})
	if err != nil {
		return nil, err
	}
	return &savedFile{r}, nil
}

// finish ends the file and names it.
func (f *savedFile) finish(meta model.Meta, failure error, say *speaker) error {
	if f == nil {
		return nil
	}
	if errors.Is(failure, errInterruptedTwice) {
		failure = nil // the file is whole, as after one interrupt
	}
	err := f.r.Finish(meta, failure)
	say.line("saved %s", f.r.Path())
	return err
}
