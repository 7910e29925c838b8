package model

import "github.com/hopscope/hopscope/pkg/journey"

// slowJourney is a copy of one of the slowest journeys.
type slowJourney struct {
	start uint64 // CLOCK_MONOTONIC, ns
	total int64  // ns
	key   rawKey
	hops  []journey.Hop
}

// slowest keeps the journeys of the longest total. There are few of them and
// they change seldom, so that the shortest is found by looking through them.
type slowest struct {
	limit int
	kept  []slowJourney
	least int // index of the shortest, once the limit is reached
}

// offer keeps a journey if it is among the slowest. The hops are copied into
// the memory of the one that it replaces.
func (s *slowest) offer(start uint64, k rawKey, hops []journey.Hop, total int64) {
	switch {
	case len(s.kept) < s.limit:
		s.kept = append(s.kept, slowJourney{})
		s.least = len(s.kept) - 1
	case total <= s.kept[s.least].total:
		return
	}
	r := &s.kept[s.least]
	r.start, r.total, r.key = start, total, k
	r.hops = append(r.hops[:0], hops...)
	for i := range s.kept {
		if s.kept[i].total < s.kept[s.least].total {
			s.least = i
		}
	}
}
