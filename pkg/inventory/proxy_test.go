package inventory

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/hopscope/hopscope/pkg/journey"
)

// proxied is town with web's port 8000 published on 8080 of all addresses, and
// an older proxy that served the same port for a container that is gone.
func proxied(daemon uint64) Facts {
	f := town()
	web := id("aa")
	for _, p := range []string{
		"docker-proxy -proto tcp -host-ip 0.0.0.0 -host-port 8080 -container-ip 172.18.0.9 -container-port 9000",
		"docker-proxy -proto tcp -host-ip 0.0.0.0 -host-port 8080 -container-ip 172.18.0.2 -container-port 8000",
		"docker-proxy -proto tcp -host-ip :: -host-port 8080 -container-ip 172.18.0.2 -container-port 8000",
		"docker-proxy -proto udp -host-ip 127.0.0.1 -host-port 5353 -container-ip 172.18.0.2 -container-port 53",
	} {
		proxy := proxyOf(strings.Fields(p))
		proxy.CgroupID, proxy.ContainerID = daemon, web
		f.Proxies = append(f.Proxies, proxy)
	}
	f.Proxies[0].ContainerID, f.Proxies[0].Gone = id("zz"), at(3)
	return f
}

func TestProxyEndpoints(t *testing.T) {
	const daemon = 55
	v := NewView(proxied(daemon))
	for _, tc := range []struct {
		what   string
		netns  uint32
		cgroup uint64
		proto  uint8
		server string
		serves bool
		want   string
	}{
		{"where it listens", hostNS, daemon, journey.ProtoTCP, "127.0.0.1:8080", true, "docker-proxy aaweb:8000"},
		{"on another address", hostNS, daemon, journey.ProtoTCP, "203.0.113.9:8080", true, "docker-proxy aaweb:8000"},
		{"on IPv6", hostNS, 0, journey.ProtoTCP, "[::1]:8080", true, "docker-proxy aaweb:8000"},
		{"its client", hostNS, 60, journey.ProtoTCP, "127.0.0.1:8080", false, "(host)"},
		{"where it connects to", hostNS, daemon, journey.ProtoTCP, "172.18.0.2:8000", false, "docker-proxy aaweb:8000"},
		{"mapped into IPv6", hostNS, daemon, journey.ProtoTCP, "[::ffff:172.18.0.2]:8000", false, "docker-proxy aaweb:8000"},
		{"another process that connects there", hostNS, 60, journey.ProtoTCP, "172.18.0.2:8000", false, "(host)"},
		{"another service of another cgroup", hostNS, 60, journey.ProtoTCP, "127.0.0.1:8080", true, "(host)"},
		{"in the host's network mode", hostNS, 730, journey.ProtoTCP, "127.0.0.1:8080", true, "ddagent"},
		{"another port", hostNS, daemon, journey.ProtoTCP, "127.0.0.1:8081", true, "(host)"},
		{"another protocol", hostNS, daemon, journey.ProtoUDP, "127.0.0.1:8080", true, "(host)"},
		{"one address alone", hostNS, daemon, journey.ProtoUDP, "127.0.0.1:5353", true, "docker-proxy aaweb:53"},
		{"not the others", hostNS, daemon, journey.ProtoUDP, "203.0.113.9:5353", true, "(host)"},
		{"one that is gone", hostNS, daemon, journey.ProtoTCP, "172.18.0.9:9000", false, "docker-proxy 172.18.0.9:9000"},
		{"the container itself", webNS, 700, journey.ProtoTCP, "172.18.0.2:8000", true, "aaweb"},
	} {
		server := netip.MustParseAddrPort(tc.server)
		raw := RawFlow{RawEndpoint: RawEndpoint{Netns: tc.netns, Cgroup: tc.cgroup}, Proto: tc.proto, Server: server, Serves: tc.serves}
		if tc.serves {
			raw.Addr = server.Addr()
		}
		got := v.FlowEndpoint(raw)
		if got.Name != tc.want || (got.Kind == KindProxy) != strings.HasPrefix(tc.want, proxyName) {
			t.Errorf("%s: %+v, want %s", tc.what, got, tc.want)
		}
	}
}

// A process that connects to a published port itself is told from docker-proxy
// of the same cgroup by its id.
func TestProxyOrAnotherProcess(t *testing.T) {
	f := proxied(55)
	f.Proxies[1].PID, f.Proxies[2].PID = 71, 72
	v := NewView(f)
	for want, processes := range map[string][]uint32{
		"docker-proxy aaweb:8000":        {71, 72},
		"(host)":                         {500, 501},
		"(host)+docker-proxy aaweb:8000": {500, 71},
	} {
		raw := RawFlow{RawEndpoint: RawEndpoint{Netns: hostNS, Cgroup: 55}, Proto: journey.ProtoTCP,
			Server: netip.MustParseAddrPort("172.18.0.2:8000"), Processes: processes}
		if got := v.FlowEndpoint(raw); got.Name != want || (got.Kind == KindProxy) != strings.HasPrefix(want, proxyName) {
			t.Errorf("%v: %+v, want %s", processes, got, want)
		}
	}
}

// A proxy keeps what it served after it and its container are gone; one that
// is found again is not a second one.
func TestProxiesAreRemembered(t *testing.T) {
	s := newState(hostNS)
	c := Container{ID: id("aa"), Name: "web", PID: 7, State: "running",
		Networks: []Attachment{{Network: "shop", IP: addrs("172.18.0.2")}},
		Ports:    []Port{{Proto: "tcp", Container: 8000, HostIP: addrs("0.0.0.0")[0], Host: 8080}}}
	p := proxyOf(strings.Fields("docker-proxy -proto tcp -host-ip 0.0.0.0 -host-port 8080 -container-ip 172.18.0.2 -container-port 8000"))
	p.PID = 70
	s.setProxies([]Proxy{p}, at(0)) // seen before its container
	s.observe(c, at(0))
	s.setProxies([]Proxy{p}, at(1))
	s.servePorts()
	if got := s.containers[c.ID].Ports[0].HowServed; got != "dnat+proxy" {
		t.Errorf("served by %q", got)
	}
	s.setProxies(nil, at(2))
	s.servePorts()
	if got := s.containers[c.ID].Ports[0].HowServed; got != "dnat" {
		t.Errorf("without a proxy served by %q", got)
	}
	rootless := newState(hostNS)
	rootless.rootless = true
	rootless.observe(c, at(0))
	rootless.servePorts()
	if got := rootless.containers[c.ID].Ports[0].HowServed; got != "" {
		t.Errorf("by a rootless engine served by %q", got)
	}
	if len(s.proxies) != 1 || s.proxies[0].ContainerID != c.ID || s.proxies[0].Seen != at(0) || s.proxies[0].Gone != at(2) {
		t.Errorf("remembered: %+v", s.proxies)
	}
	for range maxGoneProxies + 5 {
		p.PID++
		s.setProxies([]Proxy{p}, at(3))
	}
	s.forget()
	if n := len(s.proxies); n != maxGoneProxies+1 || s.proxies[n-1].PID != p.PID {
		t.Errorf("%d proxies remembered", n)
	}
}

// Without an engine, the proxies tell which ports are published.
func TestPortsByProxies(t *testing.T) {
	s := newState(hostNS)
	s.observe(Container{ID: id("aa"), Name: "aa", PID: 7, State: "running", Addrs: addrs("172.18.0.2")}, at(0))
	s.observe(Container{ID: id("bb"), Name: "bb", PID: 8, State: "running", Addrs: addrs("172.18.0.3")}, at(0))
	p := proxyOf(strings.Fields("docker-proxy -proto tcp -host-ip 0.0.0.0 -host-port 8080 -container-ip 172.18.0.2 -container-port 8000"))
	p.PID = 70
	for range 2 { // the second look adds nothing
		s.setProxies([]Proxy{p}, at(1))
		s.guessPorts()
		s.servePorts()
	}
	want := Port{Proto: "tcp", Container: 8000, HostIP: addrs("0.0.0.0")[0], Host: 8080, HowServed: "dnat+proxy"}
	if got := s.containers[id("aa")].Ports; len(got) != 1 || got[0] != want {
		t.Errorf("published: %+v", got)
	}
	if got := s.containers[id("bb")].Ports; len(got) != 0 {
		t.Errorf("the other publishes %+v", got)
	}
}

// Those of an engine in a namespace of its own are not the host's.
func TestProxiesOfTheHostAlone(t *testing.T) {
	h := newHost(t)
	for pid, netns := range map[int]uint32{70: hostNS, 71: foreignNS} {
		h.process(pid, netns, "0::/\n")
		h.write(fmt.Sprintf("%d/comm", pid), "docker-proxy\n")
		h.write(fmt.Sprintf("%d/cmdline", pid), "docker-proxy\x00-proto\x00tcp\x00-host-port\x008080\x00")
	}
	if got := (procfs{h.proc}).proxies(cgroupV2{}, hostNS); len(got) != 1 || got[0].PID != 70 || got[0].HostPort != 8080 {
		t.Errorf("%+v", got)
	}
}
