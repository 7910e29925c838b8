package truth

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/pkg/journey"
	"github.com/hopscope/hopscope/pkg/model"
	"github.com/hopscope/hopscope/pkg/pipeline"
)

// Two tracers see the same packets, one with a ring that is far too small. Few
// quick packets come while it has room, many slow ones when it has not: what it
// leaves out is not like what it keeps. Its percentiles are those of the other
// one nevertheless, within the sketch's error and that of so small a sample;
// without the weights they would be off by far.
func TestPercentilesUnderSuppression(t *testing.T) {
	p := sharedPair(t)
	whole := begin(t, pipeline.Options{})
	thinned := begin(t, pipeline.Options{RingBytes: 4 << 10})
	wantOK(t, p.client.Run("rr", "--count", "1800", "--rate", "250", "--size", "1000", p.at), 1800)
	lab.TBF(t, p.client.Netns, "eth0", 20_000_000, 3000, 200_000)
	wantOK(t, p.client.Run("rr", "--count", "3000", "--connections", "8", "--size", "1000", p.at), 3000)
	few, all := thinned.end(), whole.end()

	if all.Counts.Suppressed != 0 || all.Counts.Lost["ring_full"] != 0 {
		t.Fatalf("the whole is not whole: %d suppressed, lost %v", all.Counts.Suppressed, all.Counts.Lost)
	}
	want, got := p.requestsOf(t, all), p.requestsOf(t, few)
	times := all.totals(p)
	kept := few.totals(p)
	if len(times) != int(want.Total.Samples) || len(kept) != int(got.Total.Samples) {
		t.Fatalf("%d and %d journeys, %d and %d samples", len(times), len(kept), want.Total.Samples, got.Total.Samples)
	}
	var sum, squares float64
	for _, x := range kept {
		sum += x.weight
		squares += x.weight * x.weight
	}
	// Kish: what a weighted sample is worth.
	worth := sum * sum / squares
	t.Logf("%d packets, %d kept, worth %.0f; %d suppressed, lost %v", len(times), len(kept), worth, few.Counts.Suppressed, few.Counts.Lost)
	if share(uint64(len(kept)), uint64(len(times))) > 0.6 || worth < 100 {
		t.Fatalf("%d of %d packets are kept, worth %.0f", len(kept), len(times), worth)
	}
	// Each kept one stands for w of which the others are not known.
	if off := math.Abs(sum - float64(len(times))); off > 5*math.Sqrt(squares-sum)+float64(few.Counts.Lost["ring_full"]) {
		t.Errorf("the kept ones stand for %.0f of %d", sum, len(times))
	}
	unweighed := exactly(kept, 0.5)
	if lo, hi := exactly(times, 0.4), exactly(times, 0.6); unweighed > lo && unweighed < hi {
		t.Errorf("without weights p50 were %v, of the whole %v: nothing is to be seen here", unweighed, exactly(times, 0.5))
	}
	for q, ns := range map[float64]*int64{0.5: got.Total.P50Ns, 0.99: got.Total.P99Ns} {
		of := want.Total.P50Ns
		if q == 0.99 {
			of = want.Total.P99Ns
		}
		// Five standard deviations of the rank, and the sketch's error of either.
		rank := 5 * math.Sqrt(q*(1-q)/worth)
		lo, hi := exactly(times, max(q-rank, 0)), exactly(times, min(q+rank, 1))
		t.Logf("p%v: %v, of the whole %v (%v to %v)", 100*q, time.Duration(*ns), time.Duration(*of), lo, hi)
		if d := float64(*ns); d < float64(lo)*(1-2*model.RelativeAccuracy) || d > float64(hi)*(1+2*model.RelativeAccuracy) {
			t.Errorf("p%v is %v, of the whole %v: not within %v and %v", 100*q, time.Duration(*ns), time.Duration(*of), lo, hi)
		}
	}
}

// requestsOf is the path from client to web.
func (p *pair) requestsOf(t *testing.T, r result) *model.Path {
	t.Helper()
	for i := range r.Snapshot.Paths {
		x := &r.Snapshot.Paths[i]
		if x.From.Name == p.client.Name && x.To.Name == p.web.Name && x.Direction == "request" && x.Proto == "tcp" {
			return x
		}
	}
	t.Fatal("no requests of client to web")
	return nil
}

// weighed is how long a packet took, and for how many it stands.
type weighed struct {
	took   time.Duration
	weight float64
}

// totals are the times of the packets from client to web, in order.
func (r result) totals(p *pair) (out []weighed) {
	for i := range r.Journeys {
		j := &r.Journeys[i]
		if j.First.Src.Addr() == p.client.IP(p.net) && j.First.Dst.Port() == serverPort &&
			(j.Ending == journey.EndingDelivered || j.Ending == journey.EndingLeft || j.Ending == journey.EndingConsumed) {
			out = append(out, weighed{j.Total(), float64(j.Weight)})
		}
	}
	slices.SortFunc(out, func(x, y weighed) int { return int(x.took - y.took) })
	return out
}

// exactly is the value at a rank, whatever the weights.
func exactly(list []weighed, q float64) time.Duration {
	return list[int(q*float64(len(list)-1))].took
}
