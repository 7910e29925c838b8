package topology

import "slices"

// The parts of which ways are made, each hop by hop.

func way(parts ...[]string) []string { return slices.Concat(parts...) }

// sends is from a container's interface to the host's end of its veth pair.
func sends(name string) []string {
	return []string{"qdisc @ eth0 of " + name, "xmit @ eth0 of " + name, "backlog @ veth of " + name}
}

// enters is from the host's end of a veth pair to the container's socket.
func enters(name string) []string {
	return []string{"qdisc @ veth of " + name, "xmit @ veth of " + name, "backlog @ eth0 of " + name, "stack_rx @ eth0 of " + name}
}

// locks is the last hop of TCP.
func locks(device string) []string { return []string{"sock_lock @ " + device} }

// bridges is a bridge's work between two of its ports, or from a port up to its
// own device, or down from it.
func bridges(network string) []string { return []string{"bridge @ bridge " + network} }

// hostSends is the host's own output, to a device.
func hostSends(device string) []string {
	return []string{"output @ host", "routing @ host", "postrouting @ host", "stack_tx @ " + device, "qdisc @ " + device}
}

// hostTakes is from a device up to a socket of the host.
func hostTakes(device string) []string {
	return []string{"stack_rx @ " + device, "prerouting @ host", "routing @ host", "input @ host"}
}

// loopback is a packet of the host to itself. On lo, the stop between the two
// hooks is the same, and its routing was decided at the sending end.
func loopback() []string {
	return way(hostSends("lo of host"), []string{"xmit @ lo of host", "backlog @ lo of host",
		"stack_rx @ lo of host", "prerouting @ host", "input @ host"})
}
