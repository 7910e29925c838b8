package model

import (
	"math"

	"github.com/DataDog/sketches-go/ddsketch"
	"github.com/DataDog/sketches-go/ddsketch/mapping"
	"github.com/DataDog/sketches-go/ddsketch/store"
)

const (
	// RelativeAccuracy is the error of every percentile: a reported value is
	// within 1 % of the value at that rank. Minimum, maximum, mean and counts
	// are exact.
	RelativeAccuracy = 0.01

	// maxBins bounds a sketch's memory. At 1 % a factor of two takes 35 bins,
	// so that 1 ns to 100 years fit and nothing is ever collapsed.
	maxBins = 2300
)

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

// dist is a distribution of durations in ns, each counted weight times.
type dist struct {
	sketch   *ddsketch.DDSketch
	sum      uint64 // ns × weight: 584 years of packet time fit
	count    uint64 // Σ weight
	samples  uint64
	min, max int64
}

func newDist(m mapping.IndexMapping) dist {
	s := ddsketch.NewDDSketch(m, store.NewCollapsingLowestDenseStore(maxBins),
		store.NewCollapsingLowestDenseStore(1))
	return dist{sketch: s, min: math.MaxInt64}
}

// add counts ns, which is not negative, weight times.
func (d *dist) add(ns int64, weight uint64) {
	// The sketch refuses only NaN, negative counts and values beyond 1e300.
	_ = d.sketch.AddWithCount(float64(ns), float64(weight))
	d.sum += uint64(ns) * weight
	d.count += weight
	d.samples++
	d.min = min(d.min, ns)
	d.max = max(d.max, ns)
}

func (d *dist) merge(o *dist) {
	// The sketch refuses only one of another mapping; all share one.
	_ = d.sketch.MergeWith(o.sketch)
	d.sum += o.sum
	d.count += o.count
	d.samples += o.samples
	d.min = min(d.min, o.min)
	d.max = max(d.max, o.max)
}

func (d *dist) clone() dist {
	c := *d
	c.sketch = d.sketch.Copy()
	return c
}

// export gives the distribution in the form of the contract.
func (d *dist) export() Dist {
	out := Dist{Count: d.count, Samples: d.samples, SumNs: d.sum}
	if d.samples == 0 {
		return out
	}
	lo, hi := d.min, d.max
	mean := int64(math.Round(float64(d.sum) / float64(d.count)))
	out.MinNs, out.MaxNs, out.MeanNs = &lo, &hi, &mean
	out.P50Ns = d.quantile(0.50)
	out.P90Ns = d.quantile(0.90)
	out.P95Ns = d.quantile(0.95)
	out.P99Ns = d.quantile(0.99)
	out.P999Ns = d.quantile(0.999)
	return out
}

// quantile is the value at rank q*(count-1), or nil without samples. A bin's
// middle may lie outside of what was measured; the exact bounds hold it in.
func (d *dist) quantile(q float64) *int64 {
	v, err := d.sketch.GetValueAtQuantile(q)
	if err != nil {
		return nil
	}
	ns := min(max(int64(math.Round(v)), d.min), d.max)
	return &ns
}

// exportWithBins adds the bins to what export gives.
func (d *dist) exportWithBins() Dist {
	out := d.export()
	d.sketch.ForEach(func(value, count float64) bool {
		ns, n := int64(math.Round(value)), uint64(math.Round(count))
		if last := len(out.Bins) - 1; last >= 0 && out.Bins[last].Ns == ns {
			out.Bins[last].Count += n
			return false
		}
		out.Bins = append(out.Bins, Bin{Ns: ns, Count: n})
		return false
	})
	return out
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
