package diff

import (
	"github.com/hopscope/hopscope/pkg/model"
)

// hopID is what hops of a path are matched by.
type hopID struct{ hop, where, namespace string }

// dropID is what groups of drops are matched by.
type dropID struct {
	from, to           End
	proto              string
	port               uint16
	reason, hop, where string
}

// side is a capture by lasting names.
type side struct {
	slices int
	paths  map[ID]*measured
	order  []ID
	drops  map[dropID][]uint64 // by slice
	sent   map[End][]uint64    // packets that arrived or were dropped, by slice

	tcp      map[tcpID]*tcpTimes
	tcpOrder []tcpID

	dns      map[dnsID]*lookups
	dnsOrder []dnsID

	exchanges     map[ExchangeID]*measured
	exchangeOrder []ExchangeID
}

// measured is a path of one capture.
type measured struct {
	total *times
	hops  map[hopID]*times
	order []hopID
}

func newSide(in Side) *side {
	s := &side{
		slices: len(in.Slices), paths: map[ID]*measured{},
		drops: map[dropID][]uint64{}, sent: map[End][]uint64{}, tcp: map[tcpID]*tcpTimes{}, dns: map[dnsID]*lookups{},
		exchanges: map[ExchangeID]*measured{},
	}
	names := lastingNames(&in.Snapshot)
	// Of the whole capture, so that hops are in the order of all its packets.
	for i := range in.Snapshot.Paths {
		p := &in.Snapshot.Paths[i]
		m := s.path(names.path(p))
		for k := range p.Hops {
			s.hop(m, names, &p.Hops[k])
		}
	}
	s.orderExchanges(in.Snapshot.Exchanges, names)
	for i := range in.Slices {
		s.add(i, &in.Slices[i], names)
	}
	s.seal()
	return s
}

func (s *side) add(slice int, snap *model.Snapshot, names lasting) {
	for i := range snap.Paths {
		p := &snap.Paths[i]
		id := names.path(p)
		m := s.path(id)
		m.total.add(slice, p.Total)
		for k := range p.Hops {
			s.hop(m, names, &p.Hops[k]).add(slice, p.Hops[k].Dist)
		}
		s.sender(id.From)[slice] += p.Journeys
	}
	for i := range snap.Drops {
		d := &snap.Drops[i]
		id := dropID{
			from: names.end(d.From), to: names.end(d.To), proto: d.Proto, port: d.Port,
			reason: d.Reason, hop: d.Hop, where: names.where(d.Where),
		}
		if s.drops[id] == nil {
			s.drops[id] = make([]uint64, s.slices)
		}
		s.drops[id][slice] += d.Count
		s.sender(id.from)[slice] += d.Count
	}
	for i := range snap.TCP {
		s.addTCP(slice, &snap.TCP[i], names)
	}
	for i := range snap.DNS {
		s.addDNS(slice, &snap.DNS[i], names)
	}
	for i := range snap.Exchanges {
		s.addExchange(slice, &snap.Exchanges[i], names)
	}
}

func (s *side) seal() {
	for _, m := range s.paths {
		m.seal()
	}
	for _, m := range s.exchanges {
		m.seal()
	}
	for _, t := range s.tcp {
		t.rtt.seal()
	}
	for _, d := range s.dns {
		d.latency.seal()
	}
}

func (s *side) path(id ID) *measured {
	m := s.paths[id]
	if m == nil {
		m = &measured{total: newTimes(s.slices), hops: map[hopID]*times{}}
		s.paths[id] = m
		s.order = append(s.order, id)
	}
	return m
}

func (s *side) hop(m *measured, names lasting, h *model.Hop) *times {
	return s.times(m, hopID{h.Hop, names.where(h.Where), names.name(h.Namespace)})
}

func (m *measured) seal() {
	m.total.seal()
	for _, h := range m.hops {
		h.seal()
	}
}

// times are those of one part of what is measured.
func (s *side) times(m *measured, id hopID) *times {
	t := m.hops[id]
	if t == nil {
		t = newTimes(s.slices)
		m.hops[id] = t
		m.order = append(m.order, id)
	}
	return t
}

func (s *side) sender(e End) []uint64 {
	if s.sent[e] == nil {
		s.sent[e] = make([]uint64, s.slices)
	}
	return s.sent[e]
}
