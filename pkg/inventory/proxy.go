package inventory

import (
	"bytes"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hopscope/hopscope/pkg/journey"
)

// proxyName is the program that stands between a published port and its
// container (moby cmd/docker-proxy).
const proxyName = "docker-proxy"

// Proxy is one docker-proxy process: the engine starts one for each published
// port and address family, unless it runs with --userland-proxy=false.
type Proxy struct {
	PID           int
	Proto         string     // tcp, udp, sctp
	HostIP        netip.Addr // where it listens, unspecified for all addresses
	HostPort      uint16
	ContainerIP   netip.Addr // where it connects to
	ContainerPort uint16
	CgroupID      uint64 // the daemon's, 0 when unknown
	ContainerID   string // whose port it is, "" when unknown
	Seen          time.Time
	Gone          time.Time // zero while it runs
}

// process is what tells one process from the others, by its arguments too.
func (p Proxy) process() Proxy {
	p.CgroupID, p.ContainerID, p.Seen, p.Gone = 0, "", time.Time{}, time.Time{}
	return p
}

// listensAt says whether a packet to that address and port ends at the proxy.
func (p Proxy) listensAt(at netip.AddrPort) bool {
	if p.HostPort != at.Port() || !p.HostIP.IsValid() {
		return false
	}
	if p.HostIP.IsUnspecified() { // [::] and 0.0.0.0 are two processes
		return p.HostIP.Is4() == at.Addr().Is4()
	}
	return p.HostIP == at.Addr()
}

// proxies finds the docker-proxy processes of the host by name and reads what
// they serve from their arguments. Those of an engine in a namespace of its own,
// rootless or inside of a container, stand before no port of the host.
func (p procfs) proxies(cg cgroupV2, host uint32) []Proxy {
	pids, err := p.pids()
	if err != nil {
		return nil
	}
	var out []Proxy
	for _, pid := range pids {
		comm, err := os.ReadFile(p.path(pid, "comm"))
		if err != nil || string(bytes.TrimSpace(comm)) != proxyName {
			continue
		}
		if ino, err := p.netns(pid); err == nil && ino != host {
			continue
		}
		args, err := os.ReadFile(p.path(pid, "cmdline"))
		if err != nil || len(args) == 0 { // a zombie has none
			continue
		}
		proxy := proxyOf(strings.Split(string(args), "\x00"))
		proxy.PID = pid
		if b, err := os.ReadFile(p.path(pid, "cgroup")); err == nil {
			proxy.CgroupID = cg.id(string(b))
		}
		out = append(out, proxy)
	}
	return out
}

func proxyOf(args []string) (p Proxy) {
	for i := 0; i+1 < len(args); i++ {
		value := args[i+1]
		switch args[i] {
		case "-proto":
			if slices.Contains([]string{"tcp", "udp", "sctp"}, value) { // what it knows; anything can be on a command line
				p.Proto = value
			}
		case "-host-ip":
			p.HostIP, _ = netip.ParseAddr(value)
		case "-host-port":
			p.HostPort = parsePort(value)
		case "-container-ip":
			p.ContainerIP, _ = netip.ParseAddr(value)
		case "-container-port":
			p.ContainerPort = parsePort(value)
		}
	}
	return p
}

func parsePort(s string) uint16 {
	n, _ := strconv.ParseUint(s, 10, 16)
	return uint16(n)
}

// setProxies takes in the listing of all docker-proxy processes.
func (s *state) setProxies(list []Proxy, now time.Time) {
	running := make(map[Proxy]bool, len(list))
	for _, p := range list {
		running[p.process()] = true
	}
	known := make(map[Proxy]bool, len(list))
	for i := range s.proxies {
		p := &s.proxies[i]
		switch {
		case !p.Gone.IsZero():
		case running[p.process()]:
			known[p.process()] = true
		default:
			p.Gone = now
		}
	}
	for _, p := range list {
		if !known[p.process()] {
			p.Seen = now
			s.proxies = append(s.proxies, p)
		}
	}
	for i := range s.proxies {
		if p := &s.proxies[i]; p.ContainerID == "" && p.Gone.IsZero() {
			p.ContainerID = s.publisher(*p)
		}
	}
}

// publisher is the id of the running container that a proxy stands before. Of
// containers that no engine speaks of only the addresses are known.
func (s *state) publisher(p Proxy) string {
	for id, c := range s.containers {
		if !c.Running() || !hasAddr(c, p.ContainerIP) {
			continue
		}
		if c.Ports == nil || slices.ContainsFunc(c.Ports, p.publishes) {
			return id
		}
	}
	return ""
}

func (p Proxy) publishes(o Port) bool {
	return o.Host == p.HostPort && o.Container == p.ContainerPort && o.Proto == p.Proto
}

func hasAddr(c Container, a netip.Addr) bool {
	return slices.Contains(c.Addrs, a) ||
		slices.ContainsFunc(c.Networks, func(n Attachment) bool { return slices.Contains(n.IP, a) })
}

// guessPorts gives containers that no engine speaks of the ports that proxies
// serve for them. Those without a proxy stay unknown.
func (s *state) guessPorts() {
	for id, c := range s.containers {
		if !c.Running() || c.Ports != nil {
			continue
		}
		for _, p := range s.proxies {
			if p.Gone.IsZero() && p.ContainerID == id && p.Proto != "" {
				c.Ports = append(c.Ports, Port{Proto: p.Proto, Container: p.ContainerPort, HostIP: p.HostIP, Host: p.HostPort})
			}
		}
		sortPorts(c.Ports)
		s.containers[id] = c
	}
}

// servePorts says how each published port is served. The engine publishes by
// DNAT, but for an IPv6 address of the host when the container has none: that
// only the proxy can translate. How a rootless engine serves its ports, inside
// of its namespace, is not looked at.
func (s *state) servePorts() {
	if s.rootless {
		return
	}
	type served struct {
		proto string
		ip    netip.Addr
		port  uint16
	}
	proxied := make(map[served]bool)
	for _, p := range s.proxies {
		if p.Gone.IsZero() {
			proxied[served{p.Proto, p.HostIP, p.HostPort}] = true
		}
	}
	for id, c := range s.containers {
		ports := slices.Clone(c.Ports)
		for i, p := range ports {
			proxy := proxied[served{p.Proto, p.HostIP, p.Host}]
			translates := p.HostIP.Is6() && !p.HostIP.Is4In6() && !hasIPv6(c)
			switch {
			case p.Host == 0:
				ports[i].HowServed = ""
			case proxy && translates:
				ports[i].HowServed = "proxy"
			case proxy && p.HostIP.Is6(): // engines before 27 leave it to the proxy, unless told otherwise
				ports[i].HowServed = ""
			case proxy:
				ports[i].HowServed = "dnat+proxy"
			default:
				ports[i].HowServed = "dnat"
			}
		}
		c.Ports = ports
		s.containers[id] = c
	}
}

func hasIPv6(c Container) bool {
	for _, a := range c.Networks {
		if slices.ContainsFunc(a.IP, netip.Addr.Is6) {
			return true
		}
	}
	return false
}

// published says whether any running container has a published port, or had
// one that a proxy served.
func (s *state) published() bool {
	for _, c := range s.containers {
		if c.Running() && slices.ContainsFunc(c.Ports, func(p Port) bool { return p.Host != 0 }) {
			return true
		}
	}
	return slices.ContainsFunc(s.proxies, func(p Proxy) bool { return p.Gone.IsZero() })
}

// Proxies lists the docker-proxy processes in the order in which they were
// seen, those that are gone too.
func (v *View) Proxies() []Proxy { return v.facts.Proxies }

// proxy finds the docker-proxy that an end in the host's namespace is. Its
// listening sockets are known by their port. Its connections to containers are
// known by what they lead to, and the daemon's cgroup. A process of that cgroup
// which itself connects to a container's published port is told by its id, where
// its connect(2) was seen.
func (v *View) proxy(raw RawFlow) (Proxy, bool) {
	if raw.Netns == 0 || raw.Netns != v.facts.Host {
		return Proxy{}, false
	}
	proto := journey.ProtoName(raw.Proto)
	server := netip.AddrPortFrom(raw.Server.Addr().Unmap(), raw.Server.Port())
	best := -1
	for i, p := range v.facts.Proxies {
		at := netip.AddrPortFrom(p.ContainerIP, p.ContainerPort) == server
		if raw.Serves {
			at = p.listensAt(server)
		}
		owner := p.CgroupID == 0 || raw.Cgroup == 0 || p.CgroupID == raw.Cgroup
		if at && owner && p.Proto == proto && (best < 0 || p.Gone.IsZero() || !v.facts.Proxies[best].Gone.IsZero()) {
			best = i // the live one, else the last
		}
	}
	if best < 0 {
		return Proxy{}, false
	}
	return v.facts.Proxies[best], true
}

// proxiesAmong counts the processes that are, or were, a docker-proxy.
func (v *View) proxiesAmong(processes []uint32) (n int) {
	for _, pid := range processes {
		if slices.ContainsFunc(v.facts.Proxies, func(p Proxy) bool { return p.PID == int(pid) }) {
			n++
		}
	}
	return n
}

// Serves is the container's port that the proxy stands before, with the
// container's name where it is known.
func (v *View) Serves(p Proxy) string {
	if c, ok := v.Container(p.ContainerID); ok {
		return c.Name + ":" + strconv.Itoa(int(p.ContainerPort))
	}
	return netip.AddrPortFrom(p.ContainerIP, p.ContainerPort).String()
}
