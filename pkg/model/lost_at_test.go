package model

import (
	"testing"
	"time"

	"github.com/hopscope/hopscope/pkg/journey"
)

// segment is a TCP packet of web to api, sent at a time in ms.
func segment(at int, seq, bytes uint32) *journey.Journey {
	j := packet(bridged())
	j.Proto, j.Start = journey.ProtoTCP, uint64(at)*uint64(time.Millisecond)
	j.Sig = journey.Sig{A: uint64(seq) << 32, B: uint64(bytes) << 16}
	return j
}

// died is the same, dropped in the queue of api's veth.
func died(at int, seq, bytes uint32) *journey.Journey {
	j := segment(at, seq, bytes)
	j.Ending, j.DropReason = journey.EndingDropped, 5
	last := &j.Stops[len(j.Stops)-1]
	last.Point = journey.PointFree
	j.Stops[len(j.Stops)-2].Point = journey.PointQueue
	return j
}

// inSegments is a packet of several segments.
func inSegments(j *journey.Journey, n uint16) *journey.Journey {
	j.Segments = n
	return j
}

func lostOf(a *Aggregator, meta Meta) (sum uint64, list []LostAt) {
	for _, row := range a.Snapshot(shop(), meta).TCP {
		for _, l := range row.Retransmits.LostAt {
			sum += l.Count
			list = append(list, l)
		}
	}
	return sum, list
}

func TestOriginalsOfRetransmissions(t *testing.T) {
	for name, c := range map[string]struct {
		journeys []*journey.Journey
		want     uint64
	}{
		"sent again":                         {[]*journey.Journey{died(1, 1000, 100), segment(300, 1000, 100)}, 1},
		"sent again in parts":                {[]*journey.Journey{died(1, 1000, 3000), segment(300, 1000, 1448), segment(301, 2448, 1448)}, 2},
		"sent again with what follows":       {[]*journey.Journey{died(1, 1000, 100), inSegments(segment(300, 900, 400), 4)}, 1},
		"not sent again":                     {[]*journey.Journey{died(1, 1000, 100), segment(300, 1100, 100)}, 0},
		"died twice":                         {[]*journey.Journey{died(1, 1000, 100), died(300, 1000, 100), segment(900, 1000, 100)}, 2},
		"the sequence wraps":                 {[]*journey.Journey{died(1, 0xffffffc0, 100), segment(300, 0xfffffff0, 100)}, 1},
		"what was sent before the loss":      {[]*journey.Journey{died(100, 1000, 100), segment(50, 1000, 100)}, 0},
		"an acknowledgement has no sequence": {[]*journey.Journey{died(1, 1000, 0), segment(300, 1000, 0)}, 0},
	} {
		a := New(Limits{})
		twin := a.Next() // as pieces of a history and of a diff have it: what is lost is shared
		for _, j := range c.journeys {
			hops := j.Hops(nil)
			a.Add(j, hops)
			twin.Add(j, hops)
		}
		for _, x := range []*Aggregator{a, twin} {
			if got, list := lostOf(x, Meta{}); got != c.want {
				t.Errorf("%s: %d, want %d: %+v", name, got, c.want, list)
			}
		}
		sum := New(Limits{})
		sum.Merge(a.Seal())
		if got, _ := lostOf(sum, Meta{}); got != c.want {
			t.Errorf("%s, sealed: %d, want %d", name, got, c.want)
		}
	}
}

// A duplicate that is thrown away is no loss, and was not sent again for it.
func TestDuplicatesAreNotLost(t *testing.T) {
	a := New(Limits{})
	for _, j := range []*journey.Journey{died(1, 1000, 100), segment(300, 1000, 100)} {
		a.Add(j, j.Hops(nil))
	}
	if got, list := lostOf(a, Meta{Symbols: duplicates{}}); got != 0 {
		t.Errorf("%d: %+v", got, list)
	}
}

type duplicates struct{}

func (duplicates) Reason(uint32) string { return "TCP_OLD_DATA" }
func (duplicates) Symbol(uint64) string { return "tcp_data_queue" }

func TestLostSegmentsAreBounded(t *testing.T) {
	l := newLostSegments()
	for i := range maxLostFlows + 10 {
		j := died(i, 1, 1)
		j.First.Src = port(webAddr, uint16(i))
		for k := range uint32(maxLostPerFlow + 5) {
			l.add(j, k, 1)
		}
		if n := len(l.flows[j.First]); n > maxLostPerFlow {
			t.Fatalf("%d segments of a flow", n)
		}
	}
	if len(l.flows) > maxLostFlows {
		t.Errorf("%d flows", len(l.flows))
	}
}
