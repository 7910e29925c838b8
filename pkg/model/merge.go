package model

import "slices"

// Next gives an empty aggregator that goes on where this one stops: it knows
// the same servers and gates. Nothing may be added to the old one any more; what
// it holds may be read by another goroutine.
func (a *Aggregator) Next() *Aggregator {
	next := New(a.limits)
	next.servers, next.gates, next.lost = a.servers, a.gates, a.lost
	return next
}

// Merge adds what was sealed, within this aggregator's own limits.
func (a *Aggregator) Merge(s *Sealed) {
	for i := range s.paths {
		a.mergePath(s, &s.paths[i])
	}
	a.mergeRest(s)
}

// mergeRest adds all but the paths.
func (a *Aggregator) mergeRest(s *Sealed) {
	for i := range s.traffic {
		t := &s.traffic[i]
		if to := a.endpoint(t.end, t.tx.Packets+t.rx.Packets); to != nil {
			to.tx.merge(t.tx)
			to.rx.merge(t.rx)
		}
	}
	for _, d := range s.drops {
		d.sum.last = later(d.sum.last, s.to)
		a.addDrops(d.key, d.sum)
	}
	for i := range s.tcp {
		a.mergeTCP(s, &s.tcp[i])
	}
	a.AddCounters(s.counters)
	for _, c := range s.cpus {
		a.addCPU(c.key, c.sum)
	}
	for _, l := range s.lostAt {
		a.addLostAt(l.key, l.n)
	}
	for i := range s.exchanges {
		a.mergeExchange(s, &s.exchanges[i])
	}
	a.sockets = a.sockets || s.sockets
	for i := range s.dns {
		a.mergeDNS(s, &s.dns[i])
	}
	for i := range s.slow {
		j := &s.slow[i]
		a.slow.offer(j.start, j.key, j.hops, j.total)
	}
	a.behind.merge(s.behind, a.limits.Endpoints)
	a.connectors.merge(s.connectors, a.limits.Endpoints)
	a.notes.merge(s.notes)
}

// Sum is the snapshot of several sealed parts together, without merging their
// paths: what an aggregator would give that has merged all of them. With lean,
// the hops of paths are left out until [Path.AllHops] asks for them: of
// thousands of paths a screen shows a few.
func Sum(parts []*Sealed, limits Limits, names Names, meta Meta, lean bool) Snapshot {
	rest := New(limits)
	for _, s := range parts {
		rest.mergeRest(s)
	}
	return rest.build(parts, names, meta, !lean)
}

func (a *Aggregator) mergeTCP(s *Sealed, from *sealedTCP) {
	to := a.tcpSide(from.key)
	if to == nil {
		a.notes.otherTCP += from.retransmits.Total() + from.connects.Total() + from.resets.Sent + from.resets.Received
		return
	}
	to.rtt.mergeSealed(s, &from.rtt)
	to.segments += from.segments
	to.retransmits.add(from.retransmits)
	to.connects.add(from.connects)
	to.resets.add(from.resets)
	to.last.merge(from.last)
	to.last.merge(from.happened(s.to))
	for i, d := range from.times {
		if d != nil {
			a.times(&to.times[i]).mergeSealed(s, d)
		}
	}
}

func (a *Aggregator) mergePath(s *Sealed, from *sealedPath) {
	k := from.key
	p := a.path(k, from.total.samples, from.total.count, int(from.hops.to-from.hops.from))
	p.total.mergeSealed(s, &from.total)
	p.bytes += from.bytes
	hops := s.hops[from.hops.from:from.hops.to]
	index := slices.Grow(a.index[:0], len(hops))[:len(hops)]
	a.index = index
	guess := 0 // mostly the same hops in the same order
	for i := range hops {
		at := p.find(hops[i].key, guess)
		if at < 0 {
			at = p.insert(hops[i].key, a.limits.Hops, a.maps)
		}
		if p.hops[at].key.other && !hops[i].key.other {
			a.notes.otherHops += hops[i].dist.samples
		}
		index[i], guess = at, at+1
		p.hops[at].dist.mergeSealed(s, &hops[i].dist)
		p.hops[at].position += hops[i].position
	}
	for i := range hops {
		for _, e := range s.edges[hops[i].next.from:hops[i].next.to] {
			p.hops[index[i]].followTimes(index[e.to], e.n)
		}
	}
	for _, r := range s.rows[from.rows.from:from.rows.to] {
		row := p.tail.bucket(r.bucket)
		row.count += r.count
		for i, ns := range s.ns[r.ns.from:r.ns.to] {
			row.add(index[i], ns, len(p.hops))
		}
	}
}

func (s *hopStats) followTimes(to int, n uint64) {
	for i := range s.next {
		if s.next[i].to == to {
			s.next[i].n += n
			return
		}
	}
	s.next = append(s.next, edge{to: to, n: n})
}

func (n *notes) merge(o notes) {
	n.otherPaths += o.otherPaths
	n.otherHops += o.otherHops
	n.otherDrops += o.otherDrops
	n.otherEndpoints += o.otherEndpoints
	n.otherTCP += o.otherTCP
	n.otherCounters += o.otherCounters
	n.otherExchanges += o.otherExchanges
	n.otherDNS += o.otherDNS
	n.hopMismatch += o.hopMismatch
	n.negative += o.negative
	n.unusable += o.unusable
}
