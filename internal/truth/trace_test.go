package truth

import (
	"testing"

	"github.com/hopscope/hopscope/internal/lab/traced"
	"github.com/hopscope/hopscope/pkg/journey"
	"github.com/hopscope/hopscope/pkg/pipeline"
)

const quiet = traced.Quiet

// trace is a tracing session under way that keeps every journey.
type trace struct{ *traced.Session }

// result is what a session told when it was over.
type result struct{ traced.Result }

// begin opens a session; every packet is tracked unless o says otherwise.
func begin(t *testing.T, o pipeline.Options) trace {
	t.Helper()
	return trace{traced.Begin(t, o)}
}

func (tr trace) end() result { return result{tr.End()} }

// wantSound is what holds for every run without a fault.
func (r result) wantSound(t *testing.T) {
	t.Helper()
	r.WantExact(t)
	r.wantNoLoss(t)
}

// wantNoLoss checks the summary of a run without a fault.
func (r result) wantNoLoss(t *testing.T) {
	t.Helper()
	r.WantNothingLost(t)
	for _, d := range r.Snapshot.Drops {
		t.Errorf("drop: %+v", d)
	}
}

// count tells how many journeys fit.
func count(journeys []journey.Journey, fits func(*journey.Journey) bool) uint64 {
	var n uint64
	for i := range journeys {
		if fits(&journeys[i]) {
			n++
		}
	}
	return n
}

// bornAt fits journeys that began at a device, in a namespace; the parts of a
// packet that was split do not count.
func bornAt(netns uint32, ifindex int) func(*journey.Journey) bool {
	return func(j *journey.Journey) bool {
		return j.Flags&journey.FlagInherited == 0 && j.Stops[0].Netns == netns && j.Stops[0].Ifindex == uint32(ifindex)
	}
}
