package model

import (
	"testing"

	"github.com/hopscope/hopscope/pkg/journey"
)

func TestDirectionPortAndNAT(t *testing.T) {
	type ends = journey.Tuple
	web, api, far, host := webAddr, apiAddr, farAddr, hostAddr
	plain := ends{Src: port(web, 40000), Dst: port(api, 8080)}
	// An outside client to port 80 of the host, which leads to api:8080.
	published := ends{Src: port(far, 50000), Dst: port(host, 80)}
	rewritten := ends{Src: port(far, 50000), Dst: port(api, 8080)}
	// web to an outside server, behind the host's address.
	out := ends{Src: port(web, 40000), Dst: port(far, 443)}
	masked := ends{Src: port(host, 61000), Dst: port(far, 443)}
	both := ends{Src: port(host, 61000), Dst: port(api, 8080)}
	turn := func(x ends) ends { return ends{Src: x.Dst, Dst: x.Src} }
	high := ends{Src: port(web, 40000), Dst: port(api, 50051)}

	for name, c := range map[string]struct {
		first, last     ends
		proto, flags    uint8
		response        bool
		port, published uint16
		nat             string
	}{
		"request":              {plain, plain, 6, 0, false, 8080, 0, "none"},
		"response":             {turn(plain), turn(plain), 6, 0, true, 8080, 0, "none"},
		"dnat request":         {published, rewritten, 6, 0, false, 8080, 80, "dnat"},
		"dnat response":        {turn(rewritten), turn(published), 6, 0, true, 8080, 80, "dnat"},
		"snat request":         {out, masked, 6, 0, false, 443, 0, "snat"},
		"snat response":        {turn(masked), turn(out), 6, 0, true, 443, 0, "snat"},
		"both":                 {published, both, 17, 0, false, 8080, 80, "dnat+snat"},
		"both back":            {turn(both), turn(published), 17, 0, true, 8080, 80, "dnat+snat"},
		"syn to high port":     {turn(high), turn(high), 6, 2, false, 40000, 0, "none"},
		"syn-ack":              {high, high, 6, 0x12, true, 40000, 0, "none"},
		"high ports, no syn":   {high, high, 17, 0, true, 40000, 0, "none"},
		"echo":                 {ends{Src: port(web, 7), Dst: port(far, 8<<8)}, ends{Src: port(host, 9), Dst: port(far, 8<<8)}, 1, 0, false, 0, 0, "snat"},
		"echo reply":           {ends{Src: port(far, 9), Dst: port(host, 0)}, ends{Src: port(far, 7), Dst: port(web, 0)}, 1, 0, true, 0, 0, "snat"},
		"neighbour solicited":  {ends{Src: port(web, 0), Dst: port(api, 135<<8)}, ends{Src: port(web, 0), Dst: port(api, 135<<8)}, 58, 0, false, 0, 0, "none"},
		"unreachable":          {ends{Src: port(api, 1), Dst: port(web, 3<<8|3)}, ends{Src: port(api, 1), Dst: port(web, 3<<8|3)}, 1, 0, true, 0, 0, "none"},
		"both below ephemeral": {ends{Src: port(web, 5000), Dst: port(api, 53)}, ends{Src: port(web, 5000), Dst: port(api, 53)}, 17, 0, false, 53, 0, "none"},
	} {
		j := packet(bridged())
		j.First, j.Last, j.Proto, j.TCPFlags = c.first, c.last, c.proto, c.flags
		response := newServers().response(j)
		k := keyOf(j, response)
		if response != c.response || k.port != c.port || k.published != c.published || k.nat.String() != c.nat {
			t.Errorf("%s: response %v port %d published %d nat %v, want %v %d %d %v", name,
				response, k.port, k.published, k.nat, c.response, c.port, c.published, c.nat)
		}
	}
}

func TestHandshakeTeachesTheServer(t *testing.T) {
	s := newServers()
	syn := packet(bridged())
	syn.First = journey.Tuple{Src: port(webAddr, 40000), Dst: port(hostAddr, 60000)}
	syn.Last = journey.Tuple{Src: port(webAddr, 40000), Dst: port(apiAddr, 50051)}
	data := packet(bridged())
	data.First, data.Last = syn.First, syn.Last
	if !s.response(data) {
		t.Fatal("without a handshake the lower port is taken for the server's")
	}
	syn.TCPFlags = tcpFlagSYN
	if s.response(syn) || s.response(data) || !s.response(reply(data)) {
		t.Error("the SYN's direction was not taken, or not remembered")
	}
	// Another client of the same server needs no SYN of its own.
	data = packet(bridged())
	data.First = journey.Tuple{Src: port(webAddr, 33000), Dst: port(apiAddr, 50051)}
	data.Last = data.First
	if s.response(data) {
		t.Error("the learned server is not one for other clients")
	}
}

func TestServersAreBounded(t *testing.T) {
	s := newServers()
	for i := range 3 * maxServers {
		s.learn(6, port(apiAddr, uint16(i)))
	}
	if len(s.known) != maxServers || len(s.ring) != maxServers {
		t.Errorf("%d servers known, %d in the ring, want %d", len(s.known), len(s.ring), maxServers)
	}
	if s.has(6, port(apiAddr, maxServers)) || !s.has(6, port(apiAddr, 3*maxServers-1)) {
		t.Error("the oldest were kept, or the newest were not")
	}
}

func TestEndsOfPacketsFromAndToTheOutside(t *testing.T) {
	j := packet(bridged())
	j.Flags |= journey.FlagReceived
	if k := keyOf(j, false); k.src.Netns != 0 || k.dst.Netns != apiNS {
		t.Errorf("received by a NIC: %+v", k)
	}
	j = packet(bridged())
	j.Ending = journey.EndingLeft
	if k := keyOf(j, false); k.src.Netns != webNS || k.dst.Netns != 0 || k.dst.Addr != apiAddr {
		t.Errorf("left by a NIC: %+v", k)
	}
	j = packet(bridged())
	j.Stops[len(j.Stops)-1].Netns = 0 // tcp_probe without a device
	if k := keyOf(j, false); k.dst.Netns != apiNS {
		t.Errorf("last stop without a namespace: %+v", k)
	}
}

func TestProxyPaths(t *testing.T) {
	a := New(Limits{})
	names := shop()
	names.proxies = map[uint64]bool{77: true}
	for _, toProxy := range []bool{true, false} {
		hops := bridged()
		j := packet(hops)
		if toProxy {
			j.CgroupDst = 77
			j.First.Dst = port(hostAddr, 80)
			j.Last = j.First
		} else {
			j.CgroupSrc = 77
		}
		a.Add(j, hops)
	}
	for _, p := range a.Snapshot(names, Meta{}).Paths {
		switch {
		case p.NAT != "proxy":
			t.Errorf("nat %q of %+v", p.NAT, p)
		case p.To.Kind == "proxy" && (p.PublishedPort == nil || *p.PublishedPort != 80):
			t.Errorf("what the proxy listens on is a published port: %+v", p)
		case p.From.Kind == "proxy" && p.PublishedPort != nil:
			t.Errorf("the container's own port is not published: %+v", p)
		}
	}
}
