package diff

import (
	"math"
	"slices"

	"github.com/hopscope/hopscope/pkg/model"
)

// percentiles are those that are compared.
var percentiles = [...]struct {
	name string
	q    float64
}{{"p50", 0.50}, {"p90", 0.90}, {"p95", 0.95}, {"p99", 0.99}}

// Compare compares two captures. Whether they allow a verdict, and which, is
// told by [Result.Verdict].
func Compare(before, after Side, o Options) *Result {
	c := comparison{
		before: newSide(before), after: newSide(after), failOver: o.FailOver,
		seconds: float64(after.Snapshot.DurationNs) / 1e9, secondsBefore: float64(before.Snapshot.DurationNs) / 1e9,
	}
	r := &Result{
		Schema: SchemaName, Alpha: Alpha,
		Before: about(before), After: about(after),
		Paths: []Path{}, Drops: []Drop{}, TCP: []TCP{}, Exchanges: []Exchange{}, DNS: []DNS{}, Appeared: []Lone{}, Vanished: []Lone{},
	}
	if o.FailOver > 0 {
		r.FailOver = &o.FailOver
	}
	c.plan()
	for _, id := range c.after.order {
		if c.before.paths[id] == nil {
			r.Appeared = append(r.Appeared, Lone{id, c.after.paths[id].total.dist})
			continue
		}
		r.Paths = append(r.Paths, c.path(id))
	}
	for _, id := range c.before.order {
		if c.after.paths[id] == nil {
			r.Vanished = append(r.Vanished, Lone{id, c.before.paths[id].total.dist})
		}
	}
	r.Drops = append(r.Drops, c.drops()...)
	r.TCP = append(r.TCP, c.tcp()...)
	r.Exchanges = append(r.Exchanges, c.exchanges()...)
	r.DNS = append(r.DNS, c.dns()...)
	r.gone, r.few, r.Rare = c.untested()
	c.judge(r)
	return r
}

func about(s Side) Capture {
	c := Capture{
		Host: s.Snapshot.Host, Kernel: s.Snapshot.Kernel, ToolVersion: s.Snapshot.ToolVersion,
		StartedAt: s.Snapshot.StartedAt, DurationNs: s.Snapshot.DurationNs,
		Tracked: s.Snapshot.Accounting.Tracked, Slices: len(s.Slices),
	}
	for _, n := range s.Snapshot.Accounting.Lost {
		c.Lost += n
	}
	return c
}

// comparison is the work on a Result.
type comparison struct {
	before, after *side
	failOver      float64
	seconds       float64 // of the later capture
	secondsBefore float64 // of the earlier one
	tests         int     // of paths, drops, TCP, DNS and exchanges, for Holm's correction
	rounds        int
}

// plan counts the tests that may be made. What is tested in the end depends on
// the data; the correction must not.
func (c *comparison) plan() {
	for id := range c.after.paths {
		if c.before.paths[id] != nil {
			c.tests += len(percentiles)
		}
	}
	c.tests += len(percentiles)*len(c.exchangeIDs()) + len(c.dropIDs()) + (1+len(percentiles))*(len(c.tcpIDs())+len(c.dnsIDs()))
	c.rounds = rounds(c.tests)
}

func (c *comparison) path(id ID) Path {
	b, a := c.before.paths[id], c.after.paths[id]
	x := c.compare(b, a)
	return Path{
		ID: id, Before: b.total.dist, After: a.total.dist,
		TooFew: x.tooFew, Changes: x.changes, Impact: x.impact, Hops: x.hops,
	}
}

// compared is how a whole and its parts differ.
type compared struct {
	tooFew  bool
	impact  float64 // ns a second
	changes []Change
	hops    []Hop
}

func (c *comparison) compare(b, a *measured) compared {
	x := compared{tooFew: !b.total.isEnough() || !a.total.isEnough(), hops: []Hop{}}
	x.changes = changes(b.total, a.total, !x.tooFew, c.rounds)
	x.impact = (perPacket(a.total.dist.SumNs, a.total.dist.Count) - perPacket(b.total.dist.SumNs, b.total.dist.Count)) *
		float64(a.total.dist.Count) / math.Max(c.seconds, 1e-9)
	for _, h := range hopOrder(b, a) {
		x.hops = append(x.hops, hop(h, b, a, !x.tooFew))
	}
	correctHops(x.hops)
	return x
}

// hopOrder is the later capture's, with vanished hops where they were.
func hopOrder(b, a *measured) []hopID {
	out := slices.Clone(a.order)
	at := 0
	for _, h := range b.order {
		if i := slices.Index(out, h); i >= 0 {
			at = i + 1
			continue
		}
		out = slices.Insert(out, at, h)
		at++
	}
	return out
}

func hop(id hopID, b, a *measured, test bool) Hop {
	tb, ta := b.hops[id], a.hops[id]
	test = test && tb != nil && ta != nil
	if tb == nil {
		tb = newTimes(0)
	}
	if ta == nil {
		ta = newTimes(0)
	}
	h := Hop{
		Hop: id.hop, Where: id.where, Namespace: id.namespace, Before: tb.dist, After: ta.dist,
		ShareBefore: perPacket(tb.dist.SumNs, b.total.dist.SumNs),
		ShareAfter:  perPacket(ta.dist.SumNs, a.total.dist.SumNs),
		DeltaNs:     perPacket(ta.dist.SumNs, a.total.dist.Count) - perPacket(tb.dist.SumNs, b.total.dist.Count),
		Changes:     []Change{},
	}
	if tb.dist.Samples > 0 && ta.dist.Samples > 0 {
		h.Changes = changes(tb, ta, test && tb.isEnough() && ta.isEnough(), minRounds)
	}
	return h
}

// perPacket is a part of a whole, 0 of nothing.
func perPacket(sum, n uint64) float64 {
	if n == 0 {
		return 0
	}
	return float64(sum) / float64(n)
}

// changes compares the percentiles. P-values are not yet corrected.
func changes(b, a *times, test bool, rounds int) []Change {
	out := []Change{}
	if b.dist.Samples == 0 || a.dist.Samples == 0 {
		return out
	}
	pooled := merge(b.bins, a.bins)
	for _, p := range percentiles {
		c := Change{Quantile: p.name, BeforeNs: *at(&b.dist, p.name), AfterNs: *at(&a.dist, p.name)}
		if c.BeforeNs > 0 {
			moved := float64(c.AfterNs-c.BeforeNs) / float64(c.BeforeNs)
			c.Relative = &moved
		}
		few := float64(min(b.dist.Samples, a.dist.Samples))*(1-p.q) < minBeyond
		if test && !few && c.moved() {
			threshold := quantile(pooled, p.q)
			v := permutationP(b.beyond(threshold), a.beyond(threshold), rounds)
			c.P = &v
		}
		out = append(out, c)
	}
	return out
}

func at(d *model.Dist, name string) *int64 {
	switch name {
	case "p50":
		return d.P50Ns
	case "p90":
		return d.P90Ns
	case "p95":
		return d.P95Ns
	}
	return d.P99Ns
}

// moved reports whether a percentile moved by more than the error of both.
func (c *Change) moved() bool {
	if c.Relative == nil {
		return c.AfterNs != c.BeforeNs
	}
	return math.Abs(*c.Relative) > leastMove
}

// correctHops corrects the tests within one path: they say where the path
// changed, not whether.
func correctHops(hops []Hop) {
	var ps []*float64
	for i := range hops {
		for k := range hops[i].Changes {
			if p := hops[i].Changes[k].P; p != nil {
				ps = append(ps, p)
			}
		}
	}
	holm(len(hops)*len(percentiles), ps)
	for i := range hops {
		for k := range hops[i].Changes {
			c := &hops[i].Changes[k]
			c.Significant = c.P != nil && *c.P < Alpha
		}
	}
}
