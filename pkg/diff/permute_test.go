package diff

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/hopscope/hopscope/pkg/model"
)

func hundreds(parts ...float64) []share {
	out := make([]share, len(parts))
	for i, p := range parts {
		out[i] = share{p, 100}
	}
	return out
}

// TestPermutationP compares with chances that can be counted by hand.
func TestPermutationP(t *testing.T) {
	for _, c := range []struct {
		name          string
		before, after []share
		want          float64
	}{
		{"equal", hundreds(1, 1, 1, 1), hundreds(1, 1, 1, 1), 1},
		// Of the 70 ways to draw 4 of 8, 2 are as extreme.
		{"apart", hundreds(1, 1, 1, 1), hundreds(9, 9, 9, 9), 2.0 / 70},
		// One slice of 8 differs: any draw is as extreme.
		{"one burst", hundreds(1, 1, 1, 1), hundreds(1, 1, 1, 90), 1},
		// Three of 8 differ, all on one side: 2 × C(5,1) of 70.
		{"three", hundreds(1, 1, 1, 1), hundreds(1, 9, 9, 9), 10.0 / 70},
	} {
		if got := permutationP(c.before, c.after, 200_000); math.Abs(got-c.want) > 0.3*c.want+1e-4 {
			t.Errorf("%s: p = %v, want %v", c.name, got, c.want)
		}
	}
}

// TestPermutationPIsUniform draws both sides from one distribution: p-values
// below x have to come up with a chance of x.
func TestPermutationPIsUniform(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	const runs = 2000
	below := map[float64]int{0.05: 0, 0.2: 0, 0.5: 0}
	draw := func() []share {
		out := make([]share, 12)
		for i := range out {
			n := 50 + float64(r.IntN(100))
			out[i] = share{n * 0.01 * math.Exp(r.NormFloat64()), n}
		}
		return out
	}
	for range runs {
		p := permutationP(draw(), draw(), 999)
		for x := range below {
			if p <= x {
				below[x]++
			}
		}
	}
	for x, n := range below {
		if got, tolerance := float64(n)/runs, 4*math.Sqrt(x*(1-x)/runs); math.Abs(got-x) > tolerance {
			t.Errorf("p ≤ %v in %.3f of the runs", x, got)
		}
	}
}

func TestHolm(t *testing.T) {
	ps := []float64{0.01, 0.04, 0.03, 0.005}
	pointers := []*float64{&ps[0], &ps[1], &ps[2], &ps[3]}
	holm(4, pointers)
	for i, want := range []float64{0.03, 0.06, 0.06, 0.02} {
		if math.Abs(ps[i]-want) > 1e-12 {
			t.Errorf("p %d became %v, want %v", i, ps[i], want)
		}
	}
	one := 0.004
	holm(10, []*float64{&one}) // nine tests were planned and not made
	if math.Abs(one-0.04) > 1e-12 {
		t.Errorf("corrected for 10 tests: %v", one)
	}
}

func TestTimes(t *testing.T) {
	a, b := newTimes(2), newTimes(2)
	bins := []model.Bin{{Ns: 10, Count: 90}, {Ns: 20, Count: 9}, {Ns: 30, Count: 1}}
	ns := func(v int64) *int64 { return &v }
	dist := model.Dist{Count: 100, Samples: 100, SumNs: 1110, MinNs: ns(9), MaxNs: ns(30), Bins: bins}
	a.add(0, dist)
	a.add(1, dist)
	b.add(1, dist)
	b.add(1, dist)
	for _, x := range []*times{a, b} {
		x.seal()
		d := x.dist
		if d.Count != 200 || d.SumNs != 2220 || *d.MeanNs != 11 || *d.MinNs != 9 || *d.MaxNs != 30 ||
			*d.P50Ns != 10 || *d.P95Ns != 20 || *d.P999Ns != 30 {
			t.Errorf("%+v", d)
		}
	}
	if got := a.beyond(20); len(got) != 2 || got[0] != (share{5.5, 100}) {
		t.Errorf("beyond 20 ns: %v", got)
	}
	if got := b.beyond(10); len(got) != 1 || got[0] != (share{110, 200}) {
		t.Errorf("beyond 10 ns: %v", got)
	}
	if bins[0].Count != 90 {
		t.Error("the caller's bins were changed")
	}
}
