package model

import (
	"cmp"
	"slices"
	"sync"

	"github.com/hopscope/hopscope/pkg/journey"
)

// pathSet is the paths of several sealed parts under their names. Nothing is
// added up before it is asked for, and no sketch is made for it: a path is the
// places at which it stands in the parts. It is safe for concurrent use.
type pathSet struct {
	parts []*Sealed
	keys  []pathKey // of each path
	raws  []rawRefs // of each raw path
	first []int32   // of each path: index of its first raw path
	refs  []pathRef // where raw paths stand

	mu   sync.Mutex // guards what follows, which asking for hops changes
	b    *builder
	work hopSums

	buckets tailBuckets
}

// rawRefs are the places of one raw path: the begins of two linked lists.
type rawRefs struct {
	refs int32 // its first place
	next int32 // the next raw path of the same path, -1: none
}

// pathRef is where a raw path stands in one part.
type pathRef struct {
	part, at uint32
	next     int32 // the same raw path in another part, -1: none
}

// paths puts the paths of several parts together by name.
func (b *builder) paths(parts []*Sealed) *pathSet {
	n := 0
	for _, s := range parts {
		n = max(n, len(s.paths))
		b.learn(s)
	}
	set := &pathSet{parts: parts, b: b}
	raws := make(map[rawKey]int32, n)
	byName := make(map[pathKey]int32, n)
	for part, s := range parts {
		for at := range s.paths {
			k := &s.paths[at].key
			raw, ok := raws[*k]
			if !ok {
				raw = int32(len(set.raws))
				raws[*k] = raw
				set.raw(b.pathKey(*k), byName)
			}
			set.refs = append(set.refs, pathRef{part: uint32(part), at: uint32(at), next: set.raws[raw].refs})
			set.raws[raw].refs = int32(len(set.refs) - 1)
		}
	}
	return set
}

// raw adds a raw path, which stands nowhere so far, to the path of its name.
func (s *pathSet) raw(k pathKey, byName map[pathKey]int32) {
	at, ok := byName[k]
	if !ok {
		at = int32(len(s.keys))
		byName[k] = at
		s.keys = append(s.keys, k)
		s.first = append(s.first, -1)
	}
	s.raws = append(s.raws, rawRefs{refs: -1, next: s.first[at]})
	s.first[at] = int32(len(s.raws) - 1)
}

// export gives all paths, those in which packets spent the most time first.
// Hops are made at once, or left to [Path.AllHops].
func (s *pathSet) export(hops bool) []Path {
	s.mu.Lock()
	defer s.mu.Unlock()
	memory := make([]int64, figures*len(s.keys))
	out := make([]Path, len(s.keys))
	order := make([]int32, len(s.keys))
	for i := range s.keys {
		out[i] = s.path(int32(i), memory[figures*i:])
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(x, y int32) int {
		if c := cmp.Compare(out[y].Total.SumNs, out[x].Total.SumNs); c != 0 {
			return c
		}
		return s.keys[x].compare(&s.keys[y])
	})
	sorted := make([]Path, len(out))
	if !hops {
		later := make([]laterHops, len(out))
		for i, at := range order {
			sorted[i] = out[at]
			later[i] = laterHops{s, at}
			sorted[i].later = &later[i]
		}
		return sorted
	}
	for i, at := range order {
		sorted[i] = out[at]
		sorted[i].Hops = s.hops(at)
	}
	return sorted
}

// path is one path without its hops.
func (s *pathSet) path(at int32, memory []int64) Path {
	k := &s.keys[at]
	p := Path{
		From: endOf(k.from), To: endOf(k.to), Network: k.network,
		Proto: journey.ProtoName(k.proto), Port: k.port, NAT: k.nat, Direction: "request",
	}
	if k.response {
		p.Direction = "response"
	}
	if k.published != 0 {
		port := int(k.published)
		p.PublishedPort = &port
	}
	t := s.b.tally
	t.reset()
	for raw := s.first[at]; raw >= 0; raw = s.raws[raw].next {
		for r := s.raws[raw].refs; r >= 0; r = s.refs[r].next {
			part := s.parts[s.refs[r].part]
			from := &part.paths[s.refs[r].at]
			t.add(part, &from.total)
			p.Bytes += from.bytes
		}
	}
	p.Journeys = t.count
	p.Total = s.b.tallied(memory)
	_, p.TailJourneys = s.tail(at)
	return p
}

// laterHops says of which path hops are to be made.
type laterHops struct {
	set *pathSet
	at  int32
}

// AllHops are the path's hops, also where the snapshot left them out of Hops
// ([Sum] with Lean): they are then made anew at each call.
func (p *Path) AllHops() []Hop {
	if p.later == nil {
		return p.Hops
	}
	set := p.later.set
	set.mu.Lock()
	defer set.mu.Unlock()
	return set.hops(p.later.at)
}

// Whole is the snapshot with the hops of all paths in place.
func (s Snapshot) Whole() Snapshot {
	paths := make([]Path, len(s.Paths))
	for i := range s.Paths {
		paths[i] = s.Paths[i]
		paths[i].Hops, paths[i].later = s.Paths[i].AllHops(), nil
	}
	s.Paths = paths
	return s
}
