package model

import (
	"testing"

	"github.com/hopscope/hopscope/pkg/journey"
)

// Paths of few packets are many; those of more have a limit of their own.
func TestBusyPaths(t *testing.T) {
	a := New(Limits{Paths: 100, Busy: 2})
	hops := []journey.Hop{at(journey.HopQdisc, webNS, webEth, 5)}
	each := func(path, packets int) {
		for range packets {
			j := packet(hops)
			j.First.Dst = port(apiAddr, uint16(8000+path))
			j.Last = j.First
			a.Add(j, hops)
		}
	}
	for path := range 50 {
		each(path, 3)
	}
	for path := range 4 {
		each(path, 20)
	}
	s := a.Snapshot(shop(), Meta{})
	var all, other uint64
	for _, p := range s.Paths {
		all += p.Journeys
		if p.From.Name == otherName {
			other = p.Journeys
		}
	}
	if len(s.Paths) != 51 || all != 50*3+4*20 || other != 2*(23-fewSamples) || s.Accounting.Notes["other_paths"] != other {
		t.Errorf("%d paths of %d packets, %d of others (%d noted)", len(s.Paths), all, other, s.Accounting.Notes["other_paths"])
	}
}
