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
	return s.opts.wantsPort(d.Port) && s.opts.wantsProto(d.Proto) &&
		s.wantsOwner([]uint32{d.Netns, d.BornNetns}, d.Cgroup, d.Src, d.Dst)
}

func (s *Session) wantsRetransmit(r *probe.Retransmits) bool {
	const tcp = 6
	return s.opts.wantsPort(r.Port) && s.opts.wantsProto(tcp) &&
		s.wantsOwner([]uint32{r.Netns}, r.Cgroup, r.Local, r.Remote)
}

func (s *Session) wantsReset(r *probe.Resets) bool {
	return s.opts.wantsPort(r.Port) && s.opts.wantsProto(journey.ProtoTCP) &&
		s.wantsOwner([]uint32{r.Netns}, r.Cgroup, r.Local, r.Remote)
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

func (s *Session) setSelection(sel inventory.Selection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.selected = sel
}

// wantsPort knows the service's port only: a published port that DNAT replaced
// is told by journeys alone.
func (o *Options) wantsPort(port uint16) bool {
	return len(o.Ports) == 0 || slices.Contains(o.Ports, port)
}

// filtersService says whether packets are chosen by port, protocol or network.
func (o *Options) filtersService() bool {
	return len(o.Ports)+len(o.Protos)+len(o.Networks) > 0
}

func (o *Options) wantsProto(proto uint8) bool {
	return len(o.Protos) == 0 || slices.Contains(o.Protos, proto)
}
