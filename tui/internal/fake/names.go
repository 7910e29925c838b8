package fake

import (
	"github.com/hopscope/hopscope/pkg/history"
	"github.com/hopscope/hopscope/pkg/inventory"
)

// Endpoint names an end.
func (w *World) Endpoint(e inventory.RawEndpoint) inventory.Endpoint {
	if c := w.byNetns[e.Netns]; c != nil {
		return inventory.Endpoint{Kind: inventory.KindContainer, Name: c.Name, ContainerID: c.ID}
	}
	if e.Netns == hostNS {
		return inventory.Endpoint{Kind: inventory.KindHost, Name: "(host)"}
	}
	for i := range w.Containers {
		if address(i) == e.Addr {
			return inventory.Endpoint{Kind: inventory.KindContainer, Name: w.Containers[i].Name, ContainerID: w.Containers[i].ID}
		}
	}
	return inventory.Endpoint{Kind: inventory.KindExternal, Name: e.Addr.String()}
}

// Where names a place.
func (w *World) Where(ns, ifindex uint32) (where, device string) {
	switch {
	case ns != hostNS:
		if c := w.byNetns[ns]; c != nil && ifindex == 0 {
			return c.Name, ""
		} else if c != nil {
			return "eth0 of " + c.Name, "eth0"
		}
	case ifindex == nic:
		return "eth0 of host", "eth0"
	case ifindex >= 100:
		if c := w.byNetns[ifindex]; c != nil { // veth(i) is netns(i)
			return "veth of " + c.Name, c.Networks[0].HostInterface
		}
	}
	return "host", ""
}

// Network is that of a container and of its veth.
func (w *World) Network(ns, ifindex uint32) (inventory.Network, bool) {
	c := w.byNetns[ns]
	if ns == hostNS {
		c = w.byNetns[ifindex] // veth(i) is netns(i)
	}
	if c == nil {
		return inventory.Network{}, false
	}
	n := inventory.Network{Name: c.Networks[0].Network, Bridge: "br-" + c.Networks[0].Network}
	if n.Name == "bridge" {
		n.Bridge = "docker0"
	}
	return n, true
}

// Reason names a drop's reason.
func (w *World) Reason(n uint32) string {
	if n == 3 {
		return "NETFILTER_DROP"
	}
	return ""
}

// Symbol names a kernel function.
func (w *World) Symbol(addr uint64) string {
	if addr == 0xffff0001 {
		return "nf_hook_slow+0xa3"
	}
	return "ip_local_deliver+0x6f"
}

// Feed shows a world's history.
type Feed struct {
	World   *World
	History *history.History
}

// Frame makes a frame.
func (f *Feed) Frame(q history.Query) (history.Frame, error) {
	return f.History.Frame(q, f.World, f.World.Meta()), nil
}
