package pipeline

import (
	"testing"

	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/journey"
	"github.com/hopscope/hopscope/pkg/model"
)

// counting is a sink.
type counting struct{ n int }

func (c *counting) Journey(*journey.Journey, []journey.Hop) error { c.n++; return nil }

// TestUnsummedLeavesJourneysToSinks holds that the live screen, whose history
// adds up, does not pay for it twice.
func TestUnsummedLeavesJourneysToSinks(t *testing.T) {
	sink := &counting{}
	p := New(Match{}, sink)
	p.unsummed = true
	records := exchanges(10)
	for _, raw := range records {
		p.Record(raw)
	}
	if s := p.Snapshot(inventory.NewView(inventory.Facts{}), model.Meta{}); sink.n != len(records) || len(s.Paths) != 0 {
		t.Errorf("the sink has %d of %d journeys, the sums %d paths", sink.n, len(records), len(s.Paths))
	}
}
