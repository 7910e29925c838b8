package model

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"

	"github.com/hopscope/hopscope/pkg/exchange"
	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/journey"
)

// exchangeName is a row of exchanges by name.
type exchangeName struct {
	from, to  inventory.Endpoint
	port      uint16
	published uint16
	view      exchange.View
	proxied   bool
}

// partName is a part by name.
type partName struct {
	kind  exchange.PartKind
	where string
}

// namedExchange is the sum of all raw rows of one name.
type namedExchange struct {
	name       exchangeName
	total, rtt sharedDist
	left       leftOut
	parts      map[partName]*sharedDist
	slow       []SlowExchange
}

// exchanges lists the rows, the one that took the most time first.
func (b *builder) exchanges(a *Aggregator) []Exchange {
	byName := map[exchangeName]*namedExchange{}
	for k, s := range a.exchanges {
		ends := b.exchangeEnds(k)
		name := exchangeName{ends.from, ends.to, k.port, k.published, k.view, k.target.IsValid()}
		n := byName[name]
		if n == nil {
			n = &namedExchange{name: name, parts: map[partName]*sharedDist{}}
			byName[name] = n
		}
		n.merge(b, ends, s)
	}
	out := make([]Exchange, 0, len(byName))
	for _, n := range byName {
		out = append(out, n.export(b))
	}
	slices.SortFunc(out, func(x, y Exchange) int {
		return cmp.Or(
			cmp.Compare(y.Total.SumNs, x.Total.SumNs),
			cmp.Compare(y.Excluded, x.Excluded),
			cmp.Compare(x.From.Name, y.From.Name),
			cmp.Compare(x.To.Name, y.To.Name),
			cmp.Compare(x.Port, y.Port),
			cmp.Compare(published(x.PublishedPort), published(y.PublishedPort)),
			cmp.Compare(x.View, y.View),
			cmp.Compare(x.From.Kind, y.From.Kind),
			cmp.Compare(x.To.Kind, y.To.Kind))
	})
	return out
}

func published(p *int) int {
	if p == nil {
		return 0
	}
	return *p
}

// exchangeEnds are all ends of one row.
type exchangeEnds struct{ from, to, proxy inventory.Endpoint }

func (b *builder) exchangeEnds(k exchangeKey) exchangeEnds {
	flow := inventory.RawFlow{Proto: journey.ProtoTCP, Server: netip.AddrPortFrom(k.server.Addr, k.port)}
	var e exchangeEnds
	switch {
	case k.other && k.port == 0:
		return exchangeEnds{from: otherEnd(), to: otherEnd()}
	case k.other:
		return exchangeEnds{from: otherEnd(), to: b.flowEnd(flow, k.server, true)}
	case k.target.IsValid():
		e.from, e.to = b.endpoint(k.client), b.endpoint(k.server)
		flow.Server = k.target
		e.proxy = b.flowEnd(flow, k.proxy, false)
	default:
		e.from, e.to = b.flowEnd(flow, k.client, false), b.flowEnd(flow, k.server, true)
	}
	return e
}

// where is the place of a part: an end, a way between two, or who is waited for.
func (b *builder) where(e exchangeEnds, k partKey) string {
	near, far := e.from.Name, e.to.Name // of the client's leg
	if e.proxy.Name != "" {
		far = e.proxy.Name
	}
	switch k.kind {
	case exchange.PartRequest, exchange.PartRequestNetwork:
		return near + " → " + far
	case exchange.PartResponseNetwork:
		return far + " → " + near
	case exchange.PartProxyRequest:
		return far + " → " + e.to.Name
	case exchange.PartProxyResponse, exchange.PartResponse:
		if k.kind == exchange.PartResponse && e.proxy.Name == "" {
			return e.to.Name + " → " + near
		}
		return e.to.Name + " → " + far
	case exchange.PartProxy:
		return e.proxy.Name
	case exchange.PartClientRecv:
		return near
	case exchange.PartWaiting:
		if k.other {
			return otherName
		}
		return b.endpoint(k.target).Name + ":" + strconv.Itoa(int(k.port))
	}
	return e.to.Name
}

func (n *namedExchange) merge(b *builder, ends exchangeEnds, s *exchangeStats) {
	n.total.merge(&s.total)
	n.rtt.merge(&s.rtt)
	for r, c := range s.left {
		n.left.add(r, c)
	}
	names := make([]partName, len(s.parts))
	for i := range s.parts {
		p := &s.parts[i]
		names[i] = partName{p.key.kind, b.where(ends, p.key)}
		if n.parts[names[i]] == nil {
			n.parts[names[i]] = &sharedDist{}
		}
		n.parts[names[i]].merge(&p.dist)
	}
	n.addSlow(b.meta.MonotonicZero, s.slow, names)
}

func (n *namedExchange) export(b *builder) Exchange {
	x := Exchange{
		From: endOf(n.name.from), To: endOf(n.name.to), Port: n.name.port, Proxied: n.name.proxied,
		View: n.name.view.String(), Count: n.total.d.count, Excluded: n.left.total(),
		ExcludedBy: map[string]uint64{}, Total: b.dist(n.total.d), RTT: b.measured(n.rtt.d),
		Parts: make([]ExchangePart, 0, len(n.parts)), Slowest: n.slowest(),
	}
	if n.name.published != 0 {
		p := int(n.name.published)
		x.PublishedPort = &p
	}
	for r, c := range n.left {
		x.ExcludedBy[r.String()] = c
	}
	names := make([]partName, 0, len(n.parts))
	for name := range n.parts {
		names = append(names, name)
	}
	slices.SortFunc(names, func(p, q partName) int {
		return cmp.Or(cmp.Compare(p.kind, q.kind), cmp.Compare(n.parts[q].d.sum, n.parts[p].d.sum), cmp.Compare(p.where, q.where))
	})
	waits := slices.ContainsFunc(names, func(p partName) bool { return p.kind == exchange.PartWaiting })
	for _, name := range names {
		d := n.parts[name].d
		p := ExchangePart{Part: name.kind.String(), Where: name.where, Dist: b.dist(d)}
		p.Estimate = name.kind == exchange.PartWaiting || waits && name.kind == exchange.PartApp
		if n.total.d.sum > 0 {
			p.Share = float64(d.sum) / float64(n.total.d.sum)
		}
		x.Parts = append(x.Parts, p)
	}
	return x
}

// measured is nil where nothing was.
func (b *builder) measured(d *dist) *Dist {
	if d == nil || d.samples == 0 {
		return nil
	}
	out := b.dist(d)
	return &out
}
