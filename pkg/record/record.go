// Package record writes a running session to a capture file.
package record

import (
	"context"
	"errors"
	"runtime"
	"time"

	"github.com/hopscope/hopscope/pkg/capture"
	"github.com/hopscope/hopscope/pkg/model"
	"github.com/hopscope/hopscope/pkg/pipeline"
)

// statusEvery is how often the accounting is written down, for captures that
// are cut short.
const statusEvery = time.Second

// Recording is a capture file that a session writes.
type Recording struct {
	path    string
	session *pipeline.Session
	w       *capture.Writer
	stop    context.CancelFunc
	done    chan error
}

// Start begins a file; what the session records from now on is in it. An
// existing file is an error that wraps fs.ErrExist.
func Start(s *pipeline.Session, path string, command []string) (*Recording, error) {
	meta, err := s.Meta("")
	if err != nil {
		return nil, err
	}
	o := s.Options()
	w, err := capture.Create(path, capture.Options{
		Symbols: meta.Symbols,
		Head: capture.Head{
			ToolVersion: meta.ToolVersion, Host: meta.Host, Kernel: meta.Kernel, CPUs: runtime.NumCPU(),
			Command: command, Selection: o.Containers,
			StartedAt: meta.StartedAt, MonotonicZero: meta.MonotonicZero,
			Sampling: capture.Sampling{Sample: o.Sample, MaxOverhead: o.MaxOverhead, SlowNs: int64(o.Slow)},
		},
	})
	if err != nil {
		return nil, err
	}
	r := &Recording{path: path, session: s, w: w, done: make(chan error, 1)}
	if err := r.inventory(meta); err != nil {
		return nil, errors.Join(err, w.Abandon())
	}
	ctx, stop := context.WithCancel(context.Background())
	r.stop = stop
	s.AddSink(w)
	go func() { r.done <- r.follow(ctx) }()
	return r, nil
}

// Path is the file's.
func (r *Recording) Path() string { return r.path }

// follow writes down what changes beside the journeys.
func (r *Recording) follow(ctx context.Context) error {
	changes := r.session.Inventory().Changes()
	tick := time.NewTicker(statusEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case _, ok := <-changes:
			if !ok {
				changes = nil
			}
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
	if err := r.inventory(meta); err != nil {
		return err
	}
	return r.w.Status(statusOf(meta))
}

// inventory stores what exists; the writer leaves out what has not changed.
func (r *Recording) inventory(meta model.Meta) error {
	if err := r.w.Servers(servers(r.session)); err != nil {
		return err
	}
	return r.w.Inventory(since(meta), r.session.Inventory().View().Facts())
}

// Finish ends the file with the session's state as meta has it; failure, if
// any, is why it ended.
func (r *Recording) Finish(meta model.Meta, failure error) error {
	r.session.RemoveSink(r.w)
	r.stop()
	if err := <-r.done; err != nil {
		return errors.Join(err, r.w.Abandon())
	}
	end := capture.End{Ended: meta.Ended, Status: statusOf(meta)}
	if failure != nil {
		end.Ended, end.Error = "error", failure.Error()
	}
	return errors.Join(r.inventory(meta), r.w.Close(end))
}

func statusOf(m model.Meta) capture.Status {
	return capture.Status{At: since(m), DurationNs: int64(m.Duration), Accounting: m.Accounting, Cost: m.Cost}
}

// since is the end of the session so far on CLOCK_MONOTONIC.
func since(m model.Meta) uint64 {
	return uint64(m.StartedAt.Add(m.Duration).Sub(m.MonotonicZero))
}

func servers(s *pipeline.Session) []capture.Server {
	var out []capture.Server
	for _, x := range s.Servers() {
		out = append(out, capture.Server{Proto: x.Proto, Addr: x.Addr})
	}
	return out
}
