package model

import (
	"unsafe"

	"github.com/DataDog/sketches-go/ddsketch"

	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/journey"
)

// Sealed is what an aggregator held at one moment, immutable and small: only
// the bins that something fell into, in a few flat slices. A second of traffic
// takes a tenth of its aggregator's memory, so that minutes of them fit.
type Sealed struct {
	maps    mappings
	paths   []sealedPath
	hops    []sealedHop
	edges   []edge
	rows    []sealedRow
	bins    []bin
	ns      []uint64 // of the rows
	traffic []sealedTraffic
	drops   []sealedDrop
	tcp     []sealedTCP
	slow    []slowJourney
	notes   notes
}

// span is a part of one of the flat slices.
type span struct{ from, to uint32 }

// bin is one bin of a sketch; at most ten seconds of packets are in it.
type bin struct {
	index int32
	count uint32
}

type sealedDist struct {
	bins           span
	zero           uint32 // below what the sketch can index: 0 ns
	sum            uint64
	count, samples uint64
	min, max       int64
}

type sealedPath struct {
	key        rawKey
	total      sealedDist
	bytes      uint64
	hops, rows span
}

type sealedHop struct {
	key      hopKey
	dist     sealedDist
	position uint64
	next     span
}

type sealedRow struct {
	bucket int32
	count  uint64
	ns     span
}

type sealedTraffic struct {
	end inventory.RawEndpoint
	traffic
}

type sealedDrop struct {
	key dropKey
	sum dropSum
}

type sealedTCP struct {
	key         tcpKey
	rtt         sealedDist
	segments    uint64
	retransmits RetransmitKinds
}

// Seal copies what was added so far.
func (a *Aggregator) Seal() *Sealed {
	s := &Sealed{
		maps:    a.maps,
		paths:   make([]sealedPath, 0, len(a.paths)),
		traffic: make([]sealedTraffic, 0, len(a.traffic)),
		drops:   make([]sealedDrop, 0, len(a.drops)),
		notes:   a.notes,
	}
	s.reserve(a)
	for k, p := range a.paths {
		if p.total.samples > 0 { // an aggregator that is used again keeps empty ones
			s.path(k, p)
		}
	}
	for e, t := range a.traffic {
		s.traffic = append(s.traffic, sealedTraffic{e, *t})
	}
	for k, n := range a.drops {
		s.drops = append(s.drops, sealedDrop{k, n})
	}
	for k, t := range a.tcp {
		s.tcp = append(s.tcp, sealedTCP{k, s.dist(&t.rtt), t.segments, t.retransmits})
	}
	for _, j := range a.slow.kept {
		j.hops = append([]journey.Hop(nil), j.hops...)
		s.slow = append(s.slow, j)
	}
	s.clip()
	return s
}

// reserve makes room for the hops and their bins, whose number is near that of
// the samples as long as there are few of them.
func (s *Sealed) reserve(a *Aggregator) {
	hops, bins := 0, 0
	for _, p := range a.paths {
		hops += len(p.hops)
		bins += (len(p.hops) + 1) * int(min(p.total.samples, 24))
	}
	s.hops = make([]sealedHop, 0, hops)
	s.edges = make([]edge, 0, hops)
	s.bins = make([]bin, 0, bins)
}

// clip gives back what the appends took too much.
func (s *Sealed) clip() {
	s.bins = append(make([]bin, 0, len(s.bins)), s.bins...)
	s.ns = append(make([]uint64, 0, len(s.ns)), s.ns...)
	s.rows = append(make([]sealedRow, 0, len(s.rows)), s.rows...)
}

func (s *Sealed) path(k rawKey, p *rawPath) {
	out := sealedPath{key: k, total: s.dist(&p.total), bytes: p.bytes}
	out.hops.from = uint32(len(s.hops))
	for i := range p.hops {
		h := &p.hops[i]
		x := sealedHop{key: h.key, dist: s.dist(&h.dist), position: h.position}
		x.next.from = uint32(len(s.edges))
		s.edges = append(s.edges, h.next...)
		x.next.to = uint32(len(s.edges))
		s.hops = append(s.hops, x)
	}
	out.hops.to = uint32(len(s.hops))
	out.rows.from = uint32(len(s.rows))
	for bucket, r := range p.tail.rows {
		if r.count == 0 {
			continue
		}
		x := sealedRow{bucket: int32(bucket), count: r.count}
		x.ns.from = uint32(len(s.ns))
		s.ns = append(s.ns, r.hops...)
		x.ns.to = uint32(len(s.ns))
		s.rows = append(s.rows, x)
	}
	out.rows.to = uint32(len(s.rows))
	s.paths = append(s.paths, out)
}

func (s *Sealed) dist(d *dist) sealedDist {
	out := sealedDist{
		sum: d.sum, count: d.count, samples: d.samples, min: d.min, max: d.max,
		zero: clampCount(d.sketch.GetZeroCount()),
	}
	out.bins.from = uint32(len(s.bins))
	d.sketch.GetPositiveValueStore().ForEach(func(index int, count float64) bool {
		s.bins = append(s.bins, bin{int32(index), clampCount(count)})
		return false
	})
	out.bins.to = uint32(len(s.bins))
	return out
}

func clampCount(n float64) uint32 {
	return uint32(min(n, 1<<32-1))
}

// Size is about the memory in bytes that it takes.
func (s *Sealed) Size() int {
	return int(unsafe.Sizeof(*s)) +
		sizeOf(s.paths) + sizeOf(s.hops) + sizeOf(s.edges) + sizeOf(s.rows) + sizeOf(s.bins) +
		sizeOf(s.ns) + sizeOf(s.traffic) + sizeOf(s.drops) + sizeOf(s.tcp) + sizeOf(s.slow) +
		len(s.slow)*16*int(unsafe.Sizeof(journey.Hop{}))
}

func sizeOf[T any](s []T) int {
	var one T
	return cap(s) * int(unsafe.Sizeof(one))
}

// into adds the distribution to a sketch of the same mapping.
func (s *Sealed) into(sketch *ddsketch.DDSketch, d *sealedDist) {
	// The sketch refuses only NaN and negative counts.
	_ = sketch.AddWithCount(0, float64(d.zero))
	store := sketch.GetPositiveValueStore()
	for _, b := range s.bins[d.bins.from:d.bins.to] {
		store.AddWithCount(int(b.index), float64(b.count))
	}
}
