package inventory

import (
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
)

// served is a published port as a docker-proxy process serves it.
type served struct {
	proto string
	ip    netip.Addr
	port  uint16
}

// proxies finds docker-proxy processes by name and reads what they serve from
// their arguments (moby cmd/docker-proxy).
func (p procfs) proxies() map[served]bool {
	pids, err := p.pids()
	if err != nil {
		return nil
	}
	out := make(map[served]bool)
	for _, pid := range pids {
		comm, err := os.ReadFile(p.path(pid, "comm"))
		if err != nil || strings.TrimSpace(string(comm)) != "docker-proxy" {
			continue
		}
		if b, err := os.ReadFile(p.path(pid, "cmdline")); err == nil {
			out[proxyOf(strings.Split(string(b), "\x00"))] = true
		}
	}
	return out
}

func proxyOf(args []string) (s served) {
	for i := 0; i+1 < len(args); i++ {
		value := args[i+1]
		switch args[i] {
		case "-proto":
			s.proto = value
		case "-host-ip":
			s.ip, _ = netip.ParseAddr(value)
		case "-host-port":
			n, _ := strconv.ParseUint(value, 10, 16)
			s.port = uint16(n)
		}
	}
	return s
}

// servePorts says how each published port is served. The engine publishes by
// DNAT, but for an IPv6 address of the host when the container has none: that
// only the proxy can translate.
func (s *state) servePorts(proxies map[served]bool) {
	for id, c := range s.containers {
		ports := slices.Clone(c.Ports)
		for i, p := range ports {
			proxy := proxies[served{p.Proto, p.HostIP, p.Host}]
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

// published says whether any running container has a published port.
func (s *state) published() bool {
	for _, c := range s.containers {
		if c.Running() && slices.ContainsFunc(c.Ports, func(p Port) bool { return p.Host != 0 }) {
			return true
		}
	}
	return false
}
