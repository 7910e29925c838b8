package diff

import "github.com/hopscope/hopscope/pkg/model"

// tcpID is what sides of TCP connections are matched by.
type tcpID struct {
	from, to End
	port     uint16
	role     string
}

// tcpTimes is one side of connections in one capture.
type tcpTimes struct {
	rtt                   *times
	segments, retransmits []uint64 // by slice
}

func (s *side) addTCP(slice int, t *model.TCP, names lasting) {
	id := tcpID{names.end(t.From), names.end(t.To), t.Port, t.Role}
	x := s.tcp[id]
	if x == nil {
		x = &tcpTimes{rtt: newTimes(s.slices), segments: make([]uint64, s.slices), retransmits: make([]uint64, s.slices)}
		s.tcp[id] = x
		s.tcpOrder = append(s.tcpOrder, id)
	}
	x.rtt.add(slice, t.RTT)
	x.segments[slice] += t.SegmentsSent
	x.retransmits[slice] += t.Retransmits.Total
}

// tcpIDs are the sides of connections in both captures.
func (c *comparison) tcpIDs() []tcpID {
	var out []tcpID
	for _, id := range c.after.tcpOrder {
		if c.before.tcp[id] != nil {
			out = append(out, id)
		}
	}
	return out
}

// tcp compares retransmissions and round trip times.
func (c *comparison) tcp() []TCP {
	var out []TCP
	for _, id := range c.tcpIDs() {
		b, a := c.before.tcp[id], c.after.tcp[id]
		out = append(out, TCP{
			From: id.from, To: id.to, Port: id.port, Role: id.role,
			SegmentsBefore: sum(b.segments), SegmentsAfter: sum(a.segments),
			Retransmits: c.rate(shares(b.retransmits, b.segments), shares(a.retransmits, a.segments)),
			RTTBefore:   b.rtt.dist, RTTAfter: a.rtt.dist,
			RTTChanges: changes(b.rtt, a.rtt, b.rtt.isEnough() && a.rtt.isEnough(), c.rounds),
		})
	}
	return out
}

func sum(counts []uint64) (n uint64) {
	for _, c := range counts {
		n += c
	}
	return n
}
