package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/hopscope/hopscope/pkg/capture"
	"github.com/hopscope/hopscope/pkg/model"
	"github.com/hopscope/hopscope/pkg/pipeline"
	"github.com/hopscope/hopscope/pkg/record"
	"github.com/hopscope/hopscope/pkg/when"
)

// saveFlags say where the capture goes, and when.
type saveFlags struct {
	path   string
	none   bool
	redact bool
	keep   time.Duration
	when   condition

	unnamed bool // the file is not named when it is saved: who asked for it does
}

func (f *saveFlags) register(flags *pflag.FlagSet) {
	flags.StringVarP(&f.path, "output", "o", "", "capture file (default hopscope-SELECTION-TIME.hop, here)")
	flags.BoolVar(&f.none, "no-save", false, "write no capture file")
	flags.BoolVar(&f.redact, "redact", false, "replace names and addresses in the file")
	flags.DurationVar(&f.keep, "keep", 0, "keep the last of it only, such as 5m, in memory, and save that at the end")
	flags.Var(&f.when, "when", "with --keep: end and save when this holds, else save nothing: 'p99>5ms', 'drops>0', 'retransmits>1%'")
}

// check reports a mistake in the flags.
func (f *saveFlags) check() error {
	switch {
	case f.path == "-":
		return errors.New("--output - is no place for a capture, which is written to a file: name one, such as -o web.hop, or say --no-save and --format json")
	case f.none && f.path != "":
		return errors.New("--output and --no-save exclude each other")
	case f.none && (f.redact || f.keep != 0):
		return errors.New("--redact and --keep say what is saved: they exclude --no-save")
	case f.when.c != nil && f.keep == 0:
		return errors.New("--when needs --keep, such as --keep 1m, which says how much is saved")
	case f.keep != 0 && f.keep < time.Second:
		return fmt.Errorf("--keep %v is less than a second", f.keep)
	}
	return nil
}

// condition is a flag that holds a condition, nil for none.
type condition struct{ c *when.Condition }

func (c *condition) String() string {
	if c.c == nil {
		return ""
	}
	return c.c.String()
}

func (c *condition) Type() string { return "condition" }

// Set reads a condition.
func (c *condition) Set(s string) (err error) {
	c.c, err = when.Parse(s)
	return err
}

// savedFile is the capture of one trace; nil when there is none.
type savedFile struct {
	flags   *saveFlags
	session *pipeline.Session
	rec     *record.Recording
	ring    *record.Ring // not nil with --keep; rec is its own then
	stop    context.CancelFunc
	early   chan string // how the trace is to end, before its time
	why     string      // numbers that fulfilled the condition; of the goroutine until early tells
	kept    bool        // a ring was saved
}

// aim settles where the capture goes, and makes sure that it can be written
// there.
func (f *saveFlags) aim(selection []string) error {
	if f.none {
		return nil
	}
	if f.redact { // the selection is a name, too
		selection = []string{"redacted"}
	}
	if f.path == "" {
		f.path = capture.DefaultName(selection, time.Now())
	}
	return capture.TryCreate(f.path)
}

// start begins the capture that aim has settled.
func (f *saveFlags) start(s *pipeline.Session) (*savedFile, error) {
	if f.none {
		return nil, nil
	}
	o := record.Options{Path: f.path, Command: os.Args, Redact: f.redact}
	file := &savedFile{flags: f, session: s, early: make(chan string, 1)}
	var err error
	if f.keep == 0 {
		file.rec, err = record.Start(s, o)
	} else if file.ring, err = record.StartRing(s, o, f.keep); err == nil {
		file.rec = file.ring.Recording
	}
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	file.stop = stop
	go file.follow(ctx)
	return file, nil
}

// follow ends the trace when nothing can be saved any more, or when what is
// waited for has come.
func (f *savedFile) follow(ctx context.Context) {
	var holds <-chan string
	if f.flags.when.c != nil {
		holds = watch(ctx, f.session, f.flags.when.c)
	}
	select {
	case <-ctx.Done():
	case <-f.rec.Failed():
		f.early <- "error"
	case f.why = <-holds:
		f.early <- "limit"
	}
}

// ends tells how the trace is to end before its time; it never does where
// nothing is saved.
func (f *savedFile) ends() <-chan string {
	if f == nil {
		return nil
	}
	return f.early
}

// finish ends the file and names it.
func (f *savedFile) finish(meta model.Meta, failure error, say *speaker) error {
	if f == nil {
		return nil
	}
	f.stop()
	if errors.Is(failure, errInterruptedTwice) {
		failure = nil // the file is whole, as after one interrupt
	}
	if f.ring != nil {
		return f.finishRing(meta, failure, say)
	}
	err := f.rec.Finish(meta, failure)
	if err != nil {
		say.line("saved what there was room for: %s", f.rec.Path())
		return err
	}
	if !f.flags.unnamed {
		say.line("saved %s", f.rec.Path())
	}
	return nil
}

// abort ends the file where there is nothing to finish it with but the reason.
func (f *savedFile) abort(why error) error {
	if f == nil {
		return nil
	}
	f.stop()
	return f.rec.Abort(why)
}

func (f *savedFile) finishRing(meta model.Meta, failure error, say *speaker) error {
	if c := f.flags.when.c; c != nil && meta.Ended != "limit" {
		say.line("%s never held: nothing is saved", c)
		return f.ring.Discard()
	}
	if err := f.ring.Save(meta, failure); err != nil {
		return err
	}
	f.kept = true
	if f.flags.when.c != nil {
		say.line("%s holds: %s", f.flags.when.c, f.why)
	}
	say.line("saved the last %v: %s", min(f.flags.keep, meta.Duration.Round(time.Second)), f.rec.Path())
	return nil
}

// summary is what is printed: of the whole trace or, where only its last part
// was kept, of the file.
func (f *savedFile) summary(meta model.Meta, session *pipeline.Session) (model.Snapshot, error) {
	if f == nil || !f.kept {
		return session.SnapshotAs(meta), nil
	}
	agg := model.New(model.Limits{})
	s, err := replayInto(f.rec.Path(), agg, capture.Filter{})
	if err != nil {
		return model.Snapshot{}, err
	}
	return s.Snapshot(agg), nil
}

// saysAlso reports whether an error tells of another one: when a file cannot be
// written, the session and the file both say so.
func saysAlso(err, other error) bool {
	return err != nil && strings.Contains(err.Error(), other.Error())
}
