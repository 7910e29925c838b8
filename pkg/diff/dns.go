package diff

import "github.com/hopscope/hopscope/pkg/model"

// dnsID is what lookups are matched by. The resolver's address is not: that of a
// container changes.
type dnsID struct {
	from, to  End
	forwarded bool
}

// lookups are those of one asker and its name server in one capture.
type lookups struct {
	latency         *times
	queries, failed []uint64 // by slice
}

func (s *side) addDNS(slice int, d *model.DNS, names lasting) {
	id := dnsID{names.end(d.From), names.end(d.To), d.Forwarded}
	x := s.dns[id]
	if x == nil {
		x = &lookups{latency: newTimes(s.slices), queries: make([]uint64, s.slices), failed: make([]uint64, s.slices)}
		s.dns[id] = x
		s.dnsOrder = append(s.dnsOrder, id)
	}
	x.latency.add(slice, d.Latency)
	// Who asks got nothing to go on with; a name that does not exist is an answer.
	x.failed[slice] += d.Timeout + d.Rcode["SERVFAIL"] + d.Rcode["REFUSED"]
	x.queries[slice] += d.Queries
}

// dnsIDs are those in both captures.
func (c *comparison) dnsIDs() []dnsID {
	var out []dnsID
	for _, id := range c.after.dnsOrder {
		if c.before.dns[id] != nil {
			out = append(out, id)
		}
	}
	return out
}

// dns compares how long lookups took, and how many failed.
func (c *comparison) dns() []DNS {
	var out []DNS
	for _, id := range c.dnsIDs() {
		b, a := c.before.dns[id], c.after.dns[id]
		out = append(out, DNS{
			From: id.from, To: id.to, Forwarded: id.forwarded,
			QueriesBefore: sum(b.queries), QueriesAfter: sum(a.queries),
			Failed:        c.rate(shares(b.failed, b.queries), shares(a.failed, a.queries)),
			LatencyBefore: b.latency.dist, LatencyAfter: a.latency.dist,
			LatencyChanges: changes(b.latency, a.latency, b.latency.isEnough() && a.latency.isEnough(), c.rounds),
		})
	}
	return out
}
