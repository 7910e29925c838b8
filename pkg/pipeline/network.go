package pipeline

import (
	"net/netip"
	"slices"
	"sync"

	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/journey"
	"github.com/hopscope/hopscope/pkg/probe"
)

func knownNetworks(v *inventory.View, names []string) error {
	for _, name := range names {
		if !slices.ContainsFunc(v.Networks(), func(n inventory.Network) bool { return n.Name == name || n.ID == name }) {
			return &UnknownNetworkError{name}
		}
	}
	return nil
}

// networkMatcher tells whether a device is of a wanted network. Answers are
// kept for as long as the picture of the host stays the same, since every
// stop of every journey asks.
type networkMatcher struct {
	inv   *inventory.Inventory
	names []string

	mu   sync.Mutex
	view *inventory.View
	seen map[journey.Place]bool
}

func newNetworkMatcher(inv *inventory.Inventory, names []string) *networkMatcher {
	return &networkMatcher{inv: inv, names: names}
}

func (m *networkMatcher) has(netns, ifindex uint32) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if v := m.inv.View(); v != m.view {
		m.view, m.seen = v, make(map[journey.Place]bool)
	}
	key := journey.Place{Netns: netns, Ifindex: ifindex}
	ok, known := m.seen[key]
	if !known {
		n, found := m.view.Network(netns, ifindex)
		ok = found && (slices.Contains(m.names, n.Name) || slices.Contains(m.names, n.ID))
		m.seen[key] = ok
	}
	return ok
}

// Server is where requests are answered.
type Server struct {
	Proto uint8
	Addr  netip.AddrPort
}

// Servers lists where requests are answered, so far as the host tells: what listened when
// the session began, and what containers publish or expose at the moment.
func (s *Session) Servers() []Server {
	return append(servers(s.inv.View()), s.listened...)
}

// listeners lists what listens.
func listeners(v *inventory.View) (out []Server) {
	for _, at := range v.Listening() {
		out = append(out, Server{journey.ProtoTCP, at})
	}
	return out
}

// services are the ports of servers.
func services(list []Server) (out []probe.Service) {
	for _, s := range list {
		out = append(out, probe.Service{Proto: s.Proto, Port: s.Addr.Port()})
	}
	return out
}

// servers lists where containers answer, by what they publish or expose.
func servers(v *inventory.View) (out []Server) {
	for _, c := range v.Containers() {
		for _, p := range c.Ports {
			proto, ok := journey.ParseProto(p.Proto)
			if !ok {
				continue
			}
			for _, a := range c.Networks {
				for _, ip := range a.IP {
					out = append(out, Server{proto, netip.AddrPortFrom(ip, p.Container)})
				}
			}
		}
	}
	return out
}
