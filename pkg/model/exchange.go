package model

import (
	"net/netip"

	"github.com/hopscope/hopscope/pkg/exchange"
	"github.com/hopscope/hopscope/pkg/inventory"
)

// maxParts bounds the parts of one row of exchanges: twelve are fixed, the rest
// is whom a server waits for.
const maxParts = 44

// exchangeKey is what makes exchanges one row before names are known.
type exchangeKey struct {
	client, server inventory.RawEndpoint
	proxy          inventory.RawEndpoint // docker-proxy's end toward the container
	target         netip.AddrPort        // where that leads to; not valid without docker-proxy
	port           uint16                // as the server has it
	published      uint16                // as the client asked for it, where that differs
	view           exchange.View
	other          bool // stands for all clients beyond the limit
}

func rawEnd(p exchange.Party) inventory.RawEndpoint {
	return inventory.RawEndpoint{Cgroup: p.Cgroup, Netns: p.Netns, Addr: p.Addr}
}

func exchangeKeyOf(x *exchange.Exchange) exchangeKey {
	k := exchangeKey{client: rawEnd(x.Client), server: rawEnd(x.Server), port: x.Port, view: x.View}
	if x.Asked.Port() != x.Port || x.Asked.Addr() != x.Server.Addr {
		k.published = x.Asked.Port()
	}
	if x.Proxied {
		k.proxy, k.target = rawEnd(x.Proxy.Party), x.Proxy.Target
	}
	return k
}

// partKey is a part in raw facts.
type partKey struct {
	kind   exchange.PartKind
	target inventory.RawEndpoint // whom it waits for
	port   uint16
	other  bool // stands for all targets beyond the limit
}

type partStats struct {
	key  partKey
	dist dist
}

// exchangeStats is what was measured under one key. The sum of its parts is
// the sum of its totals, to the nanosecond.
type exchangeStats struct {
	total, rtt dist
	left       leftOut
	parts      []partStats
	slow       []slowExchange // the slowest first
}

// leftOut counts exchanges that were left out, by reason.
type leftOut map[exchange.Reason]uint64

func (l *leftOut) add(r exchange.Reason, n uint64) {
	if *l == nil {
		*l = leftOut{}
	}
	(*l)[r] += n
}

func (l leftOut) total() (n uint64) {
	for _, v := range l {
		n += v
	}
	return n
}

// AddExchange counts an exchange, which may be reused by the caller.
func (a *Aggregator) AddExchange(x *exchange.Exchange) {
	a.sockets = true
	weight := uint64(max(x.Weight, 1))
	for i := range x.Sides {
		a.addSide(&x.Sides[i], weight)
	}
	s := a.exchangeOf(exchangeKeyOf(x), weight)
	if x.Reason != exchange.ReasonNone {
		s.left.add(x.Reason, weight)
		return
	}
	s.total.add(int64(x.Total), weight)
	if x.RTT > 0 {
		s.rtt.add(int64(x.RTT), weight)
	}
	slow := s.keepSlow(x.Start, x.Total)
	for _, p := range x.Parts {
		at := s.part(partKey{kind: p.Kind, target: rawEnd(p.Target), port: p.Port}, a.maps)
		s.parts[at].dist.add(int64(p.Ns), weight)
		slow.add(at, p.Ns)
	}
}

func (a *Aggregator) exchangeOf(k exchangeKey, weight uint64) *exchangeStats {
	s := a.exchanges[k]
	if s == nil && len(a.exchanges) >= a.limits.Exchanges && !k.other {
		a.notes.otherExchanges += weight
		k = exchangeKey{server: k.server, port: k.port, view: k.view, other: true}
		if len(a.exchanges) >= 2*a.limits.Exchanges {
			k = exchangeKey{view: k.view, other: true}
		}
		s = a.exchanges[k]
	}
	if s == nil {
		s = &exchangeStats{total: newDist(a.maps.fine), rtt: newDist(a.maps.fine)}
		a.exchanges[k] = s
	}
	return s
}

// part is the index of a part, which is made where there is none.
func (s *exchangeStats) part(k partKey, m mappings) int {
	for i := range s.parts {
		if s.parts[i].key == k {
			return i
		}
	}
	if len(s.parts) >= maxParts && !k.other {
		return s.part(partKey{kind: k.kind, other: true}, m)
	}
	s.parts = append(s.parts, partStats{key: k, dist: newDist(m.fine)})
	return len(s.parts) - 1
}

func (a *Aggregator) addSide(x *exchange.Side, weight uint64) {
	s := a.tcpSide(tcpKey{owner: rawEnd(x.Owner), peer: x.Peer, port: x.Port, server: x.Server})
	if s == nil {
		return // counted with the journeys' sides
	}
	if x.SockRecv >= 0 {
		a.times(&s.times[timeSockRecv]).add(x.SockRecv, weight)
	}
	if x.App >= 0 {
		a.times(&s.times[timeApp]).add(x.App, weight)
	}
}

// times makes a distribution when something is to be added to it.
func (a *Aggregator) times(d **dist) *dist {
	if *d == nil {
		fresh := newDist(a.maps.fine)
		*d = &fresh
	}
	return *d
}

func (a *Aggregator) mergeExchange(s *Sealed, from *sealedExchange) {
	to := a.exchangeOf(from.key, from.total.count)
	to.total.mergeSealed(s, &from.total)
	to.rtt.mergeSealed(s, &from.rtt)
	for r, n := range from.left {
		to.left.add(r, n)
	}
	parts := s.parts[from.parts.from:from.parts.to]
	index := make([]int, len(parts))
	for i := range parts {
		index[i] = to.part(parts[i].key, a.maps)
		to.parts[index[i]].dist.mergeSealed(s, &parts[i].dist)
	}
	to.mergeSlow(s, from.slow, index)
}

type sealedExchange struct {
	key        exchangeKey
	total, rtt sealedDist
	left       leftOut // never changed
	parts      span
	slow       span
}

type sealedPart struct {
	key  partKey
	dist sealedDist
}

func (s *Sealed) exchange(k exchangeKey, x *exchangeStats) {
	out := sealedExchange{key: k, total: s.dist(&x.total), rtt: s.dist(&x.rtt)}
	for r, n := range x.left {
		out.left.add(r, n)
	}
	out.parts.from = uint32(len(s.parts))
	for i := range x.parts {
		s.parts = append(s.parts, sealedPart{x.parts[i].key, s.dist(&x.parts[i].dist)})
	}
	out.parts.to = uint32(len(s.parts))
	out.slow = s.slowExchanges(x.slow)
	s.exchanges = append(s.exchanges, out)
}
