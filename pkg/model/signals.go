package model

import (
	"net/netip"

	"github.com/hopscope/hopscope/pkg/journey"
)

// DropCount is a number of dropped packets of one group. They are counted in
// the kernel, whether tracked or not; the unit is skbs.
type DropCount struct {
	Reason     uint32            // enum skb_drop_reason of the kernel that it was counted in
	Location   uint64            // kernel address that freed them
	Stack      []uint64          // of the group's first packet, nil when unknown
	Place      journey.Place     // where they were last, zero when unknown
	Point      journey.Point     // last stop, 0 unless the packets were tracked
	Stop       journey.StopFlags `json:",omitempty"` // of the last stop: at a port of a bridge
	Born       uint32            // namespace that they came from, 0 unless tracked
	Cgroup     uint64            // of the socket that they belonged to, 0 when unknown
	Src, Dst   netip.Addr
	Port       uint16 // the lower of both ports, 0 without ports
	Proto      uint8
	TCPFlags   uint8  // of SYN, RST and FIN
	Track      Track  `json:",omitempty"` // 0 unless netfilter dropped them
	Attributed string // how the owner is known: journey, socket, device, counter, none
	Count      uint64
}

// ByCounter attributes drops that a counter of a namespace alone tells: who
// sent the packets is not known.
const ByCounter = "counter"

// Track says whether connection tracking knew a packet that netfilter dropped.
type Track uint8

// The values of a [Track]; 0 is unknown.
const (
	Untracked Track = 1 // it had not seen the packet, or was told not to
	Tracked   Track = 2
)

// RetransmitCount is a number of retransmitted TCP segments of the sockets of
// one owner for one peer and service, as the kernel counts them
// (TcpRetransSegs).
type RetransmitCount struct {
	Netns         uint32
	Cgroup        uint64
	Local, Remote netip.Addr
	Port          uint16 // the lower of both ports
	Server        bool   // that port is the local one
	Segments      RetransmitKinds
}

// RetransmitKinds counts segments by what made TCP send them again.
type RetransmitKinds struct {
	RTO    uint64 `json:"rto"`    // the retransmission timer
	Fast   uint64 `json:"fast"`   // fast recovery: duplicate ACKs, SACK or RACK
	TLP    uint64 `json:"tlp"`    // tail loss probe
	SYN    uint64 `json:"syn"`    // SYN
	SYNACK uint64 `json:"synack"` // SYN-ACK
	Other  uint64 `json:"other"`
}

// Total is the sum of all kinds.
func (k RetransmitKinds) Total() uint64 {
	return k.RTO + k.Fast + k.TLP + k.SYN + k.SYNACK + k.Other
}

func (k *RetransmitKinds) add(o RetransmitKinds) {
	k.RTO += o.RTO
	k.Fast += o.Fast
	k.TLP += o.TLP
	k.SYN += o.SYN
	k.SYNACK += o.SYNACK
	k.Other += o.Other
}
