package truth

import (
	"slices"

	"github.com/hopscope/hopscope/internal/lab"
)

// port is where a container, or a host outside, is joined to the machine: its
// device, and the machine's end of the pair, as hops name them.
type port struct{ dev, veth string }

// inside is a container's port; network tells its legs apart where it has more
// than one.
func inside(c *lab.Container, l lab.Link, network string) port {
	p := port{dev: l.Name + " of " + c.Name, veth: "veth of " + c.Name}
	if network != "" {
		p.veth += " (" + network + ")"
	}
	return p
}

func outside(h *lab.Host) port {
	return port{dev: h.Link.Name + " in netns " + h.Name, veth: h.Link.HostName + " of host"}
}

// leaves is the way from a socket to the machine.
func (p port) leaves() []string {
	return []string{"qdisc @ " + p.dev, "xmit @ " + p.dev, "backlog @ " + p.veth}
}

// enters is the way from the machine to a socket.
func (p port) enters() []string {
	return []string{"qdisc @ " + p.veth, "xmit @ " + p.veth, "backlog @ " + p.dev, "stack_rx @ " + p.dev}
}

// acrossBridge is the way between two ports of one bridge. With bridge
// netfilter, the hooks run inside the bridge.
func acrossBridge(a, b port, bridge string, bridgeNF bool) []string {
	in := "bridge @ " + bridge
	within := []string{in}
	if bridgeNF {
		within = []string{in, "prerouting @ host", in, "forward @ host", in, "postrouting @ host", in}
	}
	return slices.Concat(a.leaves(), within, b.enters())
}

// routedIn is the way of a packet that the machine routes to a bridge.
func routedIn(a, b port, bridge string) []string {
	return slices.Concat(a.leaves(), []string{
		"stack_rx @ " + a.veth, "prerouting @ host", "routing @ host", "forward @ host", "routing @ host",
		"postrouting @ host", "stack_tx @ " + bridge, "qdisc @ " + bridge, "bridge @ " + bridge,
	}, b.enters())
}

// routedOut is the way from a bridge's port through the machine's routing.
// With bridge netfilter, PREROUTING runs inside the bridge and not again.
func routedOut(a, b port, bridge string, bridgeNF bool) []string {
	up := []string{"bridge @ " + bridge, "stack_rx @ " + bridge, "prerouting @ host", "routing @ host"}
	if bridgeNF {
		up = []string{"bridge @ " + bridge, "prerouting @ host", "bridge @ " + bridge, "stack_rx+routing @ host"}
	}
	return slices.Concat(a.leaves(), up, []string{
		"forward @ host", "routing @ host", "postrouting @ host", "stack_tx @ " + b.veth,
	}, b.enters())
}
