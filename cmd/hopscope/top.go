package main

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/hopscope/hopscope/pkg/capture"
	"github.com/hopscope/hopscope/pkg/history"
	"github.com/hopscope/hopscope/pkg/pipeline"
	"github.com/hopscope/hopscope/pkg/record"
	"github.com/hopscope/hopscope/tui"
)

// topFlags is the command line of `hopscope top`.
type topFlags struct {
	containers  []string
	sample      string
	maxOverhead string
	dockerHost  string
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
	flags.StringVar(&f.dockerHost, "docker-host", "", "Docker's socket (default DOCKER_HOST, or the usual place)")
	flags.StringVar(&f.theme, "theme", "", "colours of the screen")
	flags.BoolVar(&f.ascii, "ascii", false, "nothing but ASCII on the screen")
}

func top(ctx context.Context, f *topFlags) error {
	opts, err := (&traceFlags{
		containers: f.containers, sample: f.sample, maxOverhead: f.maxOverhead, dockerHost: f.dockerHost,
	}).options()
	if err != nil {
		return usage(err)
	}
	screen := tui.Options{Theme: f.theme, ASCII: f.ascii}
	if err := tui.Check(screen); err != nil {
		return usage(err)
	}
	session, err := pipeline.Open(ctx, opts)
	if err != nil {
		return err
	}
	defer session.Close()
	if err := dropPrivileges(); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	feed := newLiveFeed(session)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	collected := make(chan error, 1)
	go func() { collected <- session.Run(ctx) }()
	go feed.history.Run(ctx)
	err = tui.Run(ctx, feed, screen)
	stop()
	return errors.Join(err, <-collected, feed.close(), session.Close())
}

// liveFeed shows a running session.
type liveFeed struct {
	viewExporter
	session *pipeline.Session
	history *history.History

	mu  sync.Mutex
	rec *record.Recording
}

var (
	_ tui.Feed     = (*liveFeed)(nil)
	_ tui.Recorder = (*liveFeed)(nil)
	_ tui.Exporter = (*liveFeed)(nil)
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
	return f.history.Frame(q, f.session.Inventory().View(), meta), nil
}

// StartRecording implements tui.Recorder.
func (f *liveFeed) StartRecording() (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r, err := record.Start(f.session, record.Options{
		Path: capture.DefaultName(f.session.Options().Containers, time.Now()), Command: os.Args,
	})
	if err != nil {
		return "", err
	}
	f.rec = r
	return r.Path(), nil
}

// StopRecording implements tui.Recorder.
func (f *liveFeed) StopRecording() (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.rec == nil {
		return "", nil
	}
	r := f.rec
	f.rec = nil
	meta, err := f.session.Meta("signal")
	if err != nil {
		return r.Path(), err
	}
	return r.Path(), r.Finish(meta, nil)
}

// close ends a recording that is still under way.
func (f *liveFeed) close() error {
	_, err := f.StopRecording()
	return err
}
