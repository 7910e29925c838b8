package capture

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/hopscope/hopscope/pkg/dns"
	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/journey"
	"github.com/hopscope/hopscope/pkg/model"
)

// Choice is a part of a capture, by the selectors of a trace and in time. The
// zero Choice is everything.
type Choice struct {
	Containers []string // see inventory.View.Select
	Networks   []string // names or ids
	Ports      []uint16 // container or published ports
	Protos     []uint8  // IP protocol numbers
	From, To   time.Time
}

// UnknownNetworkError says that a name is no network of the capture.
type UnknownNetworkError struct{ Name string }

func (e *UnknownNetworkError) Error() string {
	return fmt.Sprintf("no Docker network of the capture is named %q", inventory.Clean(e.Name))
}

// Filter resolves the choice in what [Survey] told of the capture. Errors are
// those of inventory.View.Select and *[UnknownNetworkError].
//
// A container is known by the cgroups, namespaces and addresses of all its
// lives, also when it was gone at the end. What another container had too does
// not tell, but for its cgroup.
func (c Choice) Filter(s *Summary) (Filter, error) {
	m := matcher{choice: c, view: s.View, zero: s.Meta.MonotonicZero, networks: make(map[journey.Place]bool)}
	if len(c.Containers) > 0 {
		sel, err := s.View.Select(c.Containers)
		if err != nil {
			return Filter{}, err
		}
		m.ends = newEnds(s.View, sel.Containers)
	}
	for _, name := range c.Networks {
		if !slices.ContainsFunc(s.View.Networks(), func(n inventory.Network) bool { return n.Name == name || n.ID == name }) {
			return Filter{}, &UnknownNetworkError{name}
		}
	}
	return Filter{Journey: m.journey, Drops: m.drops, Retransmits: m.retransmits, Counters: m.counter, Sockets: m.sockets, DNS: m.dns}, nil
}

// ends tells whose packets are wanted.
type ends struct {
	netns   map[uint32]bool
	cgroups map[uint64]bool
	addrs   map[netip.Addr]bool
	ids     map[string]bool
}

func newEnds(v *inventory.View, chosen []inventory.Container) *ends {
	e := &ends{make(map[uint32]bool), make(map[uint64]bool), make(map[netip.Addr]bool), make(map[string]bool)}
	isChosen := func(c inventory.Container) bool {
		return slices.ContainsFunc(chosen, func(o inventory.Container) bool { return o.ID == c.ID })
	}
	for _, c := range chosen {
		e.ids[c.ID] = true
		for _, r := range lives(c) {
			e.netns[r.Netns] = true
			for _, id := range append([]uint64{r.CgroupID}, r.SubCgroups...) {
				e.cgroups[id] = true
			}
			for _, a := range r.Addrs {
				e.addrs[a] = true
			}
		}
	}
	for _, c := range v.Containers() {
		if isChosen(c) {
			continue
		}
		for _, r := range lives(c) {
			delete(e.netns, r.Netns)
			for _, a := range r.Addrs {
				delete(e.addrs, a)
			}
		}
	}
	delete(e.netns, 0)
	delete(e.netns, v.HostNetns())
	delete(e.cgroups, 0)
	return e
}

// lives are a container's earlier lives and the last one.
func lives(c inventory.Container) []inventory.Run {
	last := inventory.Run{Netns: c.Netns, CgroupID: c.CgroupID, SubCgroups: c.SubCgroups, Addrs: c.Addrs}
	return append(slices.Clone(c.Former), last)
}

// has reports whether one end of a packet is wanted; nil wants all.
func (e *ends) has(netns uint32, cgroup uint64, addr netip.Addr) bool {
	return e == nil || e.netns[netns] || e.cgroups[cgroup] || e.addrs[addr.Unmap()]
}

// matcher decides as a trace with the same selectors does.
type matcher struct {
	choice   Choice
	view     *inventory.View
	zero     time.Time
	ends     *ends
	networks map[journey.Place]bool // what was asked before
}

func (m *matcher) journey(j *journey.Journey) bool {
	return m.inTime(j.Start) && m.proto(j.Proto) && m.ofPort(j) && m.ofContainer(j) && m.ofNetwork(j)
}

func (m *matcher) ofContainer(j *journey.Journey) bool {
	first, last := j.Stops[0], j.Stops[len(j.Stops)-1]
	return m.ends.has(first.Netns, j.CgroupSrc, j.First.Src.Addr()) ||
		m.ends.has(last.Netns, j.CgroupDst, j.Last.Dst.Addr()) || m.ends.has(0, 0, j.First.Dst.Addr())
}

func (m *matcher) ofPort(j *journey.Journey) bool {
	if len(m.choice.Ports) == 0 {
		return true
	}
	if j.Proto != journey.ProtoTCP && j.Proto != journey.ProtoUDP && j.Proto != journey.ProtoSCTP {
		return false
	}
	return slices.ContainsFunc(m.choice.Ports, func(p uint16) bool {
		return j.First.Src.Port() == p || j.First.Dst.Port() == p || j.Last.Src.Port() == p || j.Last.Dst.Port() == p
	})
}

func (m *matcher) ofNetwork(j *journey.Journey) bool {
	if len(m.choice.Networks) == 0 {
		return true
	}
	return slices.ContainsFunc(j.Stops, func(s journey.Stop) bool { return m.inNetwork(s.Netns, s.Ifindex) })
}

func (m *matcher) inNetwork(netns, ifindex uint32) bool {
	if ifindex == 0 {
		return false
	}
	at := journey.Place{Netns: netns, Ifindex: ifindex}
	ok, known := m.networks[at]
	if !known {
		n, found := m.view.Network(netns, ifindex)
		ok = found && (slices.Contains(m.choice.Networks, n.Name) || slices.Contains(m.choice.Networks, n.ID))
		m.networks[at] = ok
	}
	return ok
}

// drops and retransmits know one port, the service's.
func (m *matcher) drops(d *Drops) bool {
	return m.inTime(d.At) && m.proto(d.Proto) && m.servicePort(d.Port, d.Src, d.Dst) &&
		(m.ofNetworks(d.Src, d.Dst) || m.inNetwork(d.Place.Netns, d.Place.Ifindex)) &&
		(m.ends.has(d.Place.Netns, d.Cgroup, d.Src) || m.ends.has(d.Born, 0, d.Dst))
}

func (m *matcher) retransmits(r *Retransmits) bool {
	return m.inTime(r.At) && m.proto(journey.ProtoTCP) && m.servicePort(r.Port, r.Local, r.Remote) &&
		m.ofNetworks(r.Local, r.Remote) && (m.ends.has(r.Netns, r.Cgroup, r.Local) || m.ends.has(0, 0, r.Remote))
}

// counter wants those of the host whatever was chosen, and of containers those
// that were.
func (m *matcher) counter(c *Counters, n *model.CounterCount) bool {
	if !m.inTime(c.At) {
		return false
	}
	ofHost := n.Container == "" && (n.Netns == 0 || n.Netns == m.view.HostNetns())
	return ofHost || m.ends == nil || m.ends.netns[n.Netns] || m.ends.ids[n.Container]
}

func (m *matcher) dns(d *DNS) bool {
	return m.inTime(d.At) && m.proto(journey.ProtoUDP) && m.servicePort(dns.Port) &&
		(m.ends.has(d.Netns, d.Cgroup, d.Local) || m.ends.has(0, 0, d.Resolver)) &&
		(len(m.choice.Networks) == 0 || m.view.AsksInNetworks(d.Netns, d.Local, d.Resolver, m.choice.Networks))
}

func (m *matcher) proto(p uint8) bool {
	return len(m.choice.Protos) == 0 || slices.Contains(m.choice.Protos, p)
}

// servicePort reports whether a service's port is wanted, or what one of the addresses
// publishes it as.
func (m *matcher) servicePort(p uint16, addrs ...netip.Addr) bool {
	ports := m.choice.Ports
	return len(ports) == 0 || slices.Contains(ports, p) || m.view.Publishes(p, ports, addrs...)
}

// inTime reports whether a moment lies from From on and before To.
func (m *matcher) inTime(at uint64) bool {
	t := m.zero.Add(time.Duration(at))
	return (m.choice.From.IsZero() || !t.Before(m.choice.From)) && (m.choice.To.IsZero() || t.Before(m.choice.To))
}

// Trim dates a snapshot of a part: its start and duration become those of the
// time chosen. The accounting stays that of the whole capture.
func (c Choice) Trim(s *Summary) {
	end := s.Meta.StartedAt.Add(s.Meta.Duration)
	if c.From.After(s.Meta.StartedAt) {
		s.Meta.StartedAt = c.From
	}
	if !c.To.IsZero() && c.To.Before(end) {
		end = c.To
	}
	s.Meta.Duration = max(end.Sub(s.Meta.StartedAt), 0)
}
