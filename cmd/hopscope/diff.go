package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hopscope/hopscope/pkg/capture"
	"github.com/hopscope/hopscope/pkg/diff"
	"github.com/hopscope/hopscope/pkg/export"
	"github.com/hopscope/hopscope/pkg/journey"
	"github.com/hopscope/hopscope/pkg/model"
)

// diffFlags is the command line of `hopscope diff`.
type diffFlags struct {
	part     reportFlags
	out      target
	failOver failOver
}

func diffFormats() []targetFormat {
	return []targetFormat{
		{name: "table", endings: []string{".txt"}, plain: true},
		{name: "json", endings: []string{".json"}, plain: true},
		{name: "html", endings: []string{".html", ".htm"}},
		{name: "svg", endings: []string{".svg"}},
	}
}

func diffCommand() *cobra.Command {
	f := &diffFlags{out: target{known: diffFormats()}}
	cmd := &cobra.Command{
		Use:   "diff BEFORE AFTER",
		Short: "Compare two captures",
		Long: `diff compares two captures path by path and hop by hop. Paths are matched by
compose project and service, or else by container name. A change counts when it
is larger than the captures differ from themselves in the course of time.

Exit codes: 0 compared, 1 too few samples, 5 a regression beyond --fail-over. With
--fail-over, 1 also where a path of a packet a second, or what answers a request in
five seconds, could not be tested or is gone.`,
		Example: `  hopscope diff before.hop after.hop
  hopscope diff before.hop after.hop --fail-over 20%
  hopscope diff before.hop after.hop -o change.html`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error { return compare(cmd, args[0], args[1], f) },
	}
	flags := cmd.Flags()
	f.out.register(flags, "table")
	flags.Var(&f.failOver, "fail-over", "growth of a percentile, drops or retransmissions that is a regression, such as 20%")
	flags.StringVar(&f.part.out.color, "color", "auto", "auto, always or never")
	f.part.registerChoice(flags)
	flags.BoolVarP(&f.part.quiet, "quiet", "q", false, "nothing on stderr but errors")
	return cmd
}

func compare(cmd *cobra.Command, before, after string, f *diffFlags) error {
	format, err := f.out.choose("table")
	if err != nil {
		return usage(err)
	}
	color, err := f.part.out.wantsColor(cmd.OutOrStdout())
	if err != nil {
		return usage(err)
	}
	b, err := f.side(cmd, before)
	if err != nil {
		return fmt.Errorf("%s: %w", before, err)
	}
	a, err := f.side(cmd, after)
	if err != nil {
		return fmt.Errorf("%s: %w", after, err)
	}
	f.part.noteWhole(cmd)
	result := diff.Compare(b, a, diff.Options{FailOver: float64(f.failOver)})
	say := newSpeaker(cmd.ErrOrStderr(), f.part.quiet)
	err = f.out.write(cmd, format, after, say, func(w io.Writer) error {
		switch format.name {
		case "json":
			return export.DiffJSON(w, result)
		case "html":
			return export.DiffFlameHTML(w, result)
		case "svg":
			return export.DiffFlameSVG(w, result)
		}
		return export.DiffTable(w, result, export.Options{Width: terminalWidth(w), Color: color && f.out.file == ""})
	})
	if result.Rare > 0 && result.FailOver != nil {
		say.line("note: paths and response times too rare to be tested: %d", result.Rare)
	}
	return errors.Join(err, result.Verdict())
}

// side reads one capture, whole and in slices.
func (f *diffFlags) side(cmd *cobra.Command, path string) (diff.Side, error) {
	agg := model.New(model.Limits{})
	pieces := agg.Slices()
	s, err := f.part.load(cmd, path, agg, pieces)
	if err != nil {
		return diff.Side{}, err
	}
	return diff.Side{Snapshot: s.Snapshot(agg), Slices: pieces.Snapshots(s.View, s.Meta)}, nil
}

// alsoInto gives a filter that adds to pieces what f wants.
func alsoInto(pieces *model.Slices, f capture.Filter) capture.Filter {
	var hops []journey.Hop
	return capture.Filter{
		Journey: func(j *journey.Journey) bool {
			if f.Journey != nil && !f.Journey(j) {
				return false
			}
			hops = j.Hops(hops)
			pieces.Add(j, hops)
			return true
		},
		Drops: func(d *capture.Drops) bool {
			if f.Drops != nil && !f.Drops(d) {
				return false
			}
			pieces.AddDrops(d.DropCount)
			return true
		},
		Retransmits: func(r *capture.Retransmits) bool {
			if f.Retransmits != nil && !f.Retransmits(r) {
				return false
			}
			pieces.AddRetransmits(r.RetransmitCount)
			return true
		},
		Counters: func(c *capture.Counters, n *model.CounterCount) bool {
			if f.Counters != nil && !f.Counters(c, n) {
				return false
			}
			pieces.AddCounters([]model.CounterCount{*n})
			return true
		},
		Sockets: func(s *capture.Sockets) bool {
			if f.Sockets != nil && !f.Sockets(s) {
				return false
			}
			pieces.AddSocket(s.SocketEvent)
			return true
		},
		DNS: func(d *capture.DNS) bool {
			if f.DNS != nil && !f.DNS(d) {
				return false
			}
			pieces.AddDNS(d.Lookup)
			return true
		},
	}
}

// failOver is a relative growth; 0 is none.
type failOver float64

func (f *failOver) String() string {
	if *f == 0 {
		return ""
	}
	return fmt.Sprintf("%g%%", float64(*f)*100)
}

func (f *failOver) Type() string { return "percent" }

// Set reads "20%" or "20".
func (f *failOver) Set(s string) error {
	v, err := strconv.ParseFloat(strings.TrimSuffix(s, "%"), 64)
	if err != nil || !(v > 0) || math.IsInf(v, 0) {
		return fmt.Errorf("%q is no percentage above 0", s)
	}
	*f = failOver(v / 100)
	return nil
}
