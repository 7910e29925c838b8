package model

import (
	"math"
	"testing"
	"time"

	"github.com/hopscope/hopscope/pkg/journey"
)

// oneHop is a capture of journeys of one hop each, the i-th of i ns and weight 2.
func oneHop(n int) *Aggregator {
	a := New(Limits{})
	for i := range n {
		hops := []journey.Hop{at(journey.HopQdisc, hostNS, vethWeb, time.Duration(i))}
		j := packet(hops)
		j.Weight = 2
		a.Add(j, hops)
	}
	return a
}

// TestBins checks that bins hold every sample within the stated accuracy, in
// order, and that they are there only on request.
func TestBins(t *testing.T) {
	const n = 3000
	a := oneHop(n)
	if p := onlyPath(t, a.Snapshot(shop(), Meta{})); p.Total.Bins != nil || p.Hops[0].Dist.Bins != nil {
		t.Error("bins without being asked for")
	}
	p := onlyPath(t, a.Snapshot(shop(), Meta{Bins: true}))
	for _, d := range []Dist{p.Total, p.Hops[0].Dist} {
		next, before := 0, int64(-1)
		for _, b := range d.Bins {
			if b.Ns <= before {
				t.Errorf("bin %d after bin %d", b.Ns, before)
			}
			before = b.Ns
			for range b.Count / 2 {
				if off := math.Abs(float64(next) - float64(b.Ns)); off > RelativeAccuracy*float64(next)+0.5 {
					t.Errorf("%d ns are in the bin of %d ns", next, b.Ns)
				}
				next++
			}
		}
		if next != n {
			t.Errorf("%d samples in the bins, want %d", next, n)
		}
	}
}

// TestTailTimes checks the tail's exact time against its journeys: those of
// 2,970 ns and more, and the rest of the bucket that the p99 falls into.
func TestTailTimes(t *testing.T) {
	const n = 3000
	p := onlyPath(t, oneHop(n).Snapshot(shop(), Meta{}))
	h := p.Hops[0]
	var want uint64
	for i := n - int(p.TailJourneys/2); i < n; i++ {
		want += 2 * uint64(i)
	}
	if h.TailNs != want {
		t.Errorf("tail of %d journeys takes %d ns, want %d", p.TailJourneys, h.TailNs, want)
	}
	if p.TailJourneys < 2*30 || p.TailJourneys > 2*uint64(30+n*84/1000) {
		t.Errorf("%d journeys in the tail", p.TailJourneys)
	}
	if h.Namespace != "host" {
		t.Errorf("namespace %q of %s", h.Namespace, h.Where)
	}
}
