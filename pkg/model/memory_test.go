package model

import (
	"math"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/hopscope/hopscope/pkg/journey"
)

// longWay is a way of 15 hops, as NAT and a bridge make.
func longWay() []journey.Hop {
	hops := make([]journey.Hop, 15)
	for k := range hops {
		hops[k] = at(journey.HopQdisc, hostNS, uint32(k), time.Microsecond)
	}
	return hops
}

// manyPaths adds so many packets to each of so many paths, of times that span
// three decades.
func manyPaths(a *Aggregator, paths, packets int) {
	r := rand.New(rand.NewPCG(1, 1))
	hops := longWay()
	for i := range paths * packets {
		for k := range hops {
			hops[k].Duration = time.Duration(500 * math.Pow(10, 3*r.Float64()))
		}
		j := packet(hops)
		j.Last.Dst = port(apiAddr, uint16(1000+i%paths))
		a.Add(j, hops)
	}
}

// TestMemoryOfAPath holds what the limits' documentation says of a path with 15
// hops whose times span three decades.
func TestMemoryOfAPath(t *testing.T) {
	for _, c := range []struct {
		paths, packets int
		says           uint64 // bytes
	}{{50, 2000, 75_000}, {5000, 2, 4_000}} {
		before := heap()
		a := New(Limits{})
		manyPaths(a, c.paths, c.packets)
		each := (heap() - before) / uint64(c.paths)
		t.Logf("%d bytes a path of %d packets", each, c.packets)
		if each > c.says*11/10 {
			t.Errorf("%d bytes a path of %d packets, the documentation says about %d", each, c.packets, c.says)
		}
		runtime.KeepAlive(a)
	}
}

// TestSecondsCostFewObjects holds what a second costs on a host of many paths:
// sealing it takes as many objects whatever there is to seal, adding it to what
// has the same paths next to none, and the first packet of a path a few.
func TestSecondsCostFewObjects(t *testing.T) {
	for _, paths := range []int{100, 3000} {
		a, all := New(Limits{}), New(Limits{})
		manyPaths(a, paths, 2)
		if n := testing.AllocsPerRun(5, func() { a.Seal() }); n > 50 {
			t.Errorf("sealing %d paths takes %v objects", paths, n)
		}
		s := a.Seal()
		all.Merge(s)
		if n := testing.AllocsPerRun(5, func() { all.Merge(s) }); n > 20 {
			t.Errorf("adding the same %d paths again takes %v objects", paths, n)
		}
	}
	a, hops := New(Limits{}), longWay()
	port0 := 0
	if n := testing.AllocsPerRun(1000, func() {
		j := packet(hops)
		port0++
		j.Last.Dst = port(apiAddr, uint16(port0))
		a.Add(j, hops)
	}); n > 16 {
		t.Errorf("the first packet of a path of %d hops takes %v objects", len(hops), n)
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
