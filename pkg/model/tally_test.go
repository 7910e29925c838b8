package model

import (
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/DataDog/sketches-go/ddsketch"
	"github.com/DataDog/sketches-go/ddsketch/store"

	"github.com/hopscope/hopscope/pkg/journey"
)

// sketched is what the library's own sketch tells of samples, in its own store.
func sketched(t *testing.T, sketch *ddsketch.DDSketch, min, max int64) (quantiles []int64, bins []Bin) {
	t.Helper()
	for _, q := range []float64{0.50, 0.90, 0.95, 0.99, 0.999} {
		v, err := sketch.GetValueAtQuantile(q)
		if err != nil {
			t.Fatal(err)
		}
		quantiles = append(quantiles, clamp(int64(math.Round(v)), min, max))
	}
	sketch.ForEach(func(value, count float64) bool {
		ns, n := int64(math.Round(value)), uint64(math.Round(count))
		if last := len(bins) - 1; last >= 0 && bins[last].Ns == ns {
			bins[last].Count += n
		} else {
			bins = append(bins, Bin{Ns: ns, Count: n})
		}
		return false
	})
	return quantiles, bins
}

func clamp(ns, lo, hi int64) int64 { return min(max(ns, lo), hi) }

// TestTallyIsTheSketch adds the same samples up in one sketch of the library, in
// one distribution, in sealed parts, and in parts that are merged: every
// percentile and every bin must be the same.
func TestTallyIsTheSketch(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	fine := New(Limits{}).maps.fine
	for range 200 {
		sketch := ddsketch.NewDDSketch(fine, store.NewBufferedPaginatedStore(), store.NewCollapsingLowestDenseStore(1))
		whole, merged, mergedSealed, sum := newDist(fine), newDist(fine), newDist(fine), newTally(fine)
		for range 1 + r.IntN(5) {
			part := newDist(fine)
			for range 1 + r.IntN(40) {
				ns := int64(math.Pow(10, 9*r.Float64())) - 1 // 0 ns to 1 s
				weight := 1 + r.Uint64N(4)
				if r.IntN(100) == 0 {
					weight = 1 << 33 // more than a sealed bin holds
				}
				if err := sketch.AddWithCount(float64(ns), float64(weight)); err != nil {
					t.Fatal(err)
				}
				whole.add(ns, weight)
				part.add(ns, weight)
			}
			s := &Sealed{}
			d := s.dist(&part)
			sum.add(s, &d)
			merged.merge(&part)
			mergedSealed.mergeSealed(s, &d)
		}
		quantiles, bins := sketched(t, sketch, whole.min, whole.max)
		one := newTally(fine)
		for name, set := range map[string]func() *tally{
			"tally":         func() *tally { return sum },
			"whole":         func() *tally { one.set(&whole); return one },
			"merged":        func() *tally { one.set(&merged); return one },
			"merged sealed": func() *tally { one.set(&mergedSealed); return one },
		} {
			got := set().exportWithBins(make([]int64, figures))
			if q := []int64{*got.P50Ns, *got.P90Ns, *got.P95Ns, *got.P99Ns, *got.P999Ns}; !slices.Equal(q, quantiles) || !slices.Equal(got.Bins, bins) {
				t.Fatalf("%s differs from the sketch: %v and %v\n%+v\n%+v", name, q, quantiles, got.Bins, bins)
			}
			if got.Count != whole.count || got.SumNs != whole.sum || *got.MinNs != whole.min || *got.MaxNs != whole.max {
				t.Fatalf("%s: %+v, want %+v", name, got, whole)
			}
		}
	}
}

// TestLeanIsTheWhole leaves hops out and asks for them later, from many
// goroutines: they must be those of the snapshot of one aggregator.
func TestLeanIsTheWhole(t *testing.T) {
	whole, part := New(Limits{}), New(Limits{})
	parts := []*Aggregator{part, part.Next(), part.Next()}
	randomTraffic(rand.New(rand.NewPCG(4, 4)), 3000, func(i int) []*Aggregator {
		return []*Aggregator{whole, parts[i%3]}
	})
	slow := bridged()
	slow[2].Duration = 30 * time.Millisecond
	for range 200 { // a finding
		whole.Add(packet(slow), slow)
		parts[2].Add(packet(slow), slow)
	}
	var sealed []*Sealed
	for _, p := range parts {
		sealed = append(sealed, p.Seal())
	}
	want := whole.Snapshot(shop(), Meta{})
	lean := Sum(sealed, Limits{}, shop(), Meta{}, true)
	if len(want.Findings) == 0 || !reflect.DeepEqual(want.Findings, lean.Findings) {
		t.Errorf("findings %+v, want %+v", lean.Findings, want.Findings)
	}
	for i := range lean.Paths {
		if lean.Paths[i].Hops != nil {
			t.Fatal("a lean path has its hops")
		}
	}
	done := make(chan bool)
	for range 4 {
		go func() { done <- reflect.DeepEqual(want, lean.Whole()) }()
	}
	for range 4 {
		if !<-done {
			t.Error("hops that were asked for later differ")
		}
	}
	if whole := Sum(sealed, Limits{}, shop(), Meta{}, false); !reflect.DeepEqual(want, whole) {
		t.Error("the sum of the parts differs from the whole")
	}
}

// TestLeanCostsNoHops holds what a lean snapshot is for: what it allocates does
// not grow with the hops of its paths.
func TestLeanCostsNoHops(t *testing.T) {
	allocs := func(hops int) float64 {
		a := New(Limits{})
		way := make([]journey.Hop, hops)
		for i := range way {
			way[i] = at(journey.HopQdisc, hostNS, uint32(1000+i), time.Microsecond)
		}
		for i := range 500 {
			j := packet(way)
			j.Last.Dst = port(apiAddr, uint16(1000+i))
			a.Add(j, way)
		}
		parts := []*Sealed{a.Seal()}
		return testing.AllocsPerRun(5, func() { Sum(parts, Limits{}, shop(), Meta{}, true) })
	}
	few, many := allocs(2), allocs(40)
	if many > few+50 {
		t.Errorf("%v allocations with 2 hops a path, %v with 40", few, many)
	}
	if few > 500*12 {
		t.Errorf("%v allocations for 500 paths", few)
	}
}
