package dropreason

import "strings"

// Untold is the kernel's word for a drop without a reason; before 5.17 it has no other.
const Untold = "NOT_SPECIFIED"

// At explains a drop by its reason and, where the kernel told none, by the function
// that freed the packet, with or without an offset. false: not explained.
func At(reason, location string) (Reason, bool) {
	if Clean(reason) == Untold {
		if r, ok := FindFunction(location); ok {
			return r, true
		}
	}
	return Find(reason)
}

// FindFunction gives the explanation of a function that frees packets without a
// reason, with or without an offset; false for one that is not explained.
func FindFunction(location string) (Reason, bool) {
	return find(Functions(), Function(location))
}

// Function is a kernel symbol without its offset, and without what compilers append
// to the parts of a function (".part.0", ".constprop.0").
func Function(symbol string) string {
	symbol, _, _ = strings.Cut(symbol, "+")
	symbol, _, _ = strings.Cut(symbol, ".")
	return symbol
}

// Functions lists those that free packets without a reason, and why they do, from the
// sender's device to the receiver's socket.
func Functions() []Reason {
	return []Reason{
		{[]string{"__dev_queue_xmit"},
			"the device was down when the packet was to be sent by it, or sends to itself without end",
			"`ip -s link show DEVICE`: see who takes it down, or when its container ended; of devices in a loop, `dmesg` tells"},
		{[]string{"validate_xmit_skb", "validate_xmit_skb_list"},
			"the packet could not be made ready for the device: it was to be cut into segments, or its checksum written",
			"`ethtool -k DEVICE`: turn tso and gso off at the device that made it, and see whether it ends"},
		{[]string{"kfree_skb_list"},
			"a list of packets was freed at once, as by a full queue (qdisc)",
			"`tc -s qdisc show dev DEVICE` counts them as dropped: raise its limit or its rate, or send less"},
		{[]string{"veth_xmit"},
			"the other end of the veth had no room: it polls (GRO or XDP is on there), and its ring of 256 packets was full; or that end was gone",
			"give the CPU that receives there more time (`net_rx` softirqs, RPS, threaded NAPI), or turn GRO off at the other end: `ethtool -K DEVICE gro off`"},
		{[]string{"macvlan_handle_frame"},
			"the macvlan device that it was for was down",
			"`ip -s link show DEVICE` in the container's namespace"},
		{[]string{"__udp4_lib_rcv", "__udp6_lib_rcv"},
			"nothing listens on that UDP port in the receiver's namespace, or the datagram was damaged (before Linux 5.17 nothing tells which)",
			"`ss -lnu` in the container; `nstat -az UdpNoPorts UdpInErrors` tells the two apart"},
		{[]string{"udp_queue_rcv_one_skb", "udpv6_queue_rcv_one_skb", "__udp_queue_rcv_skb"},
			"the receive buffer of a UDP socket was full, or a filter or the checksum refused the datagram (before Linux 5.17 nothing tells which)",
			"`nstat -az UdpRcvbufErrors UdpInCsumErrors` tells them apart; where the buffer is full, see why the process reads too slowly"},
	}
}
