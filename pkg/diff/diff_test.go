package diff

import (
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/hopscope/hopscope/pkg/inventory"
)

var twenty = Options{FailOver: 0.20}

// TestEqualLoads compares captures of one load that drifts: at most the stated
// share of them may show a change.
func TestEqualLoads(t *testing.T) {
	const pairs = 40
	found := 0
	for i := range uint64(pairs) {
		r := Compare(shopLoad(2*i).side(t), shopLoad(2*i+1).side(t), Options{FailOver: 0.01})
		for _, c := range onlyPath(t, r).Changes {
			if c.Significant {
				t.Logf("pair %d: %+v", i, c)
				found++
				break
			}
		}
	}
	if found > 2 { // expected 0.4
		t.Errorf("%d of %d pairs of equal loads differ", found, pairs)
	}
}

func TestAddedDelay(t *testing.T) {
	slow := shopLoad(2)
	slow.qdisc = func(*rand.Rand, float64) time.Duration { return 20 * time.Microsecond }
	r := Compare(shopLoad(1).side(t), slow.side(t), twenty)
	var regression *RegressionError
	if err := r.Verdict(); !errors.As(err, &regression) || regression.Paths != 1 || regression.FailOver != 0.2 {
		t.Fatalf("verdict %v", err)
	}
	p := onlyPath(t, r)
	for _, c := range p.Changes {
		if !c.Regressed {
			t.Errorf("no regression of %+v", c)
		}
	}
	var deltas float64
	for _, h := range p.Hops {
		deltas += h.DeltaNs
		own := math.Abs(h.DeltaNs - 20_000*boolean(h.Hop == "qdisc"))
		if own > 1500 {
			t.Errorf("%s @ %s changed by %.0f ns", h.Hop, h.Where, h.DeltaNs)
		}
		if got := change(t, h.Changes, "p50").Significant; got != (h.Hop == "qdisc") {
			t.Errorf("%s @ %s: significant is %v", h.Hop, h.Where, got)
		}
	}
	mean := float64(p.After.SumNs)/float64(p.After.Count) - float64(p.Before.SumNs)/float64(p.Before.Count)
	if math.Abs(deltas-mean) > 1e-3 {
		t.Errorf("hops changed by %v ns together, the mean by %v", deltas, mean)
	}
	if want := mean * 12_000 / 12; math.Abs(p.Impact-want) > 1 {
		t.Errorf("impact %v, want %v", p.Impact, want)
	}
	if r := Compare(slow.side(t), shopLoad(1).side(t), twenty); r.Verdict() != nil || !change(t, onlyPath(t, r).Changes, "p50").Significant {
		t.Errorf("the way back: %v, %+v", r.Verdict(), onlyPath(t, r).Changes)
	}
	if r := Compare(shopLoad(1).side(t), slow.side(t), Options{}); r.Verdict() != nil || r.FailOver != nil {
		t.Errorf("without a threshold: %v", r.Verdict())
	}
}

// The more is tested, the more chance alone would find: what no permutation
// reaches has the least p-value that there is, times the number of tests.
func TestPValuesAreCorrected(t *testing.T) {
	slow := shopLoad(2)
	slow.qdisc = func(*rand.Rand, float64) time.Duration { return 20 * time.Microsecond }
	r := Compare(shopLoad(1).side(t), slow.side(t), twenty)
	changes, _ := tested(r)
	least, tests := 1.0, 0
	for _, c := range changes {
		if c.P != nil {
			least, tests = min(least, *c.P), tests+1
		}
	}
	want := float64(tests) / float64(rounds(tests)+1)
	if tests < 2 || least < want-1e-9 {
		t.Errorf("the least p-value is %g of %d tests, want %g at least", least, tests, want)
	}
}

func boolean(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// TestTailAlone slows down 2 % of the packets, which no mean or median shows.
func TestTailAlone(t *testing.T) {
	slow := shopLoad(2)
	slow.qdisc = func(r *rand.Rand, _ float64) time.Duration {
		return time.Duration(200*boolean(r.IntN(50) == 0)) * time.Microsecond
	}
	p := onlyPath(t, Compare(shopLoad(1).side(t), slow.side(t), twenty))
	if c := change(t, p.Changes, "p99"); !c.Regressed || c.AfterNs < 200_000 {
		t.Errorf("p99: %+v", c)
	}
	if c := change(t, p.Changes, "p50"); c.Significant {
		t.Errorf("p50: %+v", c)
	}
}

// TestOneBurst has 2 % of the packets slow in a single moment: one event is no
// evidence that the system changed, however many packets it hit.
func TestOneBurst(t *testing.T) {
	burst := shopLoad(2)
	burst.qdisc = func(_ *rand.Rand, at float64) time.Duration {
		return time.Duration(500*boolean(at > 5 && at < 5.25)) * time.Microsecond
	}
	r := Compare(shopLoad(1).side(t), burst.side(t), twenty)
	if c := change(t, onlyPath(t, r).Changes, "p99"); c.AfterNs < 300_000 || c.Significant {
		t.Errorf("p99: %+v", c)
	}
	if err := r.Verdict(); err != nil {
		t.Errorf("verdict %v", err)
	}
}

// TestWeightsAreNoChange samples the same load at 1 of 64.
func TestWeightsAreNoChange(t *testing.T) {
	sampled := shopLoad(2)
	sampled.packets, sampled.weight = sampled.packets/4, 64
	p := onlyPath(t, Compare(shopLoad(1).side(t), sampled.side(t), twenty))
	if p.After.Count != 64*p.After.Samples {
		t.Errorf("%d packets of %d samples", p.After.Count, p.After.Samples)
	}
	for _, c := range p.Changes {
		if c.Significant {
			t.Errorf("%+v", c)
		}
	}
}

// TestMatchedByService has containers that were made anew under other names
// and ids, and a service that was scaled.
func TestMatchedByService(t *testing.T) {
	before, after := shopLoad(1), shopLoad(2)
	before.names = names{webNS: "shop-web-1", apiNS: "shop-api-1"}
	before.containers = []inventory.Container{
		{ID: "w", Name: "shop-web-1", Service: "web", Project: "shop"},
		{ID: "a", Name: "shop-api-1", Service: "api", Project: "shop"},
	}
	after.names = names{webNS: "shop-web-7", apiNS: "shop-api-2", apiNS + 1: "shop-api-3"}
	after.replicas = 2
	after.containers = []inventory.Container{
		{ID: "w2", Name: "shop-web-7", Service: "web", Project: "shop"},
		{ID: "a2", Name: "shop-api-2", Service: "api", Project: "shop"},
		{ID: "a3", Name: "shop-api-3", Service: "api", Project: "shop"},
	}
	r := Compare(before.side(t), after.side(t), twenty)
	p := onlyPath(t, r)
	if p.From.Name != "shop/web" || p.To.Name != "shop/api" || len(r.Appeared)+len(r.Vanished) != 0 {
		t.Errorf("path %+v, appeared %v, vanished %v", p.ID, r.Appeared, r.Vanished)
	}
	if p.After.Samples != 12_000 {
		t.Errorf("%d samples of both replicas, want 12,000", p.After.Samples)
	}
	var got []string
	for _, h := range p.Hops {
		got = append(got, h.Hop+" @ "+h.Where+" in "+h.Namespace)
	}
	want := []string{"backlog @ veth of shop/web in host", "qdisc @ veth of shop/api in host", "stack_rx @ eth0 of shop/api in shop/api"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("hops %q, want %q", got, want)
	}
	if err := r.Verdict(); err != nil {
		t.Errorf("verdict %v", err)
	}
}

func TestWheresLast(t *testing.T) {
	l := lasting{"shop-web-1": "shop/web", "a": "p/a"}
	for place, want := range map[string]string{
		"host": "host", "shop-web-1": "shop/web", "eth0 of shop-web-1": "eth0 of shop/web",
		"veth of shop-web-1 (backend)": "veth of shop/web (backend)", "veth of a+b": "veth of p/a+b",
		"bridge shop": "bridge shop", "dev 12 in ns 4026": "dev 12 in ns 4026",
	} {
		if got := l.where(place); got != want {
			t.Errorf("%q became %q, want %q", place, got, want)
		}
	}
}

func TestTooFewSamples(t *testing.T) {
	few, brief := shopLoad(2), shopLoad(2)
	few.packets = 99
	brief.seconds = 0.3 // fewer than 8 slices
	for name, l := range map[string]load{"few": few, "brief": brief} {
		r := Compare(shopLoad(1).side(t), l.side(t), twenty)
		if err := r.Verdict(); !errors.Is(err, ErrTooFewSamples) || !onlyPath(t, r).TooFew {
			t.Errorf("%s: verdict %v", name, err)
		}
	}
	hundred := shopLoad(2)
	hundred.packets = 400
	p := onlyPath(t, Compare(shopLoad(1).side(t), hundred.side(t), twenty))
	if c := change(t, p.Changes, "p99"); p.TooFew || c.P != nil {
		t.Errorf("p99 of 400 samples was tested: %+v", c)
	}
}

func TestAppearedAndVanished(t *testing.T) {
	other := shopLoad(2)
	other.port = 9090
	r := Compare(shopLoad(1).side(t), other.side(t), twenty)
	if len(r.Appeared) != 1 || r.Appeared[0].Port != 9090 || len(r.Vanished) != 1 || r.Vanished[0].Port != 8080 {
		t.Errorf("appeared %v, vanished %v", r.Appeared, r.Vanished)
	}
	if r.Appeared[0].Dist.Count != 12_000 || r.Appeared[0].Dist.P99Ns == nil {
		t.Errorf("appeared: %+v", r.Appeared[0].Dist)
	}
	if err := r.Verdict(); !errors.Is(err, ErrNothingInCommon) {
		t.Errorf("verdict %v", err)
	}
}

// What regressed comes first, then what changed the time of most packets most,
// for better or worse.
func TestSortedByImpact(t *testing.T) {
	r := &Result{Exchanges: []Exchange{{Impact: 1}, {Impact: -3}, {Impact: 2, Regressed: true}}}
	for port, impact := range []float64{5, -7000, 300, 20, 0} {
		r.Paths = append(r.Paths, Path{ID: ID{Port: uint16(port)}, Impact: impact, Regressed: port == 3})
	}
	for port, share := range []float64{0.01, 0.2, 0.05} {
		r.Drops = append(r.Drops, Drop{Port: uint16(port), Rate: Rate{ShareAfter: share, ShareBefore: 0.1, Regressed: port == 2}})
	}
	sortResult(r)
	var ports, drops []uint16
	for _, p := range r.Paths {
		ports = append(ports, p.Port)
	}
	for _, d := range r.Drops {
		drops = append(drops, d.Port)
	}
	if want := []uint16{3, 1, 2, 0, 4}; !slices.Equal(ports, want) {
		t.Errorf("paths %v, want %v", ports, want)
	}
	if want := []uint16{2, 1, 0}; !slices.Equal(drops, want) {
		t.Errorf("drops %v, want %v", drops, want)
	}
	if x := r.Exchanges; x[0].Impact != 2 || x[1].Impact != -3 {
		t.Errorf("exchanges %+v", x)
	}
}

func TestDrops(t *testing.T) {
	before, after := shopLoad(1), shopLoad(2)
	before.dropEvery, after.dropEvery = 1000, 100
	r := Compare(before.side(t), after.side(t), twenty)
	if len(r.Drops) != 1 {
		t.Fatalf("%d groups of drops", len(r.Drops))
	}
	d := r.Drops[0]
	if d.Before != 12 || d.After != 120 || math.Abs(d.ShareAfter-0.01) > 1e-9 || !d.Regressed {
		t.Errorf("%+v", d)
	}
	var regression *RegressionError
	if err := r.Verdict(); !errors.As(err, &regression) || regression.Drops != 1 || regression.Paths != 0 {
		t.Errorf("verdict %v", err)
	}
	same := shopLoad(3)
	same.dropEvery = 1000
	if err := Compare(before.side(t), same.side(t), twenty).Verdict(); err != nil {
		t.Errorf("as many drops as before: %v", err)
	}
	none := Compare(shopLoad(1).side(t), after.side(t), twenty)
	if d := none.Drops[0]; !d.Regressed || d.Before != 0 || d.ShareBefore != 0 {
		t.Errorf("drops that were not there before: %+v", d)
	}
}

func TestRetransmitsAndRoundTrips(t *testing.T) {
	before, after := shopLoad(1), shopLoad(2)
	before.resend, after.resend = 500, 50
	r := Compare(before.side(t), after.side(t), twenty)
	if len(r.TCP) == 0 || r.TCP[0].Role != "client" || r.TCP[0].From.Name != "web" {
		t.Fatalf("the regressed side is not the first of %+v", r.TCP)
	}
	x := r.TCP[0]
	if x.Retransmits.Before != 24 || x.Retransmits.After != 240 || x.SegmentsAfter != 12_000 || !x.Retransmits.Regressed {
		t.Errorf("retransmits: %+v", x)
	}
	var regression *RegressionError
	if err := r.Verdict(); !errors.As(err, &regression) || regression.TCP != 1 || regression.Paths+regression.Drops != 0 {
		t.Errorf("verdict %v", err)
	}
	before.resend, after.resend = 0, 0
	before.rtt, after.rtt = 100*time.Microsecond, 150*time.Microsecond
	r = Compare(before.side(t), after.side(t), twenty)
	if len(r.TCP) != 2 || r.TCP[0].Role != "server" || !r.TCP[0].Regressed {
		t.Fatalf("round trips: %+v", r.TCP)
	}
	if c := change(t, r.TCP[0].RTTChanges, "p50"); math.Abs(*c.Relative-0.46) > 0.03 || !c.Regressed {
		t.Errorf("p50 of the round trip: %+v", c)
	}
}

func TestLookups(t *testing.T) {
	ms := time.Millisecond
	for _, c := range []struct {
		name                   string
		lookup, lookupAfter    time.Duration
		noAnswer, noAnswerThen int
		slower, failing        bool
	}{
		{"as before", ms, ms, 100, 100, false, false},
		{"slower", ms, 2 * ms, 0, 0, true, false},
		{"unanswered", ms, ms, 200, 20, false, true},
	} {
		before, after := shopLoad(1), shopLoad(2)
		before.lookup, before.noAnswer, after.lookup, after.noAnswer = c.lookup, c.noAnswer, c.lookupAfter, c.noAnswerThen
		r := Compare(before.side(t), after.side(t), twenty)
		if len(r.DNS) != 1 {
			t.Fatalf("%s: %d askers", c.name, len(r.DNS))
		}
		d := r.DNS[0]
		if d.From.Name != "web" || d.To.Name != "198.51.100.53" || d.QueriesBefore != 1200 || d.QueriesAfter != 1200 {
			t.Errorf("%s: %+v", c.name, d)
		}
		if c.noAnswerThen > 0 && d.Failed.After != uint64(1200/c.noAnswerThen) {
			t.Errorf("%s: %d failed", c.name, d.Failed.After)
		}
		if p50 := change(t, d.LatencyChanges, "p50"); p50.Regressed != c.slower || d.Failed.Regressed != c.failing || d.Regressed != (c.slower || c.failing) {
			t.Errorf("%s: p50 %+v, failed %+v, regressed %v", c.name, p50, d.Failed, d.Regressed)
		}
		var regression *RegressionError
		if err := r.Verdict(); errors.As(err, &regression) != d.Regressed || d.Regressed && regression.DNS != 1 {
			t.Errorf("%s: verdict %v", c.name, err)
		}
	}
}

func TestCompareIsTheSameEveryTime(t *testing.T) {
	before, after := shopLoad(1).side(t), shopLoad(2).side(t)
	if a, b := Compare(before, after, twenty), Compare(before, after, twenty); !reflect.DeepEqual(a, b) {
		t.Error("two comparisons of the same captures differ")
	}
}
