package model

import (
	"cmp"
	"slices"

	"github.com/hopscope/hopscope/pkg/inventory"
)

// tcpName is one side by name.
type tcpName struct {
	from, to inventory.Endpoint
	port     uint16
	server   bool
}

type tcpSum struct {
	rtt         sharedDist
	segments    uint64
	retransmits RetransmitKinds
	connects    Connects
	resets      Resets
	last        lastTimes

	times [tcpTimes]sharedDist
}

func (s *tcpSum) merge(t *tcpStats) {
	s.rtt.merge(&t.rtt)
	s.segments += t.segments
	s.retransmits.add(t.retransmits)
	s.connects.add(t.connects)
	s.resets.add(t.resets)
	s.last.merge(t.last)
	for i, d := range t.times {
		if d != nil {
			s.times[i].merge(d)
		}
	}
}

// tcp lists the sides of TCP connections, most retransmissions first.
func (b *builder) tcp(a *Aggregator) []TCP {
	sums := map[tcpName]*tcpSum{}
	for k, s := range a.tcp {
		name := tcpName{b.endpoint(k.owner), b.endpoint(inventory.RawEndpoint{Addr: k.peer}), k.port, k.server}
		sum := sums[name]
		if sum == nil {
			sum = &tcpSum{}
			sums[name] = sum
		}
		sum.merge(s)
	}
	lost := b.lostAt(a)
	out := make([]TCP, 0, len(sums))
	for n, s := range sums {
		row := TCP{
			From: endOf(n.from), To: endOf(n.to), Port: n.port, Role: "client",
			RTT: b.dist(s.rtt.d), SegmentsSent: s.segments,
			Retransmits: Retransmits{Total: s.retransmits.Total(), RetransmitKinds: s.retransmits, LostAt: append([]LostAt{}, lost[n]...)},
			Connect:     b.measured(s.times[timeConnect].d), AcceptWait: b.measured(s.times[timeAccept].d),
			App: b.measured(s.times[timeApp].d), SockRecv: b.measured(s.times[timeSockRecv].d),
			LastRetransmit: s.last.retransmit, LastReset: s.last.reset,
		}
		if a.sockets {
			row.Resets = &s.resets
			if !n.server {
				row.Connects = &s.connects
			}
		}
		if n.server {
			row.Role = "server"
		}
		out = append(out, row)
	}
	slices.SortFunc(out, func(x, y TCP) int {
		return cmp.Or(
			cmp.Compare(y.Retransmits.Total, x.Retransmits.Total),
			cmp.Compare(y.SegmentsSent, x.SegmentsSent),
			cmp.Compare(x.From.Name, y.From.Name),
			cmp.Compare(x.To.Name, y.To.Name),
			cmp.Compare(x.Port, y.Port),
			cmp.Compare(x.Role, y.Role))
	})
	return out
}
