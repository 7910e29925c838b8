package topology

import (
	"slices"
	"testing"

	"github.com/hopscope/hopscope/internal/lab/traced"
	"github.com/hopscope/hopscope/pkg/pipeline"
)

const quiet = traced.Quiet

// trace is a tracing session under way that keeps every journey.
type trace struct {
	*traced.Session
	t *testing.T
}

// result is what a session told when it was over.
type result struct{ traced.Result }

// begin opens a session that tracks every packet.
func begin(t *testing.T, o pipeline.Options) trace {
	t.Helper()
	return trace{traced.Begin(t, o), t}
}

func (tr trace) end() result { return result{tr.End()} }

// wantSound checks what holds for every run without a fault: every tracked
// packet is accounted for, nothing is lost, and nothing of the flows is called
// a drop.
func (r result) wantSound(t *testing.T, flows []flow) {
	t.Helper()
	r.WantExact(t)
	r.WantNothingLost(t)
	for _, d := range r.Snapshot.Drops {
		from, to := end{d.From.Kind, d.From.Name}, end{d.To.Kind, d.To.Name}
		if slices.ContainsFunc(flows, func(f flow) bool { return f.of(from, to) || f.of(to, from) }) {
			t.Errorf("drop: %+v", d)
		}
	}
}

// of says whether the flow is between these ends.
func (f flow) of(client, server end) bool { return f.client == client && f.server == server }
