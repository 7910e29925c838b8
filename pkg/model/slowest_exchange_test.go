package model

import (
	"cmp"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/hopscope/hopscope/pkg/exchange"
)

// TestSlowestExchanges adds exchanges of random length to parts that are merged,
// and picks the slowest of all by itself.
func TestSlowestExchanges(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 6))
	zero := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	type one struct{ start, total uint64 }
	var all []one
	var parts []*Sealed
	sum := New(Limits{})
	for second := range 20 {
		a := New(Limits{})
		for i := range r.IntN(30) {
			x := asked(uint64(r.IntN(40)) * 1e6) // some take as long as others
			x.Start = uint64(second)*1e9 + uint64(i)*1e6
			if r.IntN(4) == 0 {
				x.Reason = exchange.ReasonPipelined
			} else {
				all = append(all, one{x.Start, x.Total})
			}
			a.AddExchange(x)
		}
		parts = append(parts, a.Seal())
		sum.Merge(parts[second])
	}
	slices.SortFunc(all, func(x, y one) int { return cmp.Or(cmp.Compare(y.total, x.total), cmp.Compare(x.start, y.start)) })
	for name, s := range map[string]Snapshot{
		"merged": sum.Snapshot(shop(), Meta{MonotonicZero: zero}),
		"summed": Sum(parts, Limits{}, shop(), Meta{MonotonicZero: zero}, true),
	} {
		got := onlyExchange(t, s).Slowest
		if len(got) != keptExchanges {
			t.Fatalf("%s: %d are kept", name, len(got))
		}
		for i, x := range got {
			if x.TotalNs != int64(all[i].total) || !x.At.Equal(zero.Add(time.Duration(all[i].start))) {
				t.Errorf("%s: number %d took %d ns at %v, want %+v", name, i, x.TotalNs, x.At, all[i])
			}
			want := []SlowPart{
				{"request_network", "web → api", false, 1e6}, {"app", "api", true, 6e6},
				{"waiting", "10.0.0.4:5432", true, x.TotalNs - 8e6}, {"response_network", "api → web", false, 1e6},
			}
			if !reflect.DeepEqual(x.Parts, want) {
				t.Errorf("%s: %+v", name, x.Parts)
			}
		}
	}
}

// Whom a server waits for may be more than a row keeps: the parts still sum to
// the total.
func TestSlowExchangeWithManyParts(t *testing.T) {
	a := New(Limits{})
	x := asked(0)
	for i := range 3 * maxParts {
		p := exchange.Part{Kind: exchange.PartWaiting, Ns: 1000, Target: exchange.Party{Addr: netip.AddrFrom4([4]byte{203, 0, 113, byte(i)})}, Port: 5432}
		x.Parts, x.Total = append(x.Parts, p), x.Total+p.Ns
	}
	a.AddExchange(x)
	merged := New(Limits{})
	merged.Merge(a.Seal())
	slow := onlyExchange(t, merged.Snapshot(shop(), Meta{})).Slowest
	if len(slow) != 1 {
		t.Fatalf("%+v", slow)
	}
	var sum int64
	names := map[string]bool{}
	for i := range slow[0].Parts {
		p := &slow[0].Parts[i]
		sum += p.Ns
		if names[p.Label()] {
			t.Errorf("%s is there twice", p.Label())
		}
		names[p.Label()] = true
	}
	if sum != slow[0].TotalNs || !names["waiting on (other) ~"] || !names["app @ api ~"] {
		t.Errorf("parts sum to %d of %d: %v", sum, slow[0].TotalNs, names)
	}
}

// The split tells apart what has one name, and leaves out what hardly counts.
func TestSplit(t *testing.T) {
	x := SlowExchange{TotalNs: 50_000_000, Parts: []SlowPart{
		{"request_network", "web → api", false, 400_000},
		{"sock_recv", "api", false, 1_000_000},
		{"app", "api", true, 9_000_000},
		{"waiting", "db:5432", true, 37_500_000},
		{"sock_recv", "web", false, 2_100_000},
	}}
	want := "waiting on db:5432 ~ 37.5ms, app ~ 9.00ms, sock_recv @ web 2.10ms, sock_recv @ api 1.00ms"
	if got := x.Split(); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// A row without exchanges that count has an empty list, not none.
func TestNoSlowExchanges(t *testing.T) {
	a := New(Limits{})
	x := asked(0)
	x.Reason = exchange.ReasonTLS
	a.AddExchange(x)
	if got := onlyExchange(t, a.Snapshot(shop(), Meta{})).Slowest; got == nil || len(got) != 0 {
		t.Errorf("%+v", got)
	}
}
