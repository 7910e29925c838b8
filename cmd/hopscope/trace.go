package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/hopscope/hopscope/pkg/model"
	"github.com/hopscope/hopscope/pkg/pipeline"
	"github.com/hopscope/hopscope/pkg/probe"
)

// traceFlags is the command line of `hopscope trace`.
type traceFlags struct {
	containers  []string
	networks    []string
	ports       []uint
	protos      []string
	duration    time.Duration
	slow        time.Duration
	sample      string
	maxOverhead string
	ring        ringSize
	out         outputFlags
	save        saveFlags
	quiet       bool
	verbose     bool
	noDNS       bool
	dockerHost  string
}

func traceCommand() *cobra.Command {
	f := &traceFlags{}
	cmd := &cobra.Command{
		Use:   "trace",
		Short: "Trace for a while, then print where the time went",
		Long: `trace follows packets until --duration is over or Ctrl-C ends it, and then prints
what it found: the worst first, each path hop by hop. The same is written to a
file, for hopscope report, flame, diff and replay. Without --container it traces
all of them; what matches --container and starts meanwhile joins, and is named. It
needs root.`,
		Example: `  hopscope trace --container web --duration 30s
  hopscope trace --port 8080 --format json
  hopscope trace --keep 5m --when 'p99>50ms'   wait for it, and keep what led to it`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return trace(cmd, f) },
	}
	flags := cmd.Flags()
	flags.StringArrayVarP(&f.containers, "container", "c", nil, "container: name, id or its start, compose service, glob (repeatable; default all)")
	flags.StringArrayVar(&f.networks, "network", nil, "Docker network that the packets cross (repeatable)")
	registerPorts(flags, &f.ports)
	flags.StringSliceVar(&f.protos, "proto", nil, "tcp, udp, icmp, icmpv6 or sctp (repeatable)")
	flags.DurationVarP(&f.duration, "duration", "d", 0, "how long; 0: until Ctrl-C")
	flags.DurationVar(&f.slow, "slow", 0, "never leave out packets that take at least this long when there are too many")
	flags.StringVar(&f.sample, "sample", "auto", "auto, 1 (every packet) or 1/N")
	flags.StringVar(&f.maxOverhead, "max-overhead", "2%", "share of all CPUs that --sample auto may take")
	flags.Var(&f.ring, "ring-size", "kernel's buffer for records, such as 16MiB: a power of two")
	flags.BoolVar(&f.noDNS, "no-dns", false, "read no DNS headers: no name server's latency and answers")
	flags.StringVar(&f.dockerHost, "docker-host", "", "Docker's socket (default DOCKER_HOST, or the usual place)")
	flags.BoolVarP(&f.quiet, "quiet", "q", false, "nothing on stderr but errors")
	flags.BoolVarP(&f.verbose, "verbose", "v", false, "say more on stderr")
	f.out.register(flags)
	f.save.register(flags)
	return cmd
}

func trace(cmd *cobra.Command, f *traceFlags) error {
	write, err := f.out.writer(cmd.OutOrStdout())
	if err != nil {
		return usage(err)
	}
	return traceInto(cmd, f, write)
}

// traceInto gives the summary of a trace to write.
func traceInto(cmd *cobra.Command, f *traceFlags, write func(model.Snapshot) error) error {
	opts, err := f.options()
	if err != nil {
		return usage(err)
	}
	// What costs nothing first: to load the programs takes a second or two.
	if err := probe.Permitted(); err != nil {
		return err
	}
	if err := f.save.aim(f.containers); err != nil {
		return err
	}
	session, err := pipeline.Open(cmd.Context(), opts)
	if err != nil {
		return err
	}
	defer session.Close()
	signals := catchSignals(cmd.Context()) // from here on there is something to save
	defer signals.stop()
	say := newSpeaker(cmd.ErrOrStderr(), f.quiet)
	say.selection(f.containers, session.Selected())
	say.notes(session.Notes())
	if f.verbose {
		say.sources(session.Inventory().Sources())
	}
	file, err := f.save.start(session)
	if err != nil {
		return err
	}
	if err := dropPrivileges(); errors.Is(err, errors.ErrUnsupported) {
		say.line("note: all capabilities are kept, since this program was built with cgo")
	} else if err != nil {
		return errors.Join(err, file.abort(err))
	}
	ended, failure := runSession(signals, session, f.duration, file.ends(), say)
	meta, err := session.Meta(ended)
	if err != nil {
		err = errors.Join(failure, err)
		return errors.Join(err, file.abort(err))
	}
	say.notes(session.Notes()) // the engine may be gone, time may have stepped
	saving := file.finish(meta, failure, say)
	if failure != nil && !saysAlso(saving, failure) {
		return errors.Join(failure, saving)
	}
	summary, err := file.summary(meta, session)
	if err != nil {
		return err
	}
	return errors.Join(write(summary), saving, session.Close())
}

// runSession traces until the time is over, a signal ends it, or early tells
// how it is to end, and tells which.
func runSession(signals *signals, s *pipeline.Session, d time.Duration, early <-chan string, say *speaker) (string, error) {
	timed := signals.ctx
	if d > 0 {
		var cancel context.CancelFunc
		timed, cancel = context.WithTimeout(timed, d)
		defer cancel()
	}
	done := make(chan error, 1)
	go func() { done <- s.Run(timed) }()
	progress := say.progress(s, d)
	defer progress.stop()
	ended := "duration"
	for {
		select {
		case err := <-done:
			if ended == "duration" && signals.caught() {
				ended = "signal"
			}
			return ended, err
		case ended = <-early:
			early = nil
			signals.cancel()
		case <-signals.second:
			return "signal", errInterruptedTwice
		}
	}
}

func (f *traceFlags) options() (pipeline.Options, error) {
	o := pipeline.Options{
		Containers: f.containers, Networks: f.networks, Slow: f.slow,
		RingBytes: int(f.ring), NoDNS: f.noDNS, DockerHost: f.dockerHost, ToolVersion: version,
	}
	var err error
	if f.duration < 0 || f.slow < 0 {
		return o, errors.New("a duration cannot be negative")
	}
	if err := f.save.check(); err != nil {
		return o, err
	}
	if o.Sample, err = parseSample(f.sample); err != nil {
		return o, err
	}
	if o.MaxOverhead, err = parsePercent(f.maxOverhead); err != nil {
		return o, err
	}
	if o.Ports, err = parsePorts(f.ports); err != nil {
		return o, err
	}
	o.Protos, err = parseProtos(f.protos)
	return o, err
}
