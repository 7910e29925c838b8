package model

import (
	"math"

	"github.com/DataDog/sketches-go/ddsketch/mapping"
)

// tally adds up distributions of sealed parts without a sketch for each of
// them: one after the other, in the same memory. What it gives is what a sketch
// would give into which all of them were merged.
type tally struct {
	middles []float64 // of each bin, ns; grows
	mapping mapping.IndexMapping
	base    int // index of the bin of 1 ns, the first one
	counts  []uint64
	lo, hi  int // of the bins in use, from base on

	zero                uint64 // less than 1 ns
	sum, count, samples uint64
	min, max            int64
}

func newTally(m mapping.IndexMapping) *tally {
	t := &tally{mapping: m, base: m.Index(1)}
	t.reset()
	return t
}

// reset makes it empty.
func (t *tally) reset() {
	if t.lo <= t.hi && t.hi < len(t.counts) {
		clear(t.counts[t.lo : t.hi+1])
	}
	t.lo, t.hi = math.MaxInt, -1
	t.zero, t.sum, t.count, t.samples = 0, 0, 0, 0
	t.min, t.max = math.MaxInt64, 0
}

func (t *tally) add(s *Sealed, d *sealedDist) {
	t.addBins(s.bins[d.bins.from:d.bins.to])
	t.zero += d.zero
	t.sum += d.sum
	t.count += d.count
	t.samples += d.samples
	t.min = min(t.min, d.min)
	t.max = max(t.max, d.max)
}

// set makes it one distribution.
func (t *tally) set(d *dist) {
	t.reset()
	t.addBins(d.bins)
	t.zero, t.sum, t.count, t.samples, t.min, t.max = d.zero, d.sum, d.count, d.samples, d.min, d.max
}

// addBins adds bins that are in order.
func (t *tally) addBins(bins []bin) {
	if n := len(bins); n > 0 {
		first, last := int(bins[0].index)-t.base, int(bins[n-1].index)-t.base
		t.lo, t.hi = min(t.lo, first), max(t.hi, last)
		t.reach(t.hi)
	}
	for _, b := range bins {
		t.counts[int(b.index)-t.base] += uint64(b.count)
	}
}

// reach makes room for a bin.
func (t *tally) reach(bin int) {
	for len(t.counts) <= bin {
		t.middles = append(t.middles, t.mapping.Value(len(t.counts)+t.base))
		t.counts = append(t.counts, 0)
	}
}

// figures is how many numbers a distribution points to.
const figures = 8

// export gives the distribution in the form of the contract. Its numbers are
// in the given memory, of which there must be room for figures.
func (t *tally) export(memory []int64) Dist {
	out := Dist{Count: t.count, Samples: t.samples, SumNs: t.sum}
	if t.samples == 0 {
		return out
	}
	put := func(i int, ns int64) *int64 {
		memory[i] = ns
		return &memory[i]
	}
	out.MinNs, out.MaxNs = put(0, t.min), put(1, t.max)
	out.MeanNs = put(2, int64(math.Round(float64(t.sum)/float64(t.count))))
	q := t.quantiles()
	out.P50Ns, out.P90Ns, out.P95Ns = put(3, q[0]), put(4, q[1]), put(5, q[2])
	out.P99Ns, out.P999Ns = put(6, q[3]), put(7, q[4])
	return out
}

// quantiles are the values at rank q*(count-1), as a sketch counts ranks, of
// the five that a [Dist] has.
func (t *tally) quantiles() (out [5]int64) {
	var all uint64
	for _, n := range t.used() {
		all += n
	}
	zero := float64(t.zero)
	bin, seen := t.lo-1, 0.0
	for i, q := range [...]float64{0.50, 0.90, 0.95, 0.99, 0.999} {
		rank := q * (float64(t.zero+all) - 1)
		if rank < zero {
			out[i] = t.bounded(0)
			continue
		}
		for rank -= zero; bin < t.hi && seen <= rank; {
			bin++
			seen += float64(t.counts[bin])
		}
		out[i] = t.bounded(t.middles[bin])
	}
	return out
}

func (t *tally) used() []uint64 {
	if t.hi < 0 {
		return nil
	}
	return t.counts[t.lo : t.hi+1]
}

// bounded rounds a bin's middle, which may lie outside of what was measured;
// the exact bounds hold it in.
func (t *tally) bounded(v float64) int64 {
	return min(max(int64(math.Round(v)), t.min), t.max)
}

// exportWithBins adds the bins to what export gives.
func (t *tally) exportWithBins(memory []int64) Dist {
	out := t.export(memory)
	add := func(ns int64, n uint64) {
		switch last := len(out.Bins) - 1; {
		case n == 0:
		case last >= 0 && out.Bins[last].Ns == ns:
			out.Bins[last].Count += n
		default:
			out.Bins = append(out.Bins, Bin{Ns: ns, Count: n})
		}
	}
	add(0, t.zero)
	for i, n := range t.used() {
		add(int64(math.Round(t.middles[t.lo+i])), n)
	}
	return out
}
