package diff

import (
	"cmp"
	"math"
	"slices"
)

// judge corrects the tests, says what regressed, and sorts.
func (c *comparison) judge(r *Result) {
	changes, rates := tested(r)
	var ps []*float64
	for _, x := range changes {
		if x.P != nil {
			ps = append(ps, x.P)
		}
	}
	for _, x := range rates {
		if x.P != nil {
			ps = append(ps, x.P)
		}
	}
	holm(c.tests, ps)
	for _, x := range changes {
		x.Significant = x.P != nil && *x.P < Alpha
		x.Regressed = x.Significant && c.isOver(float64(x.BeforeNs), float64(x.AfterNs))
	}
	for _, x := range rates {
		x.Significant = x.P != nil && *x.P < Alpha
		x.Regressed = x.Significant && c.isOver(x.ShareBefore, x.ShareAfter)
	}
	conclude(r)
	sortResult(r)
}

func (c *comparison) isOver(before, after float64) bool {
	return c.failOver > 0 && after > (1+c.failOver)*before
}

// tested are all changes that a verdict rests on. Those of hops are no part of
// it: they say where a path changed.
func tested(r *Result) (changes []*Change, rates []*Rate) {
	for i := range r.Paths {
		for k := range r.Paths[i].Changes {
			changes = append(changes, &r.Paths[i].Changes[k])
		}
	}
	for i := range r.Exchanges {
		for k := range r.Exchanges[i].Changes {
			changes = append(changes, &r.Exchanges[i].Changes[k])
		}
	}
	for i := range r.Drops {
		rates = append(rates, &r.Drops[i].Rate)
	}
	for i := range r.TCP {
		rates = append(rates, &r.TCP[i].Retransmits)
		for k := range r.TCP[i].RTTChanges {
			changes = append(changes, &r.TCP[i].RTTChanges[k])
		}
	}
	for i := range r.DNS {
		rates = append(rates, &r.DNS[i].Failed)
		for k := range r.DNS[i].LatencyChanges {
			changes = append(changes, &r.DNS[i].LatencyChanges[k])
		}
	}
	return changes, rates
}

// conclude carries regressions up.
func conclude(r *Result) {
	regressed := func(c Change) bool { return c.Regressed }
	for i := range r.Paths {
		p := &r.Paths[i]
		p.Regressed = slices.ContainsFunc(p.Changes, regressed)
		r.Regressed = r.Regressed || p.Regressed
	}
	for i := range r.Exchanges {
		x := &r.Exchanges[i]
		x.Regressed = slices.ContainsFunc(x.Changes, regressed)
		r.Regressed = r.Regressed || x.Regressed
	}
	for i := range r.Drops {
		r.Regressed = r.Regressed || r.Drops[i].Regressed
	}
	for i := range r.TCP {
		t := &r.TCP[i]
		t.Regressed = t.Retransmits.Regressed || slices.ContainsFunc(t.RTTChanges, regressed)
		r.Regressed = r.Regressed || t.Regressed
	}
	for i := range r.DNS {
		d := &r.DNS[i]
		d.Regressed = d.Failed.Regressed || slices.ContainsFunc(d.LatencyChanges, regressed)
		r.Regressed = r.Regressed || d.Regressed
	}
}

func sortResult(r *Result) {
	slices.SortStableFunc(r.Paths, func(x, y Path) int {
		return cmp.Or(regressedFirst(x.Regressed, y.Regressed), cmp.Compare(math.Abs(y.Impact), math.Abs(x.Impact)))
	})
	slices.SortStableFunc(r.Exchanges, func(x, y Exchange) int {
		return cmp.Or(regressedFirst(x.Regressed, y.Regressed), cmp.Compare(math.Abs(y.Impact), math.Abs(x.Impact)))
	})
	slices.SortStableFunc(r.Drops, func(x, y Drop) int {
		return cmp.Or(regressedFirst(x.Regressed, y.Regressed), cmp.Compare(y.moved(), x.moved()))
	})
	slices.SortStableFunc(r.TCP, func(x, y TCP) int {
		return cmp.Or(regressedFirst(x.Regressed, y.Regressed),
			cmp.Compare(y.Retransmits.moved(), x.Retransmits.moved()), cmp.Compare(y.SegmentsAfter, x.SegmentsAfter))
	})
	slices.SortStableFunc(r.DNS, func(x, y DNS) int {
		return cmp.Or(regressedFirst(x.Regressed, y.Regressed),
			cmp.Compare(y.Failed.moved(), x.Failed.moved()), cmp.Compare(y.QueriesAfter, x.QueriesAfter))
	})
}

// moved is by how much a share changed.
func (r *Rate) moved() float64 { return math.Abs(r.ShareAfter - r.ShareBefore) }

func regressedFirst(x, y bool) int {
	switch {
	case x && !y:
		return -1
	case y && !x:
		return 1
	}
	return 0
}
