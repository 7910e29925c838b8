// Package journey turns the kernel's raw records into journeys, and journeys
// into hops. It knows nothing of containers: places are raw facts (network
// namespace and interface index) which later stages join with names.
package journey

import (
	"net/netip"
	"time"
)

// Point is the trace point at which a packet was observed (enum hs_point in
// bpf/abi.h). Netfilter points are [PointNF] + 2*hook, plus one for the
// observation after the hook's own work.
type Point uint8

// The points of bpf/abi.h.
const (
	PointQueue    Point = 1  // net_dev_queue
	PointXmit     Point = 2  // net_dev_start_xmit
	PointNetifRx  Point = 3  // netif_rx
	PointReceive  Point = 4  // netif_receive_skb
	PointGRO      Point = 5  // napi_gro_receive_entry
	PointDeliver  Point = 6  // cgroup_skb/ingress
	PointTCPProbe Point = 7  // tcp_probe
	PointFree     Point = 8  // kfree_skb
	PointConsume  Point = 9  // consume_skb
	PointMerged   Point = 10 // napi_gro_receive_exit
	PointNF       Point = 16

	PointPreIn      = PointNF + 0 // PREROUTING, before conntrack and DNAT
	PointPreOut     = PointNF + 1
	PointInputIn    = PointNF + 2 // INPUT
	PointInputOut   = PointNF + 3
	PointForwardIn  = PointNF + 4 // FORWARD, before the filter table
	PointForwardOut = PointNF + 5
	PointOutputIn   = PointNF + 6 // OUTPUT, before conntrack and DNAT
	PointOutputOut  = PointNF + 7
	PointPostIn     = PointNF + 8 // POSTROUTING, before SNAT
	PointPostOut    = PointNF + 9
)

// StopFlags is what the kernel side knew of a stop's device (enum
// hs_stop_flag).
type StopFlags uint8

// The stop flags of bpf/abi.h.
const (
	StopBridge   StopFlags = 1 << iota // a bridge's own device
	StopPort                           // a port of a bridge
	StopPhys                           // a NIC
	StopVeth                           // one end of a veth pair
	StopEncap                          // inside a tunnel header
	StopCoarse                         // the delta was recorded in units of 1,024 ns
	StopBackward                       // the clock ran backwards here
	StopTunnel                         // a tunnel's device (at net_dev_start_xmit only)
)

// Ending is how a journey ended (enum hs_ending).
type Ending uint8

// The endings of bpf/abi.h.
const (
	EndingNone        Ending = iota
	EndingDelivered          // reached a socket
	EndingDropped            // freed by kfree_skb, with reason and location
	EndingLeft               // a NIC completed its transmission
	EndingSegmented          // split by GSO or fragmented; children go on
	EndingMerged             // GRO made it part of another skb
	EndingRebuilt            // copied into a new skb; the copy goes on
	EndingConsumed           // used up by the kernel itself, such as an ICMP echo
	EndingReassembled        // a fragment that became part of its datagram, which goes on
)

// Flags of a whole journey (enum hs_journey_flag).
type Flags uint8

// The journey flags of bpf/abi.h.
const (
	FlagInherited Flags = 1 << iota // the first stops are its parent's
	FlagTruncated                   // had more stops than a record holds
	FlagReceived                    // born by reception on a NIC
	FlagPriority                    // SYN, RST or DNS: never sampled
	FlagInferred                    // the ending was not seen, but nothing else is possible
	FlagFragment                    // an IP fragment, the first one included
	FlagOuter                       // at its end known by the header of its tunnel
)

// Stop is one observation of the packet.
type Stop struct {
	At      time.Duration // since the first stop
	Netns   uint32        // inode of the network namespace
	Ifindex uint32
	CPU     uint16
	Point   Point
	Flags   StopFlags
}

// Tuple holds addresses and ports as a packet carried them. For ICMP the
// source port is the id and the destination port is type<<8 | code.
type Tuple struct {
	Src, Dst netip.AddrPort
}

// Sig is the part of a packet that NAT leaves alone (struct hs_sig).
type Sig struct{ A, B uint64 }

// Journey is one packet from its birth to its end. A Journey that is decoded
// into again keeps its Stops' memory.
type Journey struct {
	Start        uint64 // CLOCK_MONOTONIC, ns, at the first stop
	CgroupSrc    uint64 // cgroup v2 id of the sending socket, 0 when unknown
	CgroupDst    uint64 // cgroup v2 id of the receiving socket, 0 when unknown
	DropLocation uint64 // kernel address, 0 unless dropped
	DropReason   uint32 // enum skb_drop_reason of the running kernel
	Sig          Sig
	First        Tuple  // as the sender wrote it
	Last         Tuple  // after NAT
	Weight       uint32 // packets that this record stands for, at least 1
	Bytes        uint32 // IP header and payload at the first stop
	Segments     uint16 // GSO segments, at least 1
	Family       uint8  // 4 or 6
	Proto        uint8  // IP protocol number
	TCPFlags     uint8
	Ending       Ending
	Flags        Flags
	SRTT         time.Duration // smoothed round trip time of the receiving TCP socket, 0 when unknown
	Stops        []Stop
}

// Total is the time from the first stop to the last.
func (j *Journey) Total() time.Duration {
	if len(j.Stops) == 0 {
		return 0
	}
	return j.Stops[len(j.Stops)-1].At
}
