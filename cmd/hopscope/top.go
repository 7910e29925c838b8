package main

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/hopscope/hopscope/pkg/capture"
	"github.com/hopscope/hopscope/pkg/crash"
	"github.com/hopscope/hopscope/pkg/history"
	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/pipeline"
	"github.com/hopscope/hopscope/pkg/probe"
	"github.com/hopscope/hopscope/pkg/record"
	"github.com/hopscope/hopscope/tui"
)

// topFlags is the command line of `hopscope top`.
type topFlags struct {
	containers  []string
	sample      string
	maxOverhead string
	dockerHost  string
	noDNS       bool
	theme       string
	ascii       bool
}

func topCommand() *cobra.Command {
	f := &topFlags{}
	cmd := &cobra.Command{
		Use:   "top",
		Short: "Watch live (also without a command)",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return top(cmd.Context(), f) },
	}
	f.register(cmd)
	return cmd
}

func (f *topFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringArrayVarP(&f.containers, "container", "c", nil, "container: name, id or its start, compose service, glob (repeatable; default all)")
	flags.StringVar(&f.sample, "sample", "auto", "auto, 1 (every packet) or 1/N")
	flags.StringVar(&f.maxOverhead, "max-overhead", "2%", "share of all CPUs that --sample auto may take")
	flags.BoolVar(&f.noDNS, "no-dns", false, "read no DNS headers: no name server's latency and answers")
	flags.StringVar(&f.dockerHost, "docker-host", "", "Docker's socket (default DOCKER_HOST, or the usual place)")
	flags.StringVar(&f.theme, "theme", "", "colours of the screen")
	flags.BoolVar(&f.ascii, "ascii", false, "nothing but ASCII on the screen")
}

func top(ctx context.Context, f *topFlags) error {
	opts, err := (&traceFlags{
		containers: f.containers, sample: f.sample, maxOverhead: f.maxOverhead, noDNS: f.noDNS,
		dockerHost: f.dockerHost,
	}).options()
	if err != nil {
		return usage(err)
	}
	screen := tui.Options{Theme: f.theme, ASCII: f.ascii}
	if err := tui.Check(screen); err != nil {
		return usage(err)
	}
	if err := probe.Permitted(); err != nil {
		return err
	}
	opts.Unsummed = true // the history adds up
	session, err := pipeline.Open(ctx, opts)
	if err != nil {
		return err
	}
	if err := dropPrivileges(); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return errors.Join(err, session.Close())
	}
	feed := newLiveFeed(session)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	collected := make(chan error, 1)
	crash.Go(func() { collected <- session.Run(ctx) })
	crash.Go(func() { feed.history.Run(ctx) })
	err = tui.Run(ctx, feed, screen)
	stop()
	if crashed(err) {
		return err
	}
	return errors.Join(err, <-collected, feed.close(), session.Close())
}

// crashed says that the program is to end at once: to wait for what still runs
// may be in vain. The kernel takes tracing down with the process, and a capture
// is whole up to its last flush.
func crashed(err error) bool {
	var crash *crash.Error
	return errors.As(err, &crash)
}

// liveFeed shows a running session.
type liveFeed struct {
	viewExporter
	session *pipeline.Session
	history *history.History

	mu   sync.Mutex
	rec  *record.Recording
	over chan struct{} // closed when rec is
}

var (
	_ tui.Feed     = (*liveFeed)(nil)
	_ tui.Recorder = (*liveFeed)(nil)
	_ tui.Exporter = (*liveFeed)(nil)
	_ tui.Noter    = (*liveFeed)(nil)
)

func newLiveFeed(s *pipeline.Session) *liveFeed {
	return &liveFeed{session: s, history: newHistory(s, history.Options{})}
}

// Frame implements tui.Feed.
func (f *liveFeed) Frame(q history.Query) (history.Frame, error) {
	meta, err := f.session.Meta("")
	if err != nil {
		return history.Frame{}, err
	}
	meta.Cost = f.session.PresentCost()
	frame := f.history.Frame(q, f.session.Inventory().View(), meta)
	if len(f.session.Options().Containers) > 0 {
		frame.Selected = ids(f.session.Selected())
	}
	return frame, nil
}

func ids(containers []inventory.Container) map[string]bool {
	out := make(map[string]bool, len(containers))
	for i := range containers {
		out[containers[i].ID] = true
	}
	return out
}

// Notes implements tui.Noter.
func (f *liveFeed) Notes() []string { return f.session.Notes() }

// StartRecording implements tui.Recorder.
func (f *liveFeed) StartRecording() (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r, err := record.Start(f.session, record.Options{
		Path: capture.DefaultName(f.session.Options().Containers, time.Now()), Command: os.Args, FromNow: true,
	})
	if err != nil {
		return "", err
	}
	f.rec, f.over = r, make(chan struct{})
	return r.Path(), nil
}

// StopRecording implements tui.Recorder.
func (f *liveFeed) StopRecording() (string, error) { return f.stop("key") }

// stop ends a recording, and its file tells how it ended.
func (f *liveFeed) stop(ended string) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.rec == nil {
		return "", nil
	}
	r := f.rec
	f.rec = nil
	close(f.over)
	meta, err := f.session.Meta(ended)
	if err != nil {
		return r.Path(), err
	}
	return r.Path(), r.Finish(meta, nil)
}

// Recorded implements tui.Recorder.
func (f *liveFeed) Recorded() (string, error) {
	f.mu.Lock()
	r, over := f.rec, f.over
	f.mu.Unlock()
	if r == nil {
		return "", nil
	}
	select {
	case <-r.Failed():
		return f.stop("error")
	case <-over:
		return r.Path(), nil
	}
}

// close ends a recording that is still under way: keys would have saved it before.
func (f *liveFeed) close() error {
	_, err := f.stop("signal")
	return err
}
