package truth

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/pkg/journey"
	"github.com/hopscope/hopscope/pkg/pipeline"
)

// delayed puts a TBF on one device: what it adds to the packets' time must be
// in that device's qdisc, and nothing in any other hop.
func (top *topology) delayed(t *testing.T) {
	lab.BridgeNF(t, true)
	// At the pace at which the TBF lets datagrams go: a CPU that sleeps in
	// between takes longer for everything.
	before := top.oneWay(t, "960")
	// 2,000 datagrams a second of 1,042 bytes on the wire meet a rate of half
	// of that: the queue grows all the time.
	queue := lab.TBF(t, top.slow.netns, top.slow.name, 8_000_000, 3000, 10_000_000)
	after := top.oneWay(t, "2000")
	if c := queue.Counts(); c.Packets < oneWayCount || c.Drops != 0 {
		t.Fatalf("the TBF passed %d packets and dropped %d", c.Packets, c.Drops)
	}
	want := "qdisc @ " + top.slow.where
	added := after.mean("") - before.mean("")
	inQueue := after.mean(want) - before.mean(want)
	t.Logf("%s: %v added a packet, %.5f of it in the queue", want, time.Duration(added), inQueue/added)
	if added < float64(10*time.Millisecond) {
		t.Fatalf("the TBF added only %v a packet", time.Duration(added))
	}
	if s := inQueue / added; s < 0.95 || s > 1.05 {
		t.Errorf("%.4f of the added time is in %s", s, want)
	}
	for hop := range after {
		if hop != want && hop != "" {
			top.wantUnmoved(t, hop, before, after, added)
		}
	}
}

// wantUnmoved: the median of a hop is not beyond what 99 of 100 packets took
// before. Hops behind the queue may miss that by a µs or two, for they now run
// in the softirq of the queue's timer instead of the sender's system call: what
// is less than a thousandth of the added time is not the delay.
func (top *topology) wantUnmoved(t *testing.T, hop string, before, after times, added float64) {
	t.Helper()
	median, bound := after.quantile(hop, 0.5), before.quantile(hop, 0.99)
	if grown := float64(median - bound); grown > added/1000 {
		t.Errorf("%s grew: median %v, before at most %v for 99 of 100", hop, median, bound)
	}
}

const oneWayCount = 300

// times are the times of all packets in each hop, those of whole journeys
// under "".
type times map[string][]time.Duration

// oneWay traces datagrams that nobody answers.
func (top *topology) oneWay(t *testing.T, rate string) times {
	t.Helper()
	f := top.flows[0]
	tr := begin(t, pipeline.Options{})
	wantOK(t, top.client.Run("udp", "--echo=false", "--count", "300", "--rate", rate, "--size", "1000", f.at), oneWayCount)
	time.Sleep(quiet)
	r := tr.end()
	r.wantSound(t)
	out := times{}
	complete := 0
	for i := range r.Journeys {
		j := &r.Journeys[i]
		from, to := r.ends(j)
		if j.Proto != journey.ProtoUDP || from.Name != f.from.Name || to.Name != f.to.Name {
			continue
		}
		if names := r.hopsOf(j); !slices.ContainsFunc(names, isGap) {
			out.add(j, names)
			complete++
		}
	}
	// An interrupt now and then finds this kernel in a state in which it runs
	// no raw tracepoint program, not even an empty one: then stops are missing.
	if complete < oneWayCount*97/100 || complete > oneWayCount {
		t.Errorf("%d complete journeys of %d datagrams", complete, oneWayCount)
	}
	return out
}

// isGap: stops are missing.
func isGap(hop string) bool { return strings.HasPrefix(hop, "unknown ") }

func (ts times) add(j *journey.Journey, names []string) {
	ts[""] = append(ts[""], j.Total())
	for i, h := range j.Hops(nil) {
		ts[names[i]] = append(ts[names[i]], h.Duration)
	}
}

// mean is a hop's time a packet, in ns.
func (ts times) mean(hop string) float64 {
	sum := time.Duration(0)
	for _, d := range ts[hop] {
		sum += d
	}
	return float64(sum) / float64(len(ts[""]))
}

func (ts times) quantile(hop string, q float64) time.Duration {
	v := slices.Sorted(slices.Values(ts[hop]))
	if len(v) == 0 {
		return 0
	}
	return v[min(int(q*float64(len(v))), len(v)-1)]
}
