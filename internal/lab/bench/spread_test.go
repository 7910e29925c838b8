package main

import (
	"slices"
	"testing"
)

func TestSpread(t *testing.T) {
	for _, c := range []struct {
		values           []float64
		median, min, max float64
	}{
		{[]float64{0.9}, 0.9, 0.9, 0.9},
		{[]float64{3, 1, 2}, 2, 1, 3},
		{[]float64{4, 1, 3, 2}, 2.5, 1, 4},
	} {
		got := spreadOf(c.values)
		if got.Median != c.median || got.Min != c.min || got.Max != c.max {
			t.Errorf("%v: median %v, %v-%v; want %v, %v-%v", c.values, got.Median, got.Min, got.Max, c.median, c.min, c.max)
		}
		if !slices.Equal(got.All, c.values) {
			t.Errorf("%v: the order of the rounds is gone: %v", c.values, got.All)
		}
	}
}

// Each case stands at each place of a round equally often.
func TestRotation(t *testing.T) {
	const n = 5
	var seen [n][n]int
	for round := range 2 * n {
		for place, i := range rotated(n, round) {
			seen[i][place]++
		}
	}
	for i := range seen {
		for place, times := range seen[i] {
			if times != 2 {
				t.Errorf("case %d stood at place %d %d times, want 2", i, place, times)
			}
		}
	}
}
