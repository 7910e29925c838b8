package truth

import (
	"math"
	"testing"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/pkg/pipeline"
)

// A ring of one page cannot hold what comes between two polls. Each packet is
// then a record, or is counted as one that was left out, or as one that found
// the ring full.
func TestSmallRingLosesWhatItSays(t *testing.T) {
	p := sharedPair(t)
	for _, kind := range []struct {
		name string
		opts pipeline.Options
	}{
		{"everything is slow and must be emitted", pipeline.Options{RingBytes: 4096, Slow: 1}},
		{"thinned under pressure", pipeline.Options{RingBytes: 4096}},
		{"thinned in a larger ring", pipeline.Options{RingBytes: 65536}},
	} {
		t.Run(kind.name, func(t *testing.T) {
			tr := begin(t, kind.opts)
			out, back := lab.AFPacketCount(t, p.client.Netns, "eth0"), lab.AFPacketCount(t, p.web.Netns, "eth0")
			wantOK(t, p.client.Run("rr", "--count", "10000", "--connections", "4", p.at), 10000)
			r := tr.end()
			sent := out.Stop().Packets + back.Stop().Packets
			r.WantExact(t)
			r.wantRingBooks(t, sent, kind.opts.Slow != 0)
		})
	}
}

func (r result) wantRingBooks(t *testing.T, sent uint64, mustEmit bool) {
	t.Helper()
	c, a := r.Counts, r.Snapshot.Accounting
	full := c.Lost["ring_full"]
	t.Logf("%d packets: %d tracked, %d emitted, %d suppressed, %d found the ring full", sent, c.Tracked, c.Emitted, c.Suppressed, full)
	if a.Lost["ring_full"] != full || a.Emitted != c.Emitted || a.Suppressed != c.Suppressed {
		t.Errorf("the summary says %d full, %d emitted, %d suppressed; the kernel %d, %d, %d",
			a.Lost["ring_full"], a.Emitted, a.Suppressed, full, c.Emitted, c.Suppressed)
	}
	if got := share(uint64(len(r.Journeys))+c.Suppressed+full, sent); got < 0.999 || got > 1.001 {
		t.Errorf("records, suppressed and lost are %.4f of the packets sent", got)
	}
	if c.Tracked != uint64(len(r.Journeys))+c.Suppressed+c.LostTotal() {
		t.Errorf("%d tracked, but %d records, %d suppressed, %v lost", c.Tracked, len(r.Journeys), c.Suppressed, c.Lost)
	}
	if mustEmit {
		if full == 0 || c.Suppressed != 0 {
			t.Errorf("%d found the ring full, %d were suppressed; want some and none", full, c.Suppressed)
		}
		return
	}
	if c.Suppressed == 0 {
		t.Error("no journey was suppressed")
	}
	r.wantWeights(t)
}

// wantWeights: each record stands for a number of completed journeys, and so
// does each that found the ring full. The variance of their sum is that of
// independent choices, one in w for weight w: estimated from the records that
// were chosen, thus too small where too few were, which the ratio mends
// (Wilson 1927); of those that found the ring full w is thinMost at most.
func (r result) wantWeights(t *testing.T) {
	t.Helper()
	var sum, variance float64
	for _, j := range r.Journeys {
		w := float64(j.Weight)
		sum += w
		variance += w * (w - 1)
	}
	const thinMost = 128
	unweighted := float64(r.Counts.Notes["unweighted"])
	want := float64(r.Counts.Emitted+r.Counts.Suppressed) - unweighted
	variance = variance*max(1, want/sum) + unweighted*thinMost
	t.Logf("weights sum to %.0f of %.0f, %+.1f sigma", sum, want, (sum-want)/math.Sqrt(variance))
	if math.Abs(sum-want) > sigmas*math.Sqrt(variance) {
		t.Errorf("weights sum to %.0f, %.0f journeys completed", sum, want)
	}
}
