package export

import (
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/google/pprof/profile"

	"github.com/hopscope/hopscope/pkg/export/flame"
	"github.com/hopscope/hopscope/pkg/model"
	"github.com/hopscope/hopscope/pkg/printable"
)

// Pprof writes a snapshot as a gzipped profile.proto, for `go tool pprof`,
// speedscope and their like. Its stacks are those of Folded. Sample types:
// latency (Σ ns × weight), tail (the same of journeys at or beyond their
// path's p99), passages (how often the hop was passed). Labels: container,
// peer, protocol,
// direction, network, port.
func Pprof(w io.Writer, s model.Snapshot) error {
	p := newPprof(s)
	labels := flowLabels(s.Paths)
	for i := range s.Paths {
		p.addPath(&s.Paths[i], labels[flowOf(&s.Paths[i])])
	}
	if err := p.CheckValid(); err != nil {
		return fmt.Errorf("make pprof: %w", err)
	}
	if err := p.Write(w); err != nil {
		return fmt.Errorf("write pprof: %w", err)
	}
	return nil
}

// pprof is a profile under construction. Its functions are frames: the same
// name is the same function, so that a hop adds up over all paths.
type pprof struct {
	*profile.Profile
	locations map[string]*profile.Location
}

func newPprof(s model.Snapshot) *pprof {
	p := &profile.Profile{
		SampleType: []*profile.ValueType{
			{Type: "latency", Unit: "nanoseconds"},
			{Type: "tail", Unit: "nanoseconds"},
			{Type: "passages", Unit: "count"},
		},
		DefaultSampleType: "latency",
		PeriodType:        &profile.ValueType{Type: "latency", Unit: "nanoseconds"},
		Period:            1,
		TimeNanos:         s.StartedAt.UnixNano(),
		DurationNanos:     s.DurationNs,
		Comments: []string{
			"hopscope " + s.ToolVersion, "host " + s.Host, "Linux " + s.Kernel,
			"latency is the time of all packets together, in packet-nanoseconds",
		},
		// The flag says that names are known: no tool has to look for symbols.
		Mapping: []*profile.Mapping{{ID: 1, File: "hopscope", HasFunctions: true}},
	}
	return &pprof{Profile: p, locations: map[string]*profile.Location{}}
}

func (p *pprof) addPath(x *model.Path, label string) {
	t := flame.Tree{Root: flame.NewFrame(flame.KindRoot, "all")}
	addPath(t.Root, x, label)
	labels := pprofLabels(x)
	for _, s := range t.Stacks() {
		sample := &profile.Sample{
			Value: []int64{int64(s.Values[measureTotal]), int64(s.Values[measureTail]), int64(s.Values[measurePassages])},
			Label: labels,
		}
		for _, frame := range slices.Backward(s.Frames) { // leaf first
			sample.Location = append(sample.Location, p.location(frame))
		}
		p.Sample = append(p.Sample, sample)
	}
}

func (p *pprof) location(frame string) *profile.Location {
	if l := p.locations[frame]; l != nil {
		return l
	}
	id := uint64(len(p.Location) + 1)
	f := &profile.Function{ID: id, Name: frame, SystemName: frame}
	l := &profile.Location{ID: id, Mapping: p.Mapping[0], Line: []profile.Line{{Function: f}}}
	p.Function = append(p.Function, f)
	p.Location = append(p.Location, l)
	p.locations[frame] = l
	return l
}

// pprofLabels are for -tagfocus and -tagshow. The port is text: pprof would
// show a number as a quantity.
func pprofLabels(x *model.Path) map[string][]string {
	f := flowOf(x)
	peer := f.server
	if f.owner() == f.server {
		peer = f.client
	}
	labels := map[string][]string{
		"container": {printable.Clean(f.owner().Name)},
		"peer":      {printable.Clean(peer.Name)},
		"protocol":  {x.Proto},
		"direction": {x.Direction},
	}
	if x.Network != "" {
		labels["network"] = []string{printable.Clean(x.Network)}
	}
	if x.Port != 0 {
		labels["port"] = []string{strconv.Itoa(int(x.Port))}
	}
	return labels
}
