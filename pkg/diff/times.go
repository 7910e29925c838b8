package diff

import (
	"cmp"
	"math"
	"slices"

	"github.com/hopscope/hopscope/pkg/model"
)

// times is a distribution of one capture, slice by slice.
type times struct {
	slices  [][]model.Bin // sorted, by slice
	samples []uint64      // by slice
	dist    model.Dist    // of all slices; percentiles are filled in by seal
	bins    []model.Bin   // of all slices, filled in by seal
}

func newTimes(slices int) *times {
	return &times{slices: make([][]model.Bin, slices), samples: make([]uint64, slices)}
}

// add takes in a distribution of one slice.
func (t *times) add(slice int, d model.Dist) {
	t.slices[slice] = merge(t.slices[slice], d.Bins)
	t.samples[slice] += d.Samples
	t.dist.Count += d.Count
	t.dist.Samples += d.Samples
	t.dist.SumNs += d.SumNs
	if d.MinNs != nil && (t.dist.MinNs == nil || *d.MinNs < *t.dist.MinNs) {
		t.dist.MinNs = d.MinNs
	}
	if d.MaxNs != nil && (t.dist.MaxNs == nil || *d.MaxNs > *t.dist.MaxNs) {
		t.dist.MaxNs = d.MaxNs
	}
}

// merge adds two sorted lists of bins.
func merge(a, b []model.Bin) []model.Bin {
	if len(a) == 0 {
		return b
	}
	out := append(slices.Clone(a), b...)
	slices.SortStableFunc(out, func(x, y model.Bin) int { return cmp.Compare(x.Ns, y.Ns) })
	last := 0
	for _, bin := range out[1:] {
		if bin.Ns == out[last].Ns {
			out[last].Count += bin.Count
			continue
		}
		last++
		out[last] = bin
	}
	return out[:last+1]
}

// seal is to be called once, after the last add.
func (t *times) seal() {
	for _, bins := range t.slices {
		t.bins = merge(t.bins, bins)
	}
	if t.dist.Samples == 0 || t.dist.Count == 0 {
		return
	}
	mean := int64(math.Round(float64(t.dist.SumNs) / float64(t.dist.Count)))
	t.dist.MeanNs = &mean
	for _, q := range []struct {
		of float64
		to **int64
	}{
		{0.50, &t.dist.P50Ns}, {0.90, &t.dist.P90Ns}, {0.95, &t.dist.P95Ns},
		{0.99, &t.dist.P99Ns}, {0.999, &t.dist.P999Ns},
	} {
		ns := min(max(quantile(t.bins, q.of), *t.dist.MinNs), *t.dist.MaxNs)
		*q.to = &ns
	}
}

// quantile is the value at rank q*(count-1), as in the model's snapshots.
func quantile(bins []model.Bin, q float64) int64 {
	var count, seen uint64
	for _, b := range bins {
		count += b.Count
	}
	rank := q * (float64(count) - 1)
	for _, b := range bins {
		if seen += b.Count; float64(seen) > rank {
			return b.Ns
		}
	}
	return 0
}

// beyond gives for each slice with packets how many lie above a duration; of
// those in the bin of the duration itself, half do.
func (t *times) beyond(ns int64) []share {
	var out []share
	for _, bins := range t.slices {
		var s share
		for _, b := range bins {
			s.whole += float64(b.Count)
			switch {
			case b.Ns > ns:
				s.part += float64(b.Count)
			case b.Ns == ns:
				s.part += float64(b.Count) / 2
			}
		}
		if s.whole > 0 {
			out = append(out, s)
		}
	}
	return out
}

// isEnough reports whether there are enough samples to compare anything.
func (t *times) isEnough() bool {
	filled := 0
	for _, n := range t.samples {
		if n > 0 {
			filled++
		}
	}
	return filled >= minSlices && t.dist.Samples >= minSamples
}
