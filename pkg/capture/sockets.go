package capture

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"

	"github.com/hopscope/hopscope/pkg/exchange"
	"github.com/hopscope/hopscope/pkg/journey"
	"github.com/hopscope/hopscope/pkg/model"
)

// Kinds of extra records that tell of sockets, in version 1. Exchanges come
// with every request and are packed; the others are JSON.
const (
	extraExchange = "exchange"
	extraConnect  = "connect"
	extraAccept   = "accept"
	extraResets   = "resets"
)

// Sockets is what sockets told.
type Sockets struct {
	At uint64 // when it ended or, of counts, of the newest journey or status: CLOCK_MONOTONIC, ns
	model.SocketEvent
}

// Sockets stores what sockets told.
func (w *Writer) Sockets(e model.SocketEvent) error {
	x := Extra{Version: 1, At: e.At()}
	var err error
	switch {
	case e.Exchange != nil:
		x.Kind, x.Data = extraExchange, appendExchange(nil, e.Exchange)
	case e.Connect != nil:
		x.Kind = extraConnect
		x.Data, err = json.Marshal(e.Connect)
	case e.Accept != nil:
		x.Kind = extraAccept
		x.Data, err = json.Marshal(e.Accept)
	case e.Resets != nil:
		return w.signal(extraResets, e.Resets)
	}
	if err != nil {
		return fmt.Errorf("store a connection: %w", err)
	}
	return w.Extra(x)
}

// socketRecord reads an extra record of a kind that tells of sockets.
func socketRecord(x *Extra) (*Sockets, error) {
	s := &Sockets{At: x.At}
	switch {
	case x.Version != 1:
		return nil, nil
	case x.Kind == extraExchange:
		s.Exchange = &exchange.Exchange{}
		return s, readExchange(x.Data, x.At, s.Exchange)
	case x.Kind == extraConnect:
		s.Connect = &model.ConnectCount{}
		return s, parseDocument(x.Data, s.Connect)
	case x.Kind == extraAccept:
		s.Accept = &model.AcceptCount{}
		return s, parseDocument(x.Data, s.Accept)
	case x.Kind == extraResets:
		s.Resets = &model.ResetCount{}
		return s, parseDocument(x.Data, s.Resets)
	}
	return nil, nil
}

// Bits of an exchange's flags, and of a side's.
const (
	exchangeProxied = 1
	sideServer      = 1
)

// Bounds of what an exchange may hold.
const (
	maxExchangeParts = 1 << 12
	maxExchangeSides = 4
	maxNs            = 1 << 62
)

// appendExchange packs an exchange, but for its time: its record is dated by
// its end.
func appendExchange(b []byte, x *exchange.Exchange) []byte {
	var flags byte
	if x.Proxied {
		flags |= exchangeProxied
	}
	b = append(b, byte(x.View), byte(x.Reason), flags)
	for _, n := range []uint64{x.Total, uint64(x.Weight), x.RTT, uint64(x.Port)} {
		b = binary.AppendUvarint(b, n)
	}
	b = appendEnd(appendEnd(b, x.Client), x.Server)
	b = appendAddrPort(b, x.Asked)
	if x.Proxied {
		b = appendAddrPort(appendEnd(b, x.Proxy.Party), x.Proxy.Target)
	}
	b = binary.AppendUvarint(b, uint64(len(x.Parts)))
	for _, p := range x.Parts {
		b = binary.AppendUvarint(append(b, byte(p.Kind)), p.Ns)
		if p.Kind == exchange.PartWaiting {
			b = binary.AppendUvarint(appendEnd(b, p.Target), uint64(p.Port))
		}
	}
	b = binary.AppendUvarint(b, uint64(len(x.Sides)))
	for _, s := range x.Sides {
		var flags byte
		if s.Server {
			flags |= sideServer
		}
		b = appendIP(appendEnd(append(b, flags), s.Owner), s.Peer)
		b = binary.AppendUvarint(b, uint64(s.Port))
		b = binary.AppendUvarint(b, zigzag(s.SockRecv))
		b = binary.AppendUvarint(b, zigzag(s.App))
	}
	return b
}

func appendEnd(b []byte, p exchange.Party) []byte {
	b = binary.AppendUvarint(b, p.Cgroup)
	return appendIP(binary.AppendUvarint(b, uint64(p.Netns)), p.Addr)
}

func appendIP(b []byte, a netip.Addr) []byte {
	ip := a.AsSlice() // of the zero address: none
	return append(append(b, byte(len(ip))), ip...)
}

func appendAddrPort(b []byte, a netip.AddrPort) []byte {
	return binary.AppendUvarint(appendIP(b, a.Addr()), uint64(a.Port()))
}

// readExchange is the reverse; at is when it ended.
func readExchange(data []byte, at uint64, x *exchange.Exchange) error {
	c := cursor{b: data}
	x.View, x.Reason = exchange.View(c.byte()), exchange.Reason(c.byte())
	x.Proxied = c.byte()&exchangeProxied != 0
	x.Total, x.Weight = c.limited(maxNs), uint32(c.limited(1<<32-1))
	x.RTT, x.Port = c.limited(maxNs), c.port()
	x.Client, x.Server = c.party(), c.party()
	x.Asked = c.addrPort()
	if x.Proxied {
		x.Proxy = exchange.Proxy{Party: c.party(), Target: c.addrPort()}
	}
	for n := c.limited(maxExchangeParts); n > 0 && !c.failed; n-- {
		p := exchange.Part{Kind: exchange.PartKind(c.byte()), Ns: c.limited(maxNs)}
		if p.Kind == exchange.PartWaiting {
			p.Target, p.Port = c.party(), c.port()
		}
		x.Parts = append(x.Parts, p)
	}
	for n := c.limited(maxExchangeSides); n > 0 && !c.failed; n-- {
		x.Sides = append(x.Sides, exchange.Side{
			Server: c.byte()&sideServer != 0, Owner: c.party(), Peer: c.ip(), Port: c.port(),
			SockRecv: c.orUnknown(), App: c.orUnknown(),
		})
	}
	if err := c.err(); err != nil {
		return err
	}
	return checkExchange(x, at)
}

// checkExchange refuses what no writer stores.
func checkExchange(x *exchange.Exchange, at uint64) error {
	if x.Total > at || x.Weight == 0 || x.View < exchange.ViewBoth || x.View > exchange.ViewServer || !x.Reason.Valid() {
		return errPayload
	}
	var sum uint64
	for _, p := range x.Parts {
		if !p.Kind.Valid() || p.Ns > x.Total-sum {
			return errPayload
		}
		sum += p.Ns
	}
	if sum != x.Total && x.Reason == exchange.ReasonNone {
		return errPayload
	}
	x.Start = at - x.Total
	return nil
}

func (c *cursor) port() uint16 { return uint16(c.limited(1<<16 - 1)) }

func (c *cursor) party() exchange.Party {
	return exchange.Party{Cgroup: c.uvarint(), Netns: uint32(c.limited(1<<32 - 1)), Addr: c.ip()}
}

// ip is the zero address where there is none.
func (c *cursor) ip() netip.Addr {
	n := c.byte()
	b := c.bytes(uint64(n))
	a, ok := netip.AddrFromSlice(b)
	if !ok && n != 0 {
		c.failed, c.b = true, nil
	}
	return a
}

func (c *cursor) addrPort() netip.AddrPort {
	a := c.ip()
	return netip.AddrPortFrom(a, c.port())
}

// orUnknown is a duration in ns, or -1.
func (c *cursor) orUnknown() int64 {
	v := unzigzag(c.uvarint())
	if v < -1 || v > maxNs {
		c.failed, c.b = true, nil
		return 0
	}
	return v
}

// sockets replaces the addresses of an event, which stays as it is.
func (x *redactor) sockets(e model.SocketEvent) model.SocketEvent {
	switch {
	case e.Exchange != nil:
		own := e.Exchange.Clone()
		x.exchange(&own)
		return model.SocketEvent{Exchange: &own}
	case e.Connect != nil:
		own := *e.Connect
		own.Local, own.Remote = x.addr(own.Local), x.addr(own.Remote)
		return model.SocketEvent{Connect: &own}
	case e.Accept != nil:
		own := *e.Accept
		own.Local, own.Remote = x.addr(own.Local), x.addr(own.Remote)
		return model.SocketEvent{Accept: &own}
	case e.Resets != nil:
		own := *e.Resets
		own.Local, own.Remote = x.addr(own.Local), x.addr(own.Remote)
		return model.SocketEvent{Resets: &own}
	}
	return e
}

func (x *redactor) exchange(e *exchange.Exchange) {
	parties := []*exchange.Party{&e.Client, &e.Server, &e.Proxy.Party}
	for i := range e.Parts {
		parties = append(parties, &e.Parts[i].Target)
	}
	for i := range e.Sides {
		parties = append(parties, &e.Sides[i].Owner)
		e.Sides[i].Peer = x.addr(e.Sides[i].Peer)
	}
	for _, p := range parties {
		p.Addr = x.addr(p.Addr)
	}
	e.Asked, e.Proxy.Target = x.addrPort(e.Asked), x.addrPort(e.Proxy.Target)
}

// Sockets stores what sockets told.
func (r *Redaction) Sockets(e model.SocketEvent) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	e = r.x.sockets(e)
	return r.then(func() error { return r.w.Sockets(e) })
}

// sockets are chosen by either end, whatever network lies between them.
func (m *matcher) sockets(s *Sockets) bool {
	if !m.inTime(s.At) || !m.proto(journey.ProtoTCP) {
		return false
	}
	switch {
	case s.Exchange != nil:
		x := s.Exchange
		return (m.servicePort(x.Port, x.Client.Addr, x.Server.Addr) || m.servicePort(x.Asked.Port())) &&
			(m.party(x.Client) || m.party(x.Server)) && m.ofNetworks(x.Client.Addr, x.Server.Addr)
	case s.Connect != nil:
		c := s.Connect
		return m.servicePort(c.Port, c.Local, c.Remote) && (m.ends.has(c.Netns, c.Cgroup, c.Local) || m.ends.has(0, 0, c.Remote)) &&
			m.ofNetworks(c.Local, c.Remote)
	case s.Accept != nil:
		c := s.Accept
		return m.servicePort(c.Port, c.Local, c.Remote) && (m.ends.has(c.Netns, c.Cgroup, c.Local) || m.ends.has(0, 0, c.Remote)) &&
			m.ofNetworks(c.Local, c.Remote)
	case s.Resets != nil:
		r := s.Resets
		return m.servicePort(r.Port, r.Local, r.Remote) && (m.ends.has(r.Netns, r.Cgroup, r.Local) || m.ends.has(0, 0, r.Remote)) &&
			m.ofNetworks(r.Local, r.Remote)
	}
	return false
}

func (m *matcher) party(p exchange.Party) bool { return m.ends.has(p.Netns, p.Cgroup, p.Addr) }

// ofNetworks reports whether one of the addresses is a container's in a wanted
// network.
func (m *matcher) ofNetworks(addrs ...netip.Addr) bool {
	return len(m.choice.Networks) == 0 || slices.ContainsFunc(addrs, func(a netip.Addr) bool {
		return m.view.InNetworks(a, m.choice.Networks)
	})
}
