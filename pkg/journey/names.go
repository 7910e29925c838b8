package journey

import "strconv"

var pointNames = [...]string{
	PointQueue:      "net_dev_queue",
	PointXmit:       "net_dev_start_xmit",
	PointNetifRx:    "netif_rx",
	PointReceive:    "netif_receive_skb",
	PointGRO:        "napi_gro_receive_entry",
	PointDeliver:    "cgroup_skb/ingress",
	PointTCPProbe:   "tcp_probe",
	PointFree:       "kfree_skb",
	PointConsume:    "consume_skb",
	PointMerged:     "napi_gro_receive_exit",
	PointPreIn:      "PREROUTING in",
	PointPreOut:     "PREROUTING out",
	PointInputIn:    "INPUT in",
	PointInputOut:   "INPUT out",
	PointForwardIn:  "FORWARD in",
	PointForwardOut: "FORWARD out",
	PointOutputIn:   "OUTPUT in",
	PointOutputOut:  "OUTPUT out",
	PointPostIn:     "POSTROUTING in",
	PointPostOut:    "POSTROUTING out",
}

// Valid says whether p is a point of bpf/abi.h.
func (p Point) Valid() bool {
	return int(p) < len(pointNames) && pointNames[p] != ""
}

// String is the kernel's name of the trace point, or the netfilter hook and
// the side of it.
func (p Point) String() string {
	if !p.Valid() {
		return "point " + strconv.Itoa(int(p))
	}
	return pointNames[p]
}

var endingNames = [...]string{
	EndingNone:        "none",
	EndingDelivered:   "delivered",
	EndingDropped:     "dropped",
	EndingLeft:        "left",
	EndingSegmented:   "segmented",
	EndingMerged:      "gro_merged",
	EndingRebuilt:     "rebuilt",
	EndingConsumed:    "consumed",
	EndingReassembled: "reassembled",
}

// String is the ending as accounting and exports write it.
func (e Ending) String() string {
	if int(e) < len(endingNames) {
		return endingNames[e]
	}
	return "ending " + strconv.Itoa(int(e))
}

// ParseEnding is the inverse of [Ending.String].
func ParseEnding(name string) (Ending, bool) {
	for e, n := range endingNames {
		if n == name {
			return Ending(e), true
		}
	}
	return EndingNone, false
}

// ParsePoint is the inverse of [Point.String].
func ParsePoint(name string) (Point, bool) {
	for p, n := range pointNames {
		if n == name && n != "" {
			return Point(p), true
		}
	}
	return 0, false
}

// IP protocol numbers (IANA protocol-numbers) that this tool names.
const (
	ProtoICMP   = 1
	ProtoTCP    = 6
	ProtoUDP    = 17
	ProtoICMPv6 = 58
	ProtoSCTP   = 132
)

// ProtoName is the usual name of an IP protocol number, the number itself when
// there is none here.
func ProtoName(proto uint8) string {
	switch proto {
	case ProtoICMP:
		return "icmp"
	case ProtoTCP:
		return "tcp"
	case ProtoUDP:
		return "udp"
	case ProtoICMPv6:
		return "icmpv6"
	case ProtoSCTP:
		return "sctp"
	}
	return strconv.Itoa(int(proto))
}

// ParseProto is the inverse of [ProtoName], numbers included.
func ParseProto(name string) (uint8, bool) {
	for _, p := range [...]uint8{ProtoICMP, ProtoTCP, ProtoUDP, ProtoICMPv6, ProtoSCTP} {
		if ProtoName(p) == name {
			return p, true
		}
	}
	n, err := strconv.ParseUint(name, 10, 8)
	return uint8(n), err == nil
}

// HopKinds lists every hop, HopUnknown first.
func HopKinds() []HopKind {
	kinds := make([]HopKind, len(hopNames))
	for k := range hopNames {
		kinds[k] = HopKind(k)
	}
	return kinds
}

// ParseHopKind is the inverse of [HopKind.String].
func ParseHopKind(name string) (HopKind, bool) {
	for k, n := range hopNames {
		if n == name {
			return HopKind(k), true
		}
	}
	return HopUnknown, false
}
