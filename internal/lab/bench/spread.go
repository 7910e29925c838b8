package main

import "slices"

// Spread describes what was measured several times.
type Spread struct {
	Median float64   `json:"median"`
	Min    float64   `json:"min"`
	Max    float64   `json:"max"`
	All    []float64 `json:"all"` // one a round, in the order of the rounds
}

// spreadOf keeps values. The median of an even number is the mean of the two
// in the middle.
func spreadOf(values []float64) Spread {
	if len(values) == 0 {
		return Spread{}
	}
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return Spread{
		Median: (sorted[(n-1)/2] + sorted[n/2]) / 2,
		Min:    sorted[0],
		Max:    sorted[n-1],
		All:    values,
	}
}

// scaled is s in another unit.
func (s Spread) scaled(by float64) Spread {
	values := make([]float64, len(s.All))
	for i, v := range s.All {
		values[i] = v * by
	}
	return spreadOf(values)
}
