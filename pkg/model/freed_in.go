package model

import (
	"cmp"

	"github.com/hopscope/hopscope/pkg/dropreason"
	"github.com/hopscope/hopscope/pkg/journey"
)

// freeingFunctions are those of the kernel that free packets in one hop alone,
// whatever way they came. They place what no stop does: a packet that was not
// tracked, or died before any. A function that runs in several hops is left out,
// as is what the stops of a kernel without netfilter links would call otherwise.
var freeingFunctions = map[string]journey.HopKind{
	// net/core/dev.c
	"__dev_xmit_skb": journey.HopQdisc, "dev_qdisc_enqueue": journey.HopQdisc, "__dev_queue_xmit": journey.HopQdisc,
	"enqueue_to_backlog": journey.HopBacklog,
	// net/bridge
	"br_handle_frame": journey.HopBridge, "br_handle_frame_finish": journey.HopBridge, "br_forward": journey.HopBridge,
	"__br_forward": journey.HopBridge, "br_flood": journey.HopBridge, "br_dev_xmit": journey.HopBridge, "br_dev_queue_push_xmit": journey.HopBridge,
	// net/ipv4/udp.c, net/ipv6/udp.c
	"__udp4_lib_rcv": journey.HopStackRX, "udp_queue_rcv_one_skb": journey.HopStackRX, "__udp_queue_rcv_skb": journey.HopStackRX,
	"__udp6_lib_rcv": journey.HopStackRX, "udpv6_queue_rcv_one_skb": journey.HopStackRX,
	// net/core/neighbour.c, net/ipv4/arp.c, net/ipv6/ndisc.c
	"__neigh_event_send": journey.HopStackTX, "neigh_probe": journey.HopStackTX, "neigh_invalidate": journey.HopStackTX,
	"arp_error_report": journey.HopStackTX, "ndisc_error_report": journey.HopStackTX,
}

// onlyReasons are those of functions that free packets for one reason alone. A kernel
// before 5.17, which tells none, tells it by them.
var onlyReasons = map[string]string{
	"nf_hook_slow":       netfilterDrop, // net/netfilter/core.c
	"enqueue_to_backlog": "CPU_BACKLOG", // net/core/dev.c
}

// toldBy is the reason that the function stands for where the kernel told none.
func toldBy(location, reason string) string {
	if reason != dropreason.Untold {
		return reason
	}
	return cmp.Or(onlyReasons[dropreason.Function(location)], reason)
}

// freedIn is the hop of the function that freed a packet, HopUnknown where that
// does not tell. The functions that called it do not: what a softirq does runs
// within whatever it interrupted, such as sending another packet.
func freedIn(location string) journey.HopKind {
	return freeingFunctions[dropreason.Function(location)] // HopUnknown is the zero kind
}
