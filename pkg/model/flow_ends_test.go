package model

import (
	"net/netip"
	"testing"

	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/journey"
)

// proxyNames is an inventory that knows docker-proxy by where it listens.
type proxyNames struct {
	*fakeNames
	at netip.AddrPort
}

func (n proxyNames) FlowEndpoint(f inventory.RawFlow) inventory.Endpoint {
	if f.Serves && f.Server == n.at && f.Proto == journey.ProtoTCP {
		return inventory.Endpoint{Kind: inventory.KindProxy, Name: "docker-proxy web:80"}
	}
	return n.Endpoint(f.RawEndpoint)
}

// toHost is a packet from web to a port of the host.
func toHost(from, to uint16) *journey.Journey {
	j := packet(bridged())
	j.First = journey.Tuple{Src: port(webAddr, from), Dst: port(hostAddr, to)}
	j.Last = j.First
	j.CgroupDst = 3001
	j.Stops[len(j.Stops)-1].Netns = hostNS
	return j
}

func TestProxyIsAnEndOfItsOwn(t *testing.T) {
	a := New(Limits{})
	a.Add(toHost(40000, 8080), bridged())
	back := reply(toHost(40000, 8080))
	back.TCPFlags = tcpFlagACK
	a.Add(back, bridged())
	s := a.Snapshot(proxyNames{shop(), port(hostAddr, 8080)}, Meta{})
	if len(s.Paths) != 2 {
		t.Fatalf("%d paths: %+v", len(s.Paths), s.Paths)
	}
	for _, p := range s.Paths {
		end := p.To
		if p.Direction == "response" {
			end = p.From
		}
		if end.Kind != "proxy" || end.Name != "docker-proxy web:80" || p.NAT != "proxy" || p.PublishedPort == nil || *p.PublishedPort != 8080 {
			t.Errorf("%+v", p)
		}
	}
	for _, slow := range s.Slowest {
		if slow.From.Kind != "proxy" && slow.To.Kind != "proxy" {
			t.Errorf("slowest: %+v", slow)
		}
	}
}

// What has no socket yet or any more belongs to the one that serves there.
func TestListenerOwnsWhatHasNoSocket(t *testing.T) {
	names := shop()
	names.proxies = map[uint64]bool{3001: true}
	a := New(Limits{})
	a.Add(toHost(40000, 8080), bridged())
	synack := reply(toHost(40000, 8080))
	synack.CgroupSrc, synack.TCPFlags = 0, tcpFlagSYN|tcpFlagACK
	a.Add(synack, bridged())
	for _, p := range a.Snapshot(names, Meta{}).Paths {
		if p.Direction == "response" && p.From.Kind != "proxy" {
			t.Errorf("the handshake's answer is from %+v", p.From)
		}
	}
	other := toHost(40001, 8080)
	other.CgroupDst = 3002
	a.Add(other, bridged())
	for _, p := range a.Snapshot(names, Meta{}).Paths {
		if p.Direction == "response" && p.From.Kind != "host" {
			t.Errorf("of two that serve there, one was chosen: %+v", p.From)
		}
	}
}

// A query to Docker's name server is seen behind the rule that changed its
// port, the answer in front of the one that changes it back.
func TestEmbeddedDNS(t *testing.T) {
	dns := netip.MustParseAddr("127.0.0.11")
	client := netip.MustParseAddr("127.0.0.1")
	a := New(Limits{})
	for _, tc := range []journey.Tuple{
		{Src: port(client, 33000), Dst: port(dns, 45000)},
		{Src: port(dns, 53), Dst: port(client, 33000)},
		{Src: port(client, 46000), Dst: port(dns, 45000)},
	} {
		j := packet(bridged())
		j.Proto, j.First, j.Last = journey.ProtoUDP, tc, tc
		a.Add(withStops(j, bridged(), webNS, 1, webNS, 1), bridged())
	}
	s := a.Snapshot(shop(), Meta{})
	if len(s.Paths) != 2 {
		t.Fatalf("%d paths, want a request and a response: %+v", len(s.Paths), s.Paths)
	}
	for _, p := range s.Paths {
		if p.Port != 53 || p.From.Name != "web" || p.To.Name != "web" || (p.Direction == "request") != (p.Journeys == 2) {
			t.Errorf("%+v", p)
		}
	}
}

// A container that was restarted has other devices at the same places.
func TestOtherDeviceAtTheSamePlace(t *testing.T) {
	const again = 33
	names := shop()
	names.devices[journey.Place{Netns: hostNS, Ifindex: again}] = "veth of web"
	hops := bridged()
	a := New(Limits{})
	a.Add(packet(hops), hops)
	for i := range hops {
		if hops[i].Ifindex == vethWeb {
			hops[i].Ifindex = again
		}
	}
	a.Add(packet(hops), hops)
	a.Add(packet(hops), hops)
	p := onlyPath(t, a.Snapshot(names, Meta{}))
	seen := map[string]bool{}
	for _, h := range p.Hops {
		if seen[h.Hop+h.Where] {
			t.Errorf("%s @ %s is there twice", h.Hop, h.Where)
		}
		seen[h.Hop+h.Where] = true
		if h.Where == "veth of web" && (*h.Device != "dev33" || h.Dist.Count != 3) {
			t.Errorf("%s @ %s: device %s, %d packets", h.Hop, h.Where, *h.Device, h.Dist.Count)
		}
	}
}
