package journey

import "time"

// HopKind is the name of a hop, one of the field's standard terms. docs/hops.md
// has a row for each.
type HopKind uint8

// Hop is the time between two consecutive stops of one journey. Every
// nanosecond of a journey belongs to exactly one hop.
type Hop struct {
	Kind HopKind
	Place
	Duration time.Duration
}

// Place is where a hop happens, in raw facts: joined with names when a
// snapshot is taken.
type Place struct {
	Netns   uint32
	Ifindex uint32 // 0: the namespace as a whole, such as a netfilter hook
}

// The hops, in the order in which docs/hops.md explains them.
const (
	HopUnknown        HopKind = iota
	HopStackTX                // IP output and neighbour, before the device's qdisc
	HopQdisc                  // in the device's queueing discipline
	HopXmit                   // the driver's transmit function, to the peer's backlog
	HopBacklog                // waiting for the softirq of a CPU
	HopGRO                    // generic receive offload
	HopBridge                 // forwarding inside a bridge (derived from its neighbours)
	HopPrerouting             // conntrack and DNAT
	HopInput                  // netfilter INPUT
	HopRouting                // routing decision
	HopForward                // netfilter FORWARD: the filter rules
	HopOutput                 // netfilter OUTPUT: conntrack and DNAT of local packets
	HopPostrouting            // SNAT, MASQUERADE
	HopEncap                  // put into a tunnel header
	HopDecap                  // taken out of a tunnel header
	HopMacvlan                // between a macvlan and its parent
	HopDriver                 // to the NIC's completion of the transmission
	HopStackRX                // from the device to the socket
	HopSockLock               // waiting while user space owns the socket
	HopMerged                 // the routed way, where netfilter stops are missing
	HopStackTXQdisc           // of a fragment, whose queueing was not seen apart
	HopStackRXRouting         // of a packet whose PREROUTING ran inside the bridge
)

var hopNames = [...]string{
	HopUnknown: "unknown", HopStackTX: "stack_tx", HopQdisc: "qdisc", HopXmit: "xmit",
	HopBacklog: "backlog", HopGRO: "gro", HopBridge: "bridge", HopPrerouting: "prerouting",
	HopInput: "input", HopRouting: "routing", HopForward: "forward", HopOutput: "output",
	HopPostrouting: "postrouting", HopEncap: "encap", HopDecap: "decap", HopMacvlan: "macvlan",
	HopDriver: "driver", HopStackRX: "stack_rx", HopSockLock: "sock_lock",
	HopMerged:         "prerouting+routing+forward+postrouting",
	HopStackTXQdisc:   "stack_tx+qdisc",
	HopStackRXRouting: "stack_rx+routing",
}

func (k HopKind) String() string {
	if int(k) < len(hopNames) {
		return hopNames[k]
	}
	return hopNames[HopUnknown]
}
