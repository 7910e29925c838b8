// Package record writes a running session to a capture file.
package record

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/hopscope/hopscope/pkg/capture"
	"github.com/hopscope/hopscope/pkg/crash"
	"github.com/hopscope/hopscope/pkg/dns"
	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/journey"
	"github.com/hopscope/hopscope/pkg/model"
	"github.com/hopscope/hopscope/pkg/pipeline"
)

// statusEvery is how often the accounting is written down, for captures that
// are cut short.
const statusEvery = time.Second

// Options of a recording.
type Options struct {
	Path    string
	Command []string // command line, of the file's head
	Redact  bool     // names and addresses are replaced, see capture.Redaction
	// FromNow begins the file's time now, and not with the session: for a
	// recording that is begun in the midst of one.
	FromNow bool
}

// Recording is a capture file that a session writes.
type Recording struct {
	path    string
	session *pipeline.Session
	w       writer
	sink    sink
	pace    pace
	before  capture.Status // what the session had counted before the file's time
	last    capture.Status // that was written
	stop    context.CancelFunc
	failed  chan struct{} // closed when nothing can be written any more
	done    chan error
}

// writer is a *capture.Writer or a *capture.Redaction.
type writer interface {
	pipeline.Sink
	pipeline.SignalSink
	Inventory(at uint64, facts inventory.Facts) error
	InventorySize() int
	Servers([]capture.Server) error
	Findings([]model.Finding) error
	Status(capture.Status) error
	Flush() error
	Close(capture.End) error
	Abandon() error
}

// sink gives a writer what a session collects.
type sink struct{ w writer }

func (s sink) Journey(j *journey.Journey, hops []journey.Hop) error { return s.w.Journey(j, hops) }
func (s sink) Drops(d model.DropCount) error                        { return s.w.Drops(d) }
func (s sink) Retransmits(r model.RetransmitCount) error            { return s.w.Retransmits(r) }
func (s sink) DNS(l dns.Lookup) error                               { return s.w.DNS(l) }

func (s sink) Counters(c []model.CounterCount) error { return s.w.Counters(c) }
func (s sink) Sockets(e model.SocketEvent) error     { return s.w.Sockets(e) }

func (s sink) Servers(list []pipeline.Server) error {
	out := make([]capture.Server, len(list))
	for i, x := range list {
		out[i] = capture.Server{Proto: x.Proto, Addr: x.Addr}
	}
	return s.w.Servers(out)
}

// Start begins a file; what the session records from now on is in it. An
// existing file is an error that wraps fs.ErrExist.
func Start(s *pipeline.Session, o Options) (*Recording, error) {
	return start(s, o, func(c capture.Options) (*capture.Writer, error) { return capture.Create(o.Path, c) })
}

// start begins to write to what begin makes.
func start(s *pipeline.Session, o Options, begin func(capture.Options) (*capture.Writer, error)) (*Recording, error) {
	meta, err := s.Meta("")
	if err != nil {
		return nil, err
	}
	r := &Recording{path: o.Path, session: s, failed: make(chan struct{}), done: make(chan error, 1)}
	if o.FromNow {
		r.before = r.statusOf(meta)
	}
	head := capture.Options{Symbols: meta.Symbols, Head: headOf(s, meta, o.Command)}
	head.Head.StartedAt = meta.StartedAt.Add(time.Duration(r.before.DurationNs))
	if o.Redact {
		var x *capture.Redaction
		x, err = capture.NewRedaction(head, begin)
		r.w = x
	} else {
		var w *capture.Writer
		w, err = begin(head)
		r.w = w
	}
	if err != nil {
		return nil, err
	}
	r.sink, r.pace.w = sink{r.w}, r.w
	if err := errors.Join(r.sink.Servers(s.Servers()), r.inventory(meta)); err != nil {
		return nil, errors.Join(err, r.w.Close(capture.End{Ended: "error", Error: err.Error()}))
	}
	ctx, stop := context.WithCancel(context.Background())
	r.stop = stop
	s.AddSink(r.sink)
	crash.Go(func() { r.run(ctx) })
	return r, nil
}

func headOf(s *pipeline.Session, meta model.Meta, command []string) capture.Head {
	o := s.Options()
	return capture.Head{
		ToolVersion: meta.ToolVersion, Host: meta.Host, Kernel: meta.Kernel, CPUs: runtime.NumCPU(),
		Command: command, Selection: o.Containers,
		StartedAt: meta.StartedAt, MonotonicZero: meta.MonotonicZero,
		NoDNS:    meta.NoDNS,
		Sampling: capture.Sampling{Sample: o.Sample, MaxOverhead: o.MaxOverhead, SlowNs: int64(o.Slow)},
	}
}

// Path is the file's.
func (r *Recording) Path() string { return r.path }

// Failed is closed when nothing can be written any more, as on a full disk.
// Finish then gives the reason.
func (r *Recording) Failed() <-chan struct{} { return r.failed }

func (r *Recording) run(ctx context.Context) {
	err := r.follow(ctx)
	if err != nil {
		close(r.failed)
	}
	r.done <- err
}

// follow writes down what changes beside the journeys. Changes of the inventory
// wait for the next second: each would cut the block of journeys short.
func (r *Recording) follow(ctx context.Context) error {
	tick := time.NewTicker(statusEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := r.status(); err != nil {
			return err
		}
	}
}

func (r *Recording) status() error {
	meta, err := r.session.Meta("")
	if err != nil {
		return err
	}
	if err := r.pace.follow(since(meta), r.session.Inventory().View()); err != nil {
		return err
	}
	r.last = r.statusOf(meta)
	return r.w.Status(r.last)
}

// inventory stores what exists; the writer leaves out what has not changed.
func (r *Recording) inventory(meta model.Meta) error {
	return r.pace.store(since(meta), r.session.Inventory().View())
}

// Finish ends the file with the session's state as meta has it; failure, if
// any, is why it ended. A file that could not be written to the end is ended
// as well as it can be, and the error says why.
func (r *Recording) Finish(meta model.Meta, failure error) error {
	failed := r.halt()
	if failed == nil {
		failed = r.inventory(meta)
	}
	end := r.endOf(meta, failure)
	if failed == nil {
		failed = r.findings(meta, end)
	}
	if failed != nil {
		end.Ended, end.Error = "error", failed.Error()
	}
	closed := r.w.Close(end)
	if failed != nil { // the writer's first error is final: Close says it again
		return fmt.Errorf("the capture ended early: %w", failed)
	}
	return closed
}

// findings stores what the session found or, where the file is of a part of its
// time, what is found in that.
func (r *Recording) findings(meta model.Meta, end capture.End) error {
	if r.before.At == 0 {
		return r.w.Findings(r.session.SnapshotAs(meta).Findings)
	}
	if err := r.w.Flush(); err != nil {
		return err
	}
	if found := capture.Found(r.path, end); found != nil {
		return r.w.Findings(found)
	}
	return nil
}

// Abort ends a recording of which nothing is known any more but why. The file is
// marked as ended by that; nothing is saved of a [Ring].
func (r *Recording) Abort(why error) error {
	failed := r.halt()
	return errors.Join(failed, r.w.Close(capture.End{Ended: "error", Error: why.Error(), Status: r.last}))
}

// halt ends what is written in the course of the session, and tells whether
// that failed.
func (r *Recording) halt() error {
	r.session.RemoveSink(r.sink)
	r.stop()
	return <-r.done
}

func (r *Recording) endOf(meta model.Meta, failure error) capture.End {
	end := capture.End{Ended: meta.Ended, Status: r.statusOf(meta)}
	if failure != nil {
		end.Ended, end.Error = "error", failure.Error()
	}
	return end
}

// statusOf is the accounting of the file's time.
func (r *Recording) statusOf(m model.Meta) capture.Status {
	s := capture.Status{At: since(m), DurationNs: int64(m.Duration), Accounting: m.Accounting, Cost: m.Cost}
	if r.before.At != 0 {
		s = s.Since(r.before)
		s.DurationNs -= r.before.DurationNs
	}
	return s
}

// since is the end of the session so far on CLOCK_MONOTONIC.
func since(m model.Meta) uint64 {
	return uint64(m.StartedAt.Add(m.Duration).Sub(m.MonotonicZero))
}
