package model

import (
	"github.com/DataDog/sketches-go/ddsketch/mapping"

	"github.com/hopscope/hopscope/pkg/journey"
)

// hopKey is a hop in raw facts.
type hopKey struct {
	kind  journey.HopKind
	place journey.Place
	other bool // stands for all hops beyond the limit
}

// edge counts how often one hop of a path followed another.
type edge struct {
	to int
	n  uint64
}

// hopStats is one hop of one raw path.
type hopStats struct {
	key      hopKey
	dist     dist
	position uint64 // Σ of its index in the journeys, unweighted
	next     []edge
}

// rawPath is what was measured under one raw key. The sum of its hops is the
// sum of its totals, to the nanosecond.
type rawPath struct {
	total dist
	bytes uint64
	busy  bool // counts toward the limit of those with more than a few samples
	hops  []hopStats
	tail  tail

	// Memory of the first bin and the first edge of each hop: one object for
	// all of them instead of two for each.
	firstBins  []bin
	firstEdges []edge
}

// mappings are the bin layouts that all distributions share.
type mappings struct{ fine, coarse mapping.IndexMapping }

// newRawPath makes an empty one with room for some hops.
func newRawPath(m mappings, hops int) *rawPath {
	return &rawPath{
		total: newDist(m.fine), tail: newTail(m.coarse), hops: make([]hopStats, 0, hops),
		firstBins: make([]bin, hops), firstEdges: make([]edge, hops),
	}
}

// add counts a journey. It reports how many of its hops fell into the hop that
// stands for those beyond the limit.
func (p *rawPath) add(hops []journey.Hop, total int64, weight, bytes uint64, limit int, m mappings) (other uint64) {
	p.total.add(total, weight)
	p.bytes += bytes * weight
	row := p.tail.row(total)
	row.count += weight
	prev := -1
	for i := range hops {
		h := &hops[i]
		// Journeys of one path mostly meet the same hops in the same order.
		at := p.find(hopKey{kind: h.Kind, place: h.Place}, prev+1)
		if at < 0 {
			at = p.insert(hopKey{kind: h.Kind, place: h.Place}, limit, m)
		}
		s := &p.hops[at]
		if s.key.other {
			other++
		}
		s.dist.add(int64(h.Duration), weight)
		s.position += uint64(i)
		row.add(at, uint64(h.Duration)*weight, len(hops))
		if prev >= 0 {
			p.hops[prev].follow(at)
		}
		prev = at
	}
	return other
}

// find looks for a hop, first at guess and from there on around.
func (p *rawPath) find(k hopKey, guess int) int {
	n := len(p.hops)
	for i := range n {
		at := guess + i
		if at >= n {
			at -= n
		}
		if p.hops[at].key == k {
			return at
		}
	}
	return -1
}

// insert adds a hop, or finds the one for all hops beyond the limit.
func (p *rawPath) insert(k hopKey, limit int, m mappings) int {
	if len(p.hops) >= limit {
		k = hopKey{other: true}
		if at := p.find(k, 0); at >= 0 {
			return at
		}
	}
	h := hopStats{key: k, dist: newDist(m.fine)}
	if at := len(p.hops); at < len(p.firstBins) {
		h.dist.bins, h.next = p.firstBins[at:at:at+1], p.firstEdges[at:at:at+1]
	}
	p.hops = append(p.hops, h)
	return len(p.hops) - 1
}

func (s *hopStats) follow(to int) {
	for i := range s.next {
		if s.next[i].to == to {
			s.next[i].n++
			return
		}
	}
	s.next = append(s.next, edge{to: to, n: 1})
}
