package model

import (
	"math"
	"math/bits"

	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/journey"
)

// PathID tells a path of one snapshot from the others, and finds it again in
// the next one.
type PathID struct {
	From, To  inventory.Endpoint
	Network   string
	Proto     string
	NAT       string
	Direction string
	Port      uint16
	Published int // 0 without
}

// ID of the path.
func (p *Path) ID() PathID {
	id := PathID{
		From: p.From.Endpoint(), To: p.To.Endpoint(), Network: p.Network,
		Proto: p.Proto, NAT: p.NAT, Direction: p.Direction, Port: p.Port,
	}
	if p.PublishedPort != nil {
		id.Published = *p.PublishedPort
	}
	return id
}

// Endpoint is the end as the inventory has it.
func (e End) Endpoint() inventory.Endpoint {
	out := inventory.Endpoint{Kind: inventory.EndpointKind(e.Kind), Name: e.Name}
	if e.ContainerID != nil {
		out.ContainerID = *e.ContainerID
	}
	return out
}

// WorstP99 is, for each end, the highest p99 in ns among the paths of which it
// is an end. key chooses what counts as one end.
func (n *Naming) WorstP99(s *Sealed, key func(inventory.Endpoint) string) map[string]int64 {
	n.b.learn(s)
	out := map[string]int64{}
	for i := range s.paths {
		p := &s.paths[i]
		p99 := s.quantile(&p.total, 0.99)
		ends, ok := n.rows[p.key]
		if !ok {
			from, to := otherEnd(), otherEnd()
			if !p.key.other {
				from, to = n.b.flowEnds(p.key)
			}
			ends = [2]string{key(from), key(to)}
			n.rows[p.key] = ends
		}
		for _, e := range ends {
			out[e] = max(out[e], p99)
		}
	}
	return out
}

// quantile is the value at rank q*(count-1), as the sketch counts ranks.
func (s *Sealed) quantile(d *sealedDist, q float64) int64 {
	rank := q * (float64(d.count) - 1)
	seen := float64(d.zero)
	if seen > rank {
		return 0
	}
	for _, b := range s.bins[d.bins.from:d.bins.to] {
		if seen += float64(b.count); seen > rank {
			return min(max(int64(s.maps.fine.Value(int(b.index))), d.min), d.max)
		}
	}
	return d.max
}

// HeatPerOctave is how many rows of a heat map a factor of two takes: a row is
// 19 % wide.
const HeatPerOctave = 4

// HeatRow is the row that holds a duration in ns: four to the octave, of equal
// width within an octave. HeatEdge is its lower edge in ns.
func HeatRow(ns int64) int {
	n := uint64(max(ns, HeatPerOctave))
	octave := bits.Len64(n) - 1
	return (octave-2)*HeatPerOctave + int(n>>(octave-2)) - HeatPerOctave
}

// HeatEdge is the lower edge in ns of a row of [HeatRow].
func HeatEdge(row int) int64 {
	return int64(HeatPerOctave+row%HeatPerOctave) << (row / HeatPerOctave)
}

// Heat counts the packets of one path, or those of one of its hops, by
// duration. hop and where are empty for the whole path. The key of the result
// is the row, see [HeatRow].
func (n *Naming) Heat(s *Sealed, path PathID, hop, where string) map[int]uint64 {
	b := n.b
	b.learn(s)
	out := map[int]uint64{}
	for i := range s.paths {
		p := &s.paths[i]
		if !b.is(p.key, path) {
			continue
		}
		if hop == "" {
			s.heat(out, &p.total)
			continue
		}
		for k := p.hops.from; k < p.hops.to; k++ {
			h := &s.hops[k]
			if name, _ := b.hopName(h.key); name.hop == hop && name.where == where {
				s.heat(out, &h.dist)
			}
		}
	}
	return out
}

func (s *Sealed) heat(out map[int]uint64, d *sealedDist) {
	if d.zero > 0 {
		out[HeatRow(0)] += d.zero
	}
	for _, b := range s.bins[d.bins.from:d.bins.to] {
		out[HeatRow(int64(s.maps.fine.Value(int(b.index))))] += uint64(b.count)
	}
}

// is reports whether a raw path belongs to the path of that name.
func (b *builder) is(raw rawKey, id PathID) bool {
	if raw.port != id.Port || journey.ProtoName(raw.proto) != id.Proto ||
		raw.response != (id.Direction == "response") {
		return false
	}
	k := b.pathKey(raw)
	return k.from == id.From && k.to == id.To && k.network == id.Network &&
		k.nat == id.NAT && int(k.published) == id.Published
}

// Naming joins raw facts of several sealed parts with names. What it has asked
// for once it remembers, so that it is of one moment. It belongs to one
// goroutine.
type Naming struct {
	b    *builder
	rows map[rawKey][2]string // keys of the ends
}

// NewNaming begins with nothing remembered.
func NewNaming(names Names) *Naming {
	return &Naming{b: newBuilder(names), rows: map[rawKey][2]string{}}
}

// learn remembers who serves in a part, what passed which veth, and who
// connected.
func (b *builder) learn(s *Sealed) {
	b.gates.merge(s.behind, math.MaxInt)
	b.connectors.merge(s.connectors, math.MaxInt)
	for i := range s.paths {
		b.listeners.learn(s.paths[i].key)
	}
}

func newBuilder(names Names) *builder {
	return &builder{
		names:  names,
		places: map[journey.Place]placeName{},
		ends:   map[inventory.RawEndpoint]inventory.Endpoint{},

		listeners:  listeners{},
		gates:      newBehind(),
		connectors: connectors{},
	}
}
