package model

import (
	"math"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/hopscope/hopscope/pkg/journey"
)

// TestMemoryOfAPath holds what the limits' documentation says of a path with 15
// hops whose times span three decades.
func TestMemoryOfAPath(t *testing.T) {
	const paths = 50
	r := rand.New(rand.NewPCG(1, 1))
	before := heap()
	a := New(Limits{})
	hops := make([]journey.Hop, 15)
	for i := range paths * 2000 {
		for k := range hops {
			d := time.Duration(500 * math.Pow(10, 3*r.Float64()))
			hops[k] = at(journey.HopQdisc, hostNS, uint32(k), d)
		}
		j := packet(hops)
		j.Last.Dst = port(apiAddr, uint16(1000+i%paths))
		a.Add(j, hops)
	}
	each := (heap() - before) / paths
	t.Logf("%d bytes a path", each)
	if each > 95_000 {
		t.Errorf("%d bytes a path with 15 hops, the documentation says about 85 kB", each)
	}
	runtime.KeepAlive(a)
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
