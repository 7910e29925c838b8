package model

import (
	"math"
	"slices"

	"github.com/DataDog/sketches-go/ddsketch/mapping"
)

// RelativeAccuracy is the error of every percentile: a reported value is within
// 1 % of the value at that rank. Minimum, maximum, mean and counts are exact.
//
// A factor of two takes 35 bins, and 1 ns to 100 years less than 2,300: nothing
// needs to be collapsed.
const RelativeAccuracy = 0.01

// newMapping is the sketch's choice of bins. Cubic interpolation needs no
// logarithm for an insertion, at 1 % more bins than the optimum (Masson, Rim,
// Lee: DDSketch, VLDB 2019, section 4).
func newMapping(accuracy float64) mapping.IndexMapping {
	m, err := mapping.NewCubicallyInterpolatedMapping(accuracy)
	if err != nil {
		panic(err) // only for an accuracy outside (0, 1), which is a constant here
	}
	return m
}

// dist is a distribution of durations in ns, each counted weight times: a
// DDSketch of which the bins are a sorted list. Most hops of most paths see a
// few packets a second, and there may be a quarter of a million of them: where
// the library's own store takes six objects for the first packet, this is one.
type dist struct {
	mapping  mapping.IndexMapping
	bins     []bin  // in order
	zero     uint64 // Σ weight of 0 ns, which has no bin
	sum      uint64 // ns × weight: 584 years of packet time fit
	count    uint64 // Σ weight
	samples  uint64
	min, max int64
}

// bin is one bin of a sketch, or a part of one that holds more than fits.
type bin struct {
	index int32
	count uint32
}

// newDist makes an empty one.
func newDist(m mapping.IndexMapping) dist { return dist{mapping: m, min: math.MaxInt64} }

// add counts ns, which is not negative, weight times.
func (d *dist) add(ns int64, weight uint64) {
	if ns == 0 {
		d.zero += weight
	} else {
		d.addBin(int32(d.mapping.Index(float64(ns))), weight, 0)
	}
	d.sum += uint64(ns) * weight
	d.count += weight
	d.samples++
	d.min = min(d.min, ns)
	d.max = max(d.max, ns)
}

// addBin adds to a bin that is not before the place from, and gives the place
// behind it, where the next one may be.
func (d *dist) addBin(index int32, n uint64, from int) (next int) {
	at, end := from, len(d.bins)
	if at < end && d.bins[at].index == index { // as in merges of much the same
		end = at
	}
	for at < end {
		if middle := int(uint(at+end) / 2); d.bins[middle].index < index {
			at = middle + 1
		} else {
			end = middle
		}
	}
	for ; n > 0; at++ {
		if at == len(d.bins) || d.bins[at].index != index {
			d.bins = slices.Insert(d.bins, at, bin{index: index})
		}
		part := min(n, uint64(math.MaxUint32-d.bins[at].count))
		d.bins[at].count += uint32(part)
		n -= part
	}
	return at
}

func (d *dist) merge(o *dist) {
	d.mergeBins(o.bins)
	d.zero += o.zero
	d.sum += o.sum
	d.count += o.count
	d.samples += o.samples
	d.min = min(d.min, o.min)
	d.max = max(d.max, o.max)
}

func (d *dist) mergeSealed(s *Sealed, o *sealedDist) {
	d.merge(&dist{
		bins: s.bins[o.bins.from:o.bins.to], zero: o.zero, sum: o.sum, count: o.count, samples: o.samples,
		min: o.min, max: o.max,
	})
}

func (d *dist) mergeBins(bins []bin) {
	if len(d.bins) == 0 {
		d.bins = append(d.bins, bins...)
		return
	}
	at := 0
	for _, b := range bins {
		at = d.addBin(b.index, uint64(b.count), at)
	}
}

func (d *dist) clone() dist {
	c := *d
	c.bins = slices.Clone(d.bins)
	return c
}

// sharedDist starts as a view of one distribution and becomes a copy of its
// own when a second one is merged into it.
type sharedDist struct {
	d     *dist
	owned bool
}

func (s *sharedDist) merge(o *dist) {
	switch {
	case s.d == nil:
		s.d = o
		return
	case !s.owned:
		c := s.d.clone()
		s.d, s.owned = &c, true
	}
	s.d.merge(o)
}
