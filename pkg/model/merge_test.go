package model

import (
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/journey"
)

// randomTraffic adds n journeys of several paths, some of them dropped, to all
// of the aggregators that pick gives.
func randomTraffic(r *rand.Rand, n int, pick func(i int) []*Aggregator) {
	for i := range n {
		hops := bridged()[:3+r.IntN(5)]
		for k := range hops {
			hops[k].Duration = time.Duration(r.ExpFloat64() * 1e5)
		}
		if r.IntN(50) == 0 {
			hops[0].Duration = 0
		}
		j := packet(hops)
		j.Weight = 1 + r.Uint32N(5)
		j.First.Dst = port(apiAddr, uint16(8080+r.IntN(4)))
		j.Last.Dst = j.First.Dst
		if r.IntN(10) == 0 {
			d := DropCount{Reason: 2 + r.Uint32N(3), Count: 1 + r.Uint64N(3), Dst: apiAddr, Proto: journey.ProtoTCP}
			x := RetransmitCount{Netns: webNS, Local: webAddr, Remote: apiAddr, Port: 8080,
				Segments: RetransmitKinds{RTO: r.Uint64N(3), Fast: 1}}
			for _, a := range pick(i) {
				a.AddDrops(d)
				a.AddRetransmits(x)
			}
		}
		j.SRTT = time.Duration(r.IntN(1e6))
		if r.IntN(2) == 0 {
			j = reply(j)
		}
		for _, a := range pick(i) {
			a.Add(j, hops)
		}
	}
}

// TestMergedSecondsEqualTheWhole seals traffic in ten parts: what they sum to
// must be what one aggregator makes of all of it.
func TestMergedSecondsEqualTheWhole(t *testing.T) {
	whole, merged := New(Limits{}), New(Limits{})
	part := New(Limits{})
	parts := []*Aggregator{part}
	for range 9 {
		parts = append(parts, parts[len(parts)-1].Next())
	}
	randomTraffic(rand.New(rand.NewPCG(1, 1)), 5000, func(i int) []*Aggregator {
		return []*Aggregator{whole, parts[i/500]}
	})
	for _, p := range parts {
		merged.Merge(p.Seal())
	}
	want, got := whole.Snapshot(shop(), Meta{}), merged.Snapshot(shop(), Meta{})
	if len(want.Paths) != 8 || len(want.Drops) == 0 {
		t.Fatalf("the traffic shows %d paths, %d drops", len(want.Paths), len(want.Drops))
	}
	if !reflect.DeepEqual(want, got) {
		t.Errorf("merged parts differ from the whole:\n%+v\n%+v", got, want)
	}
	again := New(Limits{})
	again.Merge(merged.Seal())
	if got := again.Snapshot(shop(), Meta{}); !reflect.DeepEqual(want, got) {
		t.Error("sealed parts of sealed parts differ from the whole")
	}
}

func TestNextKnowsTheServers(t *testing.T) {
	a := New(Limits{})
	hops := bridged()
	syn := packet(hops)
	syn.First.Dst, syn.Last.Dst = port(apiAddr, 50000), port(apiAddr, 50000)
	syn.TCPFlags = tcpFlagSYN
	a.Add(syn, hops)
	b := a.Next()
	syn.TCPFlags = tcpFlagACK // its ports alone would make web the server
	b.Add(syn, hops)
	if p := onlyPath(t, b.Snapshot(shop(), Meta{})); p.Direction != "request" || p.Port != 50000 {
		t.Errorf("got %s on port %d", p.Direction, p.Port)
	}
}

func TestMergeKeepsTheLimits(t *testing.T) {
	from := New(Limits{})
	for i := range 10 {
		hops := bridged()
		j := packet(hops)
		j.Weight = 2
		j.First.Dst = port(apiAddr, uint16(1000+i))
		j.Last.Dst = j.First.Dst
		from.Add(j, hops)
	}
	a := New(Limits{Paths: 3, Hops: 2, Endpoints: 1})
	a.Merge(from.Seal())
	s := a.Snapshot(shop(), Meta{})
	n := s.Accounting.Notes
	if len(s.Paths) != 4 || n["other_paths"] != 14 || n["other_hops"] != 50 || n["other_endpoints"] != 20 {
		t.Errorf("%d paths, notes %v", len(s.Paths), n)
	}
}

func TestSealedIsSmallAndApart(t *testing.T) {
	a := New(Limits{})
	randomTraffic(rand.New(rand.NewPCG(2, 2)), 100, func(int) []*Aggregator { return []*Aggregator{a} })
	s := a.Seal()
	if s.Size() > 64<<10 {
		t.Errorf("100 journeys take %d bytes", s.Size())
	}
	before := New(Limits{})
	before.Merge(s)
	randomTraffic(rand.New(rand.NewPCG(3, 3)), 100, func(int) []*Aggregator { return []*Aggregator{a} })
	after := New(Limits{})
	after.Merge(s)
	if !reflect.DeepEqual(before.Snapshot(shop(), Meta{}), after.Snapshot(shop(), Meta{})) {
		t.Error("what was sealed changed with its aggregator")
	}
}

func TestHeatRows(t *testing.T) {
	for ns := int64(1); ns < 1<<40; ns += 1 + ns/7 {
		r := HeatRow(ns)
		if lo, hi := HeatEdge(r), HeatEdge(r+1); ns >= HeatPerOctave && (ns < lo || ns >= hi) {
			t.Fatalf("%d is in row %d, which is %d to %d", ns, r, lo, hi)
		}
	}
	if HeatRow(0) != 0 || HeatRow(4) != 0 || HeatRow(5) != 1 {
		t.Error("the lowest rows are wrong")
	}
}

func TestHeatAndWorstP99(t *testing.T) {
	a := New(Limits{})
	for i := range 100 {
		hops := bridged()
		hops[4].Duration = 8 * time.Millisecond
		j := packet(hops)
		j.Weight = 3
		a.Add(j, hops)
		if i < 50 {
			fast := bridged()
			a.Add(reply(packet(fast)), fast)
		}
	}
	s := a.Seal()
	snap := a.Snapshot(shop(), Meta{})
	slow := snap.Paths[0]
	if slow.From.Name != "web" {
		t.Fatalf("the worst path is %+v", slow)
	}
	for _, c := range []struct {
		hop, where string
		ns         int64
	}{{"", "", 8_009_000}, {"qdisc", "veth of api", 8_000_000}, {"xmit", "eth0 of web", 1000}} {
		heat := NewNaming(shop()).Heat(s, slow.ID(), c.hop, c.where)
		if len(heat) != 1 || heat[HeatRow(c.ns)] != 300 {
			t.Errorf("heat of %q: %v, want 300 in row %d", c.hop, heat, HeatRow(c.ns))
		}
	}
	if heat := NewNaming(shop()).Heat(s, slow.ID(), "driver", "eth0 of web"); len(heat) != 0 {
		t.Errorf("heat of a hop that is not there: %v", heat)
	}
	worst := NewNaming(shop()).WorstP99(s, func(e inventory.Endpoint) string { return e.Name })
	if len(worst) != 2 || worst["web"] != worst["api"] || worst["web"] != *slow.Total.P99Ns {
		t.Errorf("worst p99 %v, want %d for both", worst, *slow.Total.P99Ns)
	}
}
