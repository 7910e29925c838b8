package pipeline

import (
	"net/netip"
	"slices"

	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/journey"
	"github.com/hopscope/hopscope/pkg/probe"
)

// The kernel counts every drop and retransmission; the selection of containers
// is applied here, by the same facts as the kernel's filter of journeys.

func (s *Session) wantsDrop(d *probe.Drop) bool {
	return s.wantsService(d.Proto, d.Port, d.Src, d.Dst) &&
		(s.wantsNetwork(d.Src, d.Dst) || s.network.has(d.Netns, d.Ifindex)) &&
		s.wantsOwner([]uint32{d.Netns, d.BornNetns}, d.Cgroup, d.Src, d.Dst)
}

func (s *Session) wantsRetransmit(r *probe.Retransmits) bool {
	return s.wantsTCP(r.Port, r.Netns, r.Cgroup, r.Local, r.Remote)
}

func (s *Session) wantsReset(r *probe.Resets) bool {
	return s.wantsTCP(r.Port, r.Netns, r.Cgroup, r.Local, r.Remote)
}

// wantsTCP says whether counts of sockets with these ends are wanted.
func (s *Session) wantsTCP(port uint16, netns uint32, cgroup uint64, local, remote netip.Addr) bool {
	return s.wantsService(journey.ProtoTCP, port, local, remote) && s.wantsNetwork(local, remote) &&
		s.wantsOwner([]uint32{netns}, cgroup, local, remote)
}

func (s *Session) wantsService(proto uint8, port uint16, addrs ...netip.Addr) bool {
	o := &s.opts
	if len(o.Protos) > 0 && !slices.Contains(o.Protos, proto) {
		return false
	}
	return len(o.Ports) == 0 || slices.Contains(o.Ports, port) || s.inv.View().Publishes(port, o.Ports, addrs...)
}

func (s *Session) wantsNetwork(addrs ...netip.Addr) bool {
	return len(s.opts.Networks) == 0 || slices.ContainsFunc(addrs, func(a netip.Addr) bool {
		return s.inv.View().InNetworks(a, s.opts.Networks)
	})
}

func (s *Session) wantsOwner(netns []uint32, cgroup uint64, addrs ...netip.Addr) bool {
	if len(s.opts.Containers) == 0 {
		return true
	}
	sel := s.selection()
	return slices.ContainsFunc(netns, func(ns uint32) bool { return ns != 0 && slices.Contains(sel.Netns, ns) }) ||
		cgroup != 0 && slices.Contains(sel.Cgroups, cgroup) ||
		slices.ContainsFunc(addrs, func(a netip.Addr) bool { return slices.Contains(sel.Addrs, a) })
}

// selection is what the selectors mean at the moment.
func (s *Session) selection() inventory.Selection {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.selected
}

func (s *Session) setSelection(sel inventory.Selection, unclear string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.selected, s.unclear = sel, unclear
}

// filtersService says whether packets are chosen by port, protocol or network.
func (o *Options) filtersService() bool {
	return len(o.Ports)+len(o.Protos)+len(o.Networks) > 0
}
