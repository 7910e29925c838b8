package model

import (
	"github.com/hopscope/hopscope/pkg/dns"
	"github.com/hopscope/hopscope/pkg/journey"
)

const (
	// maxSlices is even: when there would be more, neighbors are merged in
	// pairs and time goes on in slices of twice the width.
	maxSlices = 24
	// firstSliceNs is how wide slices are at first.
	firstSliceNs = 50e6
)

// Slices splits a capture into 12 to 24 pieces of equal time (fewer below
// 0.6 s), in constant memory and without knowing how long it will be. What
// differs between pieces of one capture is its noise, against which a
// difference between captures can be held.
type Slices struct {
	of    *Aggregator // knows the servers
	now   *Aggregator
	past  []*Sealed
	begun bool
	end   uint64        // of the current slice, CLOCK_MONOTONIC, ns
	width uint64        // ns
	later []SocketEvent // to be counted when the current slice ends, or a later one
	late  *Aggregator   // what is to be added to a slice that is past, or nil
	slice int           // of late, in past
}

// Slices begins to split what is added from now on. It knows the same servers
// as the aggregator and belongs to the same goroutine.
func (a *Aggregator) Slices() *Slices {
	return &Slices{of: a, now: a.Next(), width: firstSliceNs}
}

// Add counts a journey with its hops, in the slice of its time or, if that is
// over, in the current one. Both may be reused by the caller.
func (s *Slices) Add(j *journey.Journey, hops []journey.Hop) {
	if !s.begun {
		s.begun, s.end = true, j.Start+s.width
	}
	for j.Start >= s.end {
		s.finish()
		s.end += s.width
		if len(s.past) == maxSlices {
			s.widen() // an even number of slices is past: the current one begins as it is
			s.end += s.width / 2
		}
	}
	s.now.Add(j, hops)
}

// AddDrops counts dropped packets in the current slice.
func (s *Slices) AddDrops(d DropCount) { s.now.AddDrops(d) }

// AddRetransmits counts retransmitted segments in the current slice.
func (s *Slices) AddRetransmits(r RetransmitCount) { s.now.AddRetransmits(r) }

// AddCounters takes in how far the kernel's counters moved in the current slice.
func (s *Slices) AddCounters(c []CounterCount) { s.now.AddCounters(c) }

// AddDNS counts a lookup in the slice of its time, or the current one where that
// is not over or it has none.
func (s *Slices) AddDNS(l dns.Lookup) {
	if l.At == 0 {
		s.now.AddDNS(l)
		return
	}
	s.at(l.At).AddDNS(l)
}

// at gives what collects for the slice of a time that is not after the current
// one's. A record may come seconds after its time: an exchange waits for its
// other end.
func (s *Slices) at(t uint64) *Aggregator {
	begin := s.end - min(s.end, uint64(len(s.past)+1)*s.width)
	slice := int((max(t, begin) - begin) / s.width)
	if !s.begun || slice >= len(s.past) {
		return s.now
	}
	if s.late == nil || s.slice != slice {
		s.settle()
		s.late, s.slice = s.of.Next(), slice
	}
	return s.late
}

// settle adds what came late to its slice.
func (s *Slices) settle() {
	if s.late == nil {
		return
	}
	s.late.Merge(s.past[s.slice])
	s.past[s.slice], s.late = s.late.Seal(), nil
}

// finish seals the current slice.
func (s *Slices) finish() {
	s.catchUp(s.end)
	s.past = append(s.past, s.now.Seal())
	s.now = s.of.Next()
}

func (s *Slices) widen() {
	s.settle()
	for i := range s.past[:maxSlices/2] {
		pair := s.of.Next()
		pair.Merge(s.past[2*i])
		pair.Merge(s.past[2*i+1])
		s.past[i] = pair.Seal()
	}
	clear(s.past[maxSlices/2:])
	s.past = s.past[:maxSlices/2]
	s.width *= 2
}

// Snapshots gives one snapshot a slice, in order of time and with bins. Only
// the last one may stand for less time than the others.
func (s *Slices) Snapshots(names Names, meta Meta) []Snapshot {
	meta.Bins = true
	s.catchUp(1<<64 - 1)
	s.settle()
	out := make([]Snapshot, 0, len(s.past)+1)
	for _, sealed := range s.past {
		a := s.of.Next()
		a.Merge(sealed)
		out = append(out, a.Snapshot(names, meta))
	}
	if s.begun {
		out = append(out, s.now.Snapshot(names, meta))
	}
	return out
}
