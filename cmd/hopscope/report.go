package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/hopscope/hopscope/pkg/capture"
	"github.com/hopscope/hopscope/pkg/model"
)

// reportFlags is the command line of `hopscope report`.
type reportFlags struct {
	containers []string
	networks   []string
	ports      []uint
	protos     []string
	from, to   string
	out        outputFlags
	quiet      bool
}

func reportCommand() *cobra.Command {
	f := &reportFlags{}
	cmd := &cobra.Command{
		Use:   "report FILE",
		Short: "Print the summary of a capture",
		Long: `report prints the summary that the trace printed, of the whole capture or of a
part. It needs neither root nor the machine on which the capture was made. The
accounting (packets tracked and lost, cost) is always that of the whole.`,
		Example: `  hopscope report hopscope-web-20260102T030405Z.hop
  hopscope report before.hop --container web --from 10s --to 20s --format json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return reportCapture(cmd, args[0], f) },
	}
	flags := cmd.Flags()
	f.registerChoice(flags)
	flags.BoolVarP(&f.quiet, "quiet", "q", false, "nothing on stderr but errors")
	f.out.register(flags)
	return cmd
}

// registerChoice adds the flags that choose a part of a capture.
func (f *reportFlags) registerChoice(flags *pflag.FlagSet) {
	flags.StringArrayVarP(&f.containers, "container", "c", nil, "container: name, id or its start, compose service, glob (repeatable; default all)")
	flags.StringArrayVar(&f.networks, "network", nil, "Docker network that the packets cross (repeatable)")
	registerPorts(flags, &f.ports)
	flags.StringSliceVar(&f.protos, "proto", nil, "tcp, udp, icmp, icmpv6 or sctp (repeatable)")
	flags.StringVar(&f.from, "from", "", "first moment: time since the start, such as 10s, or RFC 3339")
	flags.StringVar(&f.to, "to", "", "moment after the last, in the same way")
}

// registerPorts adds --port. The help is not to say that its default is [].
func registerPorts(flags *pflag.FlagSet, ports *[]uint) {
	flags.UintSliceVar(ports, "port", nil, "container or published port (repeatable)")
	flags.Lookup("port").DefValue = ""
}

func reportCapture(cmd *cobra.Command, path string, f *reportFlags) error {
	write, err := f.out.writer(cmd.OutOrStdout())
	if err != nil {
		return usage(err)
	}
	agg := model.New(model.Limits{})
	s, err := f.load(cmd, path, agg, nil)
	if err != nil {
		return err
	}
	f.noteWhole(cmd)
	return write(s.Snapshot(agg))
}

// noteWhole tells what --from and --to do not divide.
func (f *reportFlags) noteWhole(cmd *cobra.Command) {
	if f.from != "" || f.to != "" {
		newSpeaker(cmd.ErrOrStderr(), f.quiet).line("note: packets tracked and lost, and the cost, are those of the whole capture")
	}
}

// load reads the chosen part of a capture into agg and, unless it is nil, into
// pieces.
func (f *reportFlags) load(cmd *cobra.Command, name string, agg *model.Aggregator, pieces *model.Slices) (*capture.Summary, error) {
	path, err := capturePath(name)
	if err != nil {
		return nil, err
	}
	part, err := f.choose(path)
	if err != nil {
		return nil, err
	}
	filter := part.filter
	if pieces != nil {
		filter = alsoInto(pieces, filter)
	}
	s, err := part.contents.ReplayPart(agg, filter, part.choice.From, part.choice.To)
	if err != nil {
		return nil, err
	}
	if s.Damage.Any() {
		newSpeaker(cmd.ErrOrStderr(), f.quiet).line("note: %s", s.Damage)
	}
	part.choice.Trim(s)
	return s, nil
}

// part is what is chosen of a capture.
type part struct {
	contents *capture.Summary // of the whole, without its journeys
	choice   capture.Choice
	filter   capture.Filter
}

func (f *reportFlags) choose(path string) (*part, error) {
	contents, err := capture.Survey(path)
	if err != nil {
		return nil, err
	}
	choice, err := f.choice(contents.Meta.StartedAt)
	if err != nil {
		return nil, usage(err)
	}
	filter, err := choice.Filter(contents)
	if network := new(capture.UnknownNetworkError); errors.As(err, &network) {
		return nil, usage(err)
	}
	if err != nil {
		return nil, err
	}
	return &part{contents, choice, filter}, nil
}

func replayInto(path string, agg *model.Aggregator, f capture.Filter) (*capture.Summary, error) {
	r, err := capture.Open(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return capture.Replay(r, agg, f)
}

// choice reads the flags; started is when the capture began.
func (f *reportFlags) choice(started time.Time) (capture.Choice, error) {
	c := capture.Choice{Containers: f.containers, Networks: f.networks}
	var err error
	if c.Ports, err = parsePorts(f.ports); err != nil {
		return c, err
	}
	if c.Protos, err = parseProtos(f.protos); err != nil {
		return c, err
	}
	if c.From, err = parseMoment("from", f.from, started); err != nil {
		return c, err
	}
	if c.To, err = parseMoment("to", f.to, started); err != nil {
		return c, err
	}
	if !c.From.IsZero() && !c.To.IsZero() && !c.From.Before(c.To) {
		return c, fmt.Errorf("--from %s is not before --to %s", f.from, f.to)
	}
	return c, nil
}

// parseMoment reads "" (the zero time), a time since the start, or RFC 3339.
func parseMoment(flag, s string, started time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(s); err == nil && d >= 0 {
		return started.Add(d), nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return t, fmt.Errorf("--%s %q is neither a time since the start, such as 10s, nor RFC 3339", flag, s)
	}
	return t, nil
}
