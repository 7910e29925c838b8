package exchange

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
)

// Whatever comes and leaves, the list is that of a slice which is sorted anew each time.
func TestTimeline(t *testing.T) {
	type element struct{ time, n uint64 }
	rnd := rand.New(rand.NewPCG(1, 2))
	l := &timeline[element]{time: func(e element) uint64 { return e.time }}
	var want []element
	for i := range uint64(20_000) {
		if len(want) < 3000 || rnd.IntN(2) == 0 {
			e := element{i/4 + rnd.Uint64N(20), i}
			l.add(e)
			want = append(want, e)
			slices.SortStableFunc(want, func(a, b element) int { return cmp.Compare(a.time, b.time) })
		} else {
			at := rnd.IntN(100)
			if rnd.IntN(20) == 0 {
				at = rnd.IntN(len(want))
			}
			gone := want[at]
			want = slices.Delete(want, at, at+1)
			if got, ok := l.remove(gone.time, func(e element) bool { return e == gone }); !ok || got != gone {
				t.Fatalf("removed %v, %v, want %v", got, ok, gone)
			}
			if _, ok := l.remove(gone.time, func(e element) bool { return e == gone }); ok {
				t.Fatalf("%v is removed twice", gone)
			}
		}
		if i%100 == 0 && !slices.Equal(l.all(), want) {
			t.Fatalf("after %d changes the lists differ", i)
		}
	}
	from := want[len(want)/3].time
	i := slices.IndexFunc(want, func(e element) bool { return e.time >= from })
	if got := l.since(from); !slices.Equal(got, want[i:]) {
		t.Errorf("since %d: %d elements, want %d", from, len(got), len(want)-i)
	}
	var none *timeline[element]
	if _, ok := none.remove(1, func(element) bool { return true }); ok || none.since(0) != nil {
		t.Error("nil is not empty")
	}
}

// One server's exchanges with one client, as many as are kept: the steady state of a
// busy host.
func BenchmarkJoiner(b *testing.B) {
	j := NewJoiner(Limits{}, nil)
	at, seq := second, uint32(0)
	one := func() {
		c, s := pair(at, seq)
		j.Add(s, at, func(*Exchange) {})
		j.Add(c, at, func(*Exchange) {})
		at += 50_000
		seq += 2
	}
	for range 2 * defaultPending {
		one()
	}
	b.ReportAllocs()
	for b.Loop() {
		one()
	}
}
