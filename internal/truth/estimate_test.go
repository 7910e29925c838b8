package truth

import (
	"slices"
	"testing"
	"time"

	"github.com/hopscope/hopscope/pkg/probe"
)

// Where the kernel does not tell what the programs cost, an estimate from their
// own counters stands in. It must not be far from what the kernel tells here,
// and rather too high: then the budget is kept.
func TestEstimateOfTheCost(t *testing.T) {
	pair := sharedPair(t)
	for _, sample := range []uint32{1, 64} {
		p, err := probe.Open(probe.Config{Sample: sample})
		if err != nil {
			t.Fatal(err)
		}
		load := pair.client.Start("rr", "--count", "1000000", "--connections", "2", "--duration", "4s", pair.at)
		var ratios []float64
		for range 9 {
			if err := p.MeterStart(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(300 * time.Millisecond)
			c, ok := p.MeterStop()
			if !ok || c.Estimated || c.Runs < 1000 {
				t.Fatalf("no measurement: %+v", c)
			}
			ratios = append(ratios, c.Estimate.Seconds()/c.Runtime.Seconds())
		}
		load.Wait()
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		slices.Sort(ratios)
		t.Logf("1 of %d: the estimate is %.2f of what was measured (%.2f - %.2f)", sample, ratios[4], ratios[0], ratios[8])
		if m := ratios[4]; m < 0.7 || m > 4 {
			t.Errorf("1 of %d: the estimate is %.2f of what was measured", sample, m)
		}
	}
}
