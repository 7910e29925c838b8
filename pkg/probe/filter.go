package probe

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/cilium/ebpf"

	"github.com/hopscope/hopscope/bpf"
)

// Filter selects containers in the kernel. A zero Filter selects everything.
type Filter struct {
	Enabled  bool
	Netns    []uint32     // namespaces that belong to selected containers alone
	Cgroups  []uint64     // cgroup v2 ids of selected containers
	Selected []netip.Addr // addresses of selected containers
	Others   []netip.Addr // addresses that surely are of other containers
}

// SetFilter replaces the filter. New keys are in place before old ones go, so
// that no packet of a container that stays selected is missed.
func (p *Probe) SetFilter(f Filter) error {
	keys := make(map[bpf.HopscopeHsFilterKey]uint8)
	for _, ns := range f.Netns {
		keys[bpf.HopscopeHsFilterKey{Id: uint64(ns), Kind: uint32(bpf.HopscopeHsFilterKindHS_F_NETNS)}] = 1
	}
	for _, id := range f.Cgroups {
		keys[bpf.HopscopeHsFilterKey{Id: id, Kind: uint32(bpf.HopscopeHsFilterKindHS_F_CGROUP)}] = 1
	}
	addrs := make(map[bpf.HopscopeHsAddr]uint8)
	for _, a := range f.Others {
		addrs[bpf.HopscopeHsAddr{B: a.As16()}] = uint8(bpf.HopscopeHsFilterAddrHS_A_OTHER)
	}
	for _, a := range f.Selected {
		addrs[bpf.HopscopeHsAddr{B: a.As16()}] = uint8(bpf.HopscopeHsFilterAddrHS_A_SELECTED)
	}
	if err := replace(p.coll.Maps["hs_filter"], keys); err != nil {
		return fmt.Errorf("set the container filter: %w", err)
	}
	if err := replace(p.coll.Maps["hs_filter_addrs"], addrs); err != nil {
		return fmt.Errorf("set the address filter: %w", err)
	}
	p.sweep.wanted.Store(&wanted{f.Enabled, keys, addrs})
	var on uint32
	if f.Enabled {
		on = 1
	}
	if err := p.set("hs_filtering", on); err != nil {
		return err
	}
	// Connections ask the new filter from now on.
	return p.set("hs_filter_gen", p.filter.Add(1))
}

// wanted is the filter as user space knows it.
type wanted struct {
	enabled bool
	keys    map[bpf.HopscopeHsFilterKey]uint8
	addrs   map[bpf.HopscopeHsAddr]uint8
}

// has decides like matches_filter in bpf/record.h.
func (w *wanted) has(slot *bpf.HopscopeHsSlot) bool {
	if w == nil || !w.enabled || slot.Selected != 0 {
		return true
	}
	last := slot.Stops[min(max(int(slot.J.Stops), 1), len(slot.Stops))-1]
	for _, key := range []bpf.HopscopeHsFilterKey{
		{Id: uint64(last.Netns), Kind: uint32(bpf.HopscopeHsFilterKindHS_F_NETNS)},
		{Id: slot.J.CgroupDst, Kind: uint32(bpf.HopscopeHsFilterKindHS_F_CGROUP)},
	} {
		if _, ok := w.keys[key]; ok {
			return true
		}
	}
	return w.addrs[bpf.HopscopeHsAddr{B: slot.J.Last.Daddr}] == uint8(bpf.HopscopeHsFilterAddrHS_A_SELECTED)
}

// replace makes a hash map hold exactly want.
func replace[K comparable](m *ebpf.Map, want map[K]uint8) error {
	for k, v := range want {
		if err := m.Put(k, v); err != nil {
			return err
		}
	}
	var stale []K
	var k K
	var v uint8
	it := m.Iterate()
	for it.Next(&k, &v) {
		if _, ok := want[k]; !ok {
			stale = append(stale, k)
		}
	}
	if err := it.Err(); err != nil {
		return err
	}
	for _, k := range stale {
		if err := m.Delete(k); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return err
		}
	}
	return nil
}
