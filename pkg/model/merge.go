package model

// Next gives an empty aggregator that goes on where this one stops: it knows
// the same servers. Nothing may be added to the old one any more; what it holds
// may be read by another goroutine.
func (a *Aggregator) Next() *Aggregator {
	next := New(a.limits)
	next.servers = a.servers
	return next
}

// Merge adds what was sealed, within this aggregator's own limits.
func (a *Aggregator) Merge(s *Sealed) {
	for i := range s.paths {
		a.mergePath(s, &s.paths[i])
	}
	for i := range s.traffic {
		t := &s.traffic[i]
		if to := a.endpoint(t.end, t.tx.Packets+t.rx.Packets); to != nil {
			to.tx.merge(t.tx)
			to.rx.merge(t.rx)
		}
	}
	for _, d := range s.drops {
		a.addDrops(d.key, d.sum)
	}
	for i := range s.tcp {
		a.mergeTCP(s, &s.tcp[i])
	}
	for i := range s.slow {
		j := &s.slow[i]
		a.slow.offer(j.start, j.key, j.hops, j.total)
	}
	a.notes.merge(s.notes)
}

func (a *Aggregator) mergeTCP(s *Sealed, from *sealedTCP) {
	to := a.tcpSide(from.key)
	if to == nil {
		a.notes.otherTCP += from.retransmits.Total()
		return
	}
	to.rtt.mergeSealed(s, &from.rtt)
	to.segments += from.segments
	to.retransmits.add(from.retransmits)
}

func (a *Aggregator) mergePath(s *Sealed, from *sealedPath) {
	k := from.key
	p := a.paths[k]
	if p == nil {
		if len(a.paths) >= a.limits.Paths && !k.other {
			k = rawKey{proto: k.proto, response: k.response, other: true}
			a.notes.otherPaths += from.total.count
			p = a.paths[k]
		}
		if p == nil {
			p = newRawPath(a.maps)
			a.paths[k] = p
		}
	}
	p.total.mergeSealed(s, &from.total)
	p.bytes += from.bytes
	hops := s.hops[from.hops.from:from.hops.to]
	index := make([]int, len(hops))
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
		row := p.tail.bucket(int(r.bucket))
		row.count += r.count
		for i, ns := range s.ns[r.ns.from:r.ns.to] {
			row.add(index[i], ns)
		}
	}
}

func (d *dist) mergeSealed(s *Sealed, o *sealedDist) {
	s.into(d.sketch, o)
	d.sum += o.sum
	d.count += o.count
	d.samples += o.samples
	d.min = min(d.min, o.min)
	d.max = max(d.max, o.max)
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
	n.hopMismatch += o.hopMismatch
	n.negative += o.negative
	n.unusable += o.unusable
}
