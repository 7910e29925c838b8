package model

import (
	"maps"
	"time"
	"unsafe"

	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/journey"
)

// Sealed is what an aggregator held at one moment, immutable and small: only
// the bins that something fell into, in a few flat slices. A second of traffic
// takes a tenth of its aggregator's memory, so that minutes of them fit.
type Sealed struct {
	maps        mappings
	to          time.Time // see Date
	paths       []sealedPath
	hops        []sealedHop
	edges       []edge
	rows        []sealedRow
	bins        []bin
	ns          []uint64 // of the rows
	traffic     []sealedTraffic
	drops       []sealedDrop
	tcp         []sealedTCP
	lostAt      []sealedLost
	cpus        []sealedCPU
	dns         []sealedDNS
	counters    []CounterCount
	slow        []slowJourney
	notes       notes
	sockets     bool
	exchanges   []sealedExchange
	parts       []sealedPart
	slowAnswers []sealedSlow
	slowParts   []slowPart
	behind      map[journey.Place][]uint64 // cgroups behind each gate
	connectors  connectors
}

// span is a part of one of the flat slices.
type span struct{ from, to uint32 }

type sealedDist struct {
	bins           span
	zero           uint64 // below what the sketch can index: 0 ns
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

type sealedCPU struct {
	key cpuKey
	sum cpuSum
}

type sealedLost struct {
	key lostKey
	n   uint64
}

type sealedTCP struct {
	key         tcpKey
	rtt         sealedDist
	segments    uint64
	retransmits RetransmitKinds
	connects    Connects
	resets      Resets
	last        lastTimes

	times [tcpTimes]*sealedDist // nil: nothing was measured
}

// Seal copies what was added so far.
func (a *Aggregator) Seal() *Sealed {
	s := &Sealed{
		maps:       a.maps,
		paths:      make([]sealedPath, 0, len(a.paths)),
		traffic:    make([]sealedTraffic, 0, len(a.traffic)),
		drops:      make([]sealedDrop, 0, len(a.drops)),
		notes:      a.notes,
		behind:     maps.Clone(a.behind.cgroups),
		connectors: maps.Clone(a.connectors),
		sockets:    a.sockets,
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
		s.tcp = append(s.tcp, sealedTCP{
			k, s.dist(&t.rtt), t.segments, t.retransmits, t.connects, t.resets, t.last,
			s.sealTimes(t),
		})
	}
	for k, x := range a.exchanges {
		s.exchange(k, x)
	}
	for k, n := range a.counters {
		s.counters = append(s.counters, CounterCount{k, n})
	}
	s.sealDNS(a.dns)
	for k, n := range a.cpus {
		s.cpus = append(s.cpus, sealedCPU{k, n})
	}
	for k, n := range a.lostAt {
		s.lostAt = append(s.lostAt, sealedLost{k, n})
	}
	for _, j := range a.slow.kept {
		j.hops = append([]journey.Hop(nil), j.hops...)
		s.slow = append(s.slow, j)
	}
	return s
}

// Date says at which time the part ended, so that what it is merged into knows
// when something happened last. It comes before anything else is done with it.
func (s *Sealed) Date(to time.Time) { s.to = to }

// reserve makes room for what is about to be copied, so that nothing is copied
// twice and no memory is left over.
func (s *Sealed) reserve(a *Aggregator) {
	var hops, edges, rows, ns, bins int
	for _, p := range a.paths {
		hops += len(p.hops)
		bins += len(p.total.bins)
		for i := range p.hops {
			bins += len(p.hops[i].dist.bins)
			edges += len(p.hops[i].next)
		}
		rows += len(p.tail.rows)
		for i := range p.tail.rows {
			ns += len(p.tail.rows[i].hops)
		}
	}
	for _, t := range a.tcp {
		bins += len(t.rtt.bins)
		for _, d := range t.times {
			if d != nil {
				bins += len(d.bins)
			}
		}
	}
	for _, x := range a.exchanges {
		bins += len(x.total.bins) + len(x.rtt.bins)
		for i := range x.parts {
			bins += len(x.parts[i].dist.bins)
		}
	}
	for _, d := range a.dns {
		bins += len(d.latency.bins)
	}
	s.hops = make([]sealedHop, 0, hops)
	s.edges = make([]edge, 0, edges)
	s.rows = make([]sealedRow, 0, rows)
	s.ns = make([]uint64, 0, ns)
	s.bins = make([]bin, 0, bins)
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
	for i := range p.tail.rows {
		r := &p.tail.rows[i]
		x := sealedRow{bucket: r.bucket, count: r.count}
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
		zero: d.zero,
	}
	out.bins.from = uint32(len(s.bins))
	s.bins = append(s.bins, d.bins...)
	out.bins.to = uint32(len(s.bins))
	return out
}

func (s *Sealed) sealTimes(t *tcpStats) (out [tcpTimes]*sealedDist) {
	for i, d := range t.times {
		if d != nil {
			sealed := s.dist(d)
			out[i] = &sealed
		}
	}
	return out
}

// Size is about the memory in bytes that it takes.
func (s *Sealed) Size() int {
	return int(unsafe.Sizeof(*s)) +
		sizeOf(s.paths) + sizeOf(s.hops) + sizeOf(s.edges) + sizeOf(s.rows) + sizeOf(s.bins) +
		sizeOf(s.ns) + sizeOf(s.exchanges) + sizeOf(s.parts) + sizeOf(s.slowAnswers) + sizeOf(s.slowParts) + sizeOf(s.traffic) + sizeOf(s.drops) + sizeOf(s.tcp) + sizeOf(s.dns) + sizeOf(s.counters) + sizeOf(s.lostAt) + sizeOf(s.cpus) + sizeOf(s.slow) +
		len(s.slow)*16*int(unsafe.Sizeof(journey.Hop{})) + (len(s.behind)+len(s.connectors))*gateSize
}

func sizeOf[T any](s []T) int {
	var one T
	return cap(s) * int(unsafe.Sizeof(one))
}
