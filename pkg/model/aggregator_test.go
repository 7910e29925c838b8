package model

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/journey"
)

func TestWeightEqualsRepetition(t *testing.T) {
	weighted, repeated := New(Limits{}), New(Limits{})
	r := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		hops := bridged()
		hops[4].Duration = time.Duration(r.ExpFloat64() * 1e6)
		j := packet(hops)
		j.Weight = 1 + r.Uint32N(20)
		weighted.Add(j, hops)
		n := j.Weight
		j.Weight = 1
		for range n {
			repeated.Add(j, hops)
		}
	}
	x := onlyPath(t, weighted.Snapshot(shop(), Meta{}))
	y := onlyPath(t, repeated.Snapshot(shop(), Meta{}))
	if x.Total.Samples != 500 || y.Total.Samples != y.Total.Count {
		t.Errorf("samples %d and %d of %d, want 500 and all", x.Total.Samples, y.Total.Samples, y.Total.Count)
	}
	x.Total.Samples = y.Total.Samples
	for i := range x.Hops {
		x.Hops[i].Dist.Samples = y.Hops[i].Dist.Samples
	}
	if !reflect.DeepEqual(x, y) {
		t.Errorf("weighted and repeated adds differ:\n%+v\n%+v", x, y)
	}
}

func TestPercentilesWithinOnePercent(t *testing.T) {
	a := New(Limits{})
	r := rand.New(rand.NewPCG(3, 4))
	var all []float64
	for range 20000 {
		d := time.Duration(math.Exp(r.NormFloat64()*2 + 11))
		all = append(all, float64(d))
		hops := []journey.Hop{at(journey.HopQdisc, webNS, webEth, d)}
		a.Add(packet(hops), hops)
	}
	slices.Sort(all)
	d := onlyPath(t, a.Snapshot(shop(), Meta{})).Total
	for q, got := range map[float64]*int64{0.5: d.P50Ns, 0.9: d.P90Ns, 0.95: d.P95Ns, 0.99: d.P99Ns, 0.999: d.P999Ns} {
		want := all[int(q*float64(len(all)-1))]
		if e := math.Abs(float64(*got)-want) / want; e > RelativeAccuracy+1e-9 {
			t.Errorf("quantile %v is %d, want %v: off by %.2f%%", q, *got, want, 100*e)
		}
	}
	if float64(*d.MinNs) != all[0] || float64(*d.MaxNs) != all[len(all)-1] {
		t.Errorf("min %d, max %d, want exactly %v and %v", *d.MinNs, *d.MaxNs, all[0], all[len(all)-1])
	}
}

// TestHopsSumToTotal checks on random journeys that not a nanosecond is lost or
// told twice, under the raw keys, and that shares are those of the sums.
func TestHopsSumToTotal(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for round := range 20 {
		a := New(Limits{Hops: 3 + r.IntN(20)})
		var want uint64
		for range 300 {
			var hops []journey.Hop
			var total uint64
			for range 1 + r.IntN(15) {
				d := time.Duration(r.ExpFloat64() * 1e5)
				total += uint64(d)
				hops = append(hops, at(journey.HopKind(r.IntN(20)), hostNS, r.Uint32N(3), d))
			}
			j := packet(hops)
			j.Weight = 1 + r.Uint32N(100)
			want += total * uint64(j.Weight)
			a.Add(j, hops)
		}
		var totals, sums uint64
		for _, p := range a.paths {
			totals += p.total.sum
			for _, h := range p.hops {
				sums += h.dist.sum
			}
		}
		if totals != want || sums != want {
			t.Fatalf("round %d: totals %d, hops %d, want both %d", round, totals, sums, want)
		}
		p := onlyPath(t, a.Snapshot(shop(), Meta{}))
		var shares, tails float64
		sums = 0
		for _, h := range p.Hops {
			sums += h.Dist.SumNs
			shares += h.Share
			tails += h.TailShare
		}
		if math.Abs(shares-1) > 1e-9 || math.Abs(tails-1) > 1e-9 {
			t.Errorf("round %d: shares sum to %v, tail shares to %v", round, shares, tails)
		}
		if p.Total.SumNs != want || sums != want {
			t.Errorf("round %d: exported total %d, hops %d, want both %d", round, p.Total.SumNs, sums, want)
		}
		if a.notes.hopMismatch != 0 {
			t.Errorf("round %d: %d mismatches counted", round, a.notes.hopMismatch)
		}
	}
}

func TestClientPortsAndPlacesOfOneNameAreOnePath(t *testing.T) {
	a := New(Limits{})
	names := shop()
	names.containers[101] = "web" // after a restart, in a new namespace
	names.devices[journey.Place{Netns: 101, Ifindex: 13}] = "eth0 of web"
	names.networks[journey.Place{Netns: 101, Ifindex: 13}] = "shop"
	for i := range 50 {
		hops := bridged()
		j := packet(hops)
		j.First.Src = port(webAddr, uint16(40000+i))
		if i >= 20 {
			hops[0].Place = journey.Place{Netns: 101, Ifindex: webEth + 2}
			j.Stops[0].Netns, j.Stops[0].Ifindex = 101, 13
			j.CgroupSrc = 1002
		}
		j.Last.Src = j.First.Src
		a.Add(j, hops)
	}
	if len(a.paths) != 2 {
		t.Errorf("%d raw paths, want 2", len(a.paths))
	}
	names.devices[journey.Place{Netns: webNS, Ifindex: webEth}] = "eth0 of web"
	s := a.Snapshot(names, Meta{})
	p := onlyPath(t, s)
	if p.Journeys != 50 || p.Bytes != 5000 || p.From.Name != "web" || p.Network != "shop" || p.Port != 8080 {
		t.Errorf("got %+v", p)
	}
	if p.Hops[0].Dist.Count != 20 && p.Hops[1].Dist.Count != 20 {
		t.Errorf("the hops of different devices were merged: %+v", p.Hops)
	}
	// The second snapshot must find what the first one left: merging copies.
	if again := a.Snapshot(names, Meta{}); !reflect.DeepEqual(s, again) {
		t.Error("a second snapshot differs from the first")
	}
}

func TestNamesAreBoundLate(t *testing.T) {
	a := New(Limits{})
	hops := bridged()
	a.Add(packet(hops), hops)
	unknown := &fakeNames{}
	if p := onlyPath(t, a.Snapshot(unknown, Meta{})); p.From.Name != "10.0.0.2" || p.Hops[0].Device != nil {
		t.Errorf("without names: %+v", p)
	}
	p := onlyPath(t, a.Snapshot(shop(), Meta{}))
	if p.From.Name != "web" || p.To.Name != "api" || p.Hops[0].Where != "eth0 of web" || *p.From.ContainerID != "id-web" {
		t.Errorf("with names that came later: %+v", p)
	}
}

func TestEndingsThatMakeNoLatency(t *testing.T) {
	a := New(Limits{})
	meta := Meta{Containers: []inventory.Container{{ID: "id-web", Name: "web"}, {ID: "id-api", Name: "api"}}}
	for _, e := range []journey.Ending{
		journey.EndingDelivered, journey.EndingSegmented, journey.EndingMerged, journey.EndingRebuilt, journey.EndingDropped,
	} {
		hops := bridged()
		j := packet(hops)
		j.Ending, j.Weight = e, 10
		a.Add(j, hops)
	}
	child := packet(bridged())
	child.Flags |= journey.FlagInherited
	a.Add(child, bridged())
	s := a.Snapshot(shop(), meta)
	if p := onlyPath(t, s); p.Journeys != 11 {
		t.Errorf("%d journeys make the latency, want the 10 delivered and the child", p.Journeys)
	}
	api, web := s.Containers[1], s.Containers[0]
	if web.Name != "web" || web.TX != (PacketCount{50, 5000}) || web.RX != (PacketCount{}) {
		t.Errorf("web sent %+v, received %+v: want every birth once", web.TX, web.RX)
	}
	if api.RX != (PacketCount{21, 2100}) || api.TX != (PacketCount{}) {
		t.Errorf("api received %+v: want delivered and merged", api.RX)
	}
}

// A container in the host's network namespace has the host's hops, and so has one
// that joined it.
func TestHostHops(t *testing.T) {
	s := New(Limits{}).Snapshot(shop(), Meta{Containers: []inventory.Container{
		{ID: "a", Name: "a", NetworkMode: "host", Netns: hostNS}, {ID: "b", Name: "b", NetworkMode: "container:a", Netns: hostNS},
		{ID: "c", Name: "c", NetworkMode: "host"}, {ID: "d", Name: "d", NetworkMode: "shop", Netns: webNS}, {ID: "e", Name: "e"},
	}})
	for _, c := range s.Containers {
		if want := c.Name <= "c"; c.HostHops != want || (c.ReducedHops() != "") != want {
			t.Errorf("%s: %v, %q", c.Name, c.HostHops, c.ReducedHops())
		}
	}
}

func TestLimitsAreCounted(t *testing.T) {
	a := New(Limits{Paths: 3, Hops: 2, Endpoints: 1, Slowest: 4})
	for i := range 10 {
		hops := bridged()
		hops[0].Duration = time.Duration(i) * time.Millisecond
		j := packet(hops)
		j.Weight = 2
		j.Last.Dst = port(apiAddr, uint16(1000+i))
		j.First.Dst = j.Last.Dst
		a.Add(j, hops)
	}
	s := a.Snapshot(shop(), Meta{Duration: time.Second})
	if len(s.Paths) != 4 {
		t.Fatalf("%d paths, want 3 and the other", len(s.Paths))
	}
	i := slices.IndexFunc(s.Paths, func(p Path) bool { return p.From.Name == otherName })
	if i < 0 || s.Paths[i].Journeys != 14 || s.Accounting.Notes["other_paths"] != 14 {
		t.Errorf("beyond the limit: %+v, notes %v", s.Paths[max(i, 0)], s.Accounting.Notes)
	}
	if n := s.Accounting.Notes["other_hops"]; n != 50 {
		t.Errorf("other_hops is %d, want 5 of each of 10 journeys", n)
	}
	if n := s.Accounting.Notes["other_endpoints"]; n != 20 {
		t.Errorf("other_endpoints is %d, want the 20 packets that api received", n)
	}
	if len(s.Slowest) != 4 || s.Slowest[0].TotalNs != 9_009_000 || s.Slowest[3].TotalNs != 6_009_000 {
		t.Errorf("slowest: %+v", s.Slowest)
	}
}

func TestJourneysThatCannotBeAreLeftOut(t *testing.T) {
	a := New(Limits{})
	hops := bridged()
	j := packet(hops)
	hops[2].Duration = -1
	a.Add(j, hops)
	a.Add(&journey.Journey{Ending: journey.EndingDelivered}, nil)
	longer := bridged()
	longer[0].Duration++
	a.Add(j, longer)
	s := a.Snapshot(shop(), Meta{})
	n := s.Accounting.Notes
	if n["negative_hops"] != 1 || n["unusable_journeys"] != 1 || n["hop_sum_mismatch"] != 1 {
		t.Errorf("notes %v", n)
	}
	if p := onlyPath(t, s); p.Journeys != 1 {
		t.Errorf("%d journeys, want only the last", p.Journeys)
	}
}

func TestSlowestAreDatedAndSorted(t *testing.T) {
	a := New(Limits{})
	for i := range 100 {
		hops := []journey.Hop{at(journey.HopQdisc, hostNS, vethWeb, time.Duration((i*37)%100)*time.Millisecond)}
		j := packet(hops)
		j.Start = uint64(time.Duration(i) * time.Second)
		a.Add(j, hops)
		hops[0].Duration = -5 // the caller reuses its memory
	}
	zero := time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)
	s := a.Snapshot(shop(), Meta{MonotonicZero: zero}).Slowest
	if len(s) != 20 {
		t.Fatalf("%d kept, want 20", len(s))
	}
	for i, x := range s {
		want := int64(99-i) * 1e6
		if x.TotalNs != want || len(x.Hops) != 1 || x.Hops[0] != (SlowHop{"qdisc", "veth of web", "host", want}) {
			t.Errorf("place %d: %+v", i, x)
		}
	}
	if want := zero.Add(27 * time.Second); !s[0].At.Equal(want) { // 27*37 = 999
		t.Errorf("the slowest began at %v, want %v", s[0].At, want)
	}
}

func TestAddDoesNotAllocate(t *testing.T) {
	a := New(Limits{})
	hops := bridged()
	j := packet(hops)
	drop := packet(hops)
	drop.Ending = journey.EndingDropped
	r := rand.New(rand.NewPCG(7, 8))
	step := func() {
		hops[4].Duration = time.Duration(r.IntN(1e6))
		a.Add(j, hops)
		a.Add(drop, hops)
	}
	for range 20000 {
		step()
	}
	if n := testing.AllocsPerRun(1000, step); n != 0 {
		t.Errorf("%v allocations an Add", n)
	}
}

func BenchmarkAdd(b *testing.B) {
	for _, flows := range []int{1, 100} {
		b.Run(fmt.Sprintf("paths=%d", flows), func(b *testing.B) {
			a := New(Limits{})
			hops := append(bridged(), bridged()...) // 14, with the places apart
			for i := range hops[7:] {
				hops[7+i].Ifindex += 100
			}
			j := packet(hops)
			r := rand.New(rand.NewPCG(1, 1))
			durations := make([]time.Duration, 4096)
			for i := range durations {
				durations[i] = time.Duration(1000 + r.ExpFloat64()*20000)
			}
			add := func(i int) {
				for k := range hops {
					hops[k].Duration = durations[(i+k*31)&4095]
				}
				last := &j.Stops[len(j.Stops)-1]
				j.First.Src = port(netip.AddrFrom4([4]byte{10, 0, 1, byte(i % flows)}), 40000)
				j.Last.Src = j.First.Src
				total, _ := sumHops(hops)
				last.At = total
				a.Add(j, hops)
			}
			for i := range 5000 * flows / 10 {
				add(i)
			}
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				add(i)
			}
		})
	}
}

// A packet that crosses the bridge in three parts spent their sum there.
func TestHopMetTwiceIsOneSample(t *testing.T) {
	bridge := journey.Place{Netns: 1, Ifindex: 7}
	hook := journey.Place{Netns: 1}
	hops := []journey.Hop{
		{Kind: journey.HopBridge, Place: bridge, Duration: 10},
		{Kind: journey.HopPrerouting, Place: hook, Duration: 5},
		{Kind: journey.HopBridge, Place: bridge, Duration: 20},
		{Kind: journey.HopForward, Place: hook, Duration: 5},
		{Kind: journey.HopBridge, Place: bridge, Duration: 30},
	}
	a := New(Limits{})
	a.Add(packet(hops), hops)
	p := a.Snapshot(shop(), Meta{}).Paths[0]
	if len(p.Hops) != 3 || p.Hops[0].Hop != "bridge" || p.Hops[0].Dist.Samples != 1 || *p.Hops[0].Dist.MeanNs != 60 {
		t.Errorf("hops are %+v, want bridge first, once, with 60 ns", p.Hops)
	}
}
