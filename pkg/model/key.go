package model

import (
	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/journey"
)

// rawKey is what makes journeys one path before names are known. The client's
// port is no part of it: the connections of one client to one server are one
// path.
type rawKey struct {
	src, dst     inventory.RawEndpoint
	srcIf, dstIf uint32 // tell the Docker network
	port         uint16 // the server's, as the server has it; 0 for ICMP
	published    uint16 // the port that DNAT rewrote, 0 without DNAT
	proto        uint8
	nat          natKind
	response     bool
	other        bool // stands for all paths of its protocol beyond the limit
}

// natKind says which addresses or ports of a flow are translated. It is named
// as the flow's first packet sees it, also for replies, whose translation is
// undone in the reverse sense.
type natKind uint8

const (
	natDst natKind = 1 << iota
	natSrc
)

func (k natKind) String() string {
	switch k {
	case natDst:
		return "dnat"
	case natSrc:
		return "snat"
	case natDst | natSrc:
		return "dnat+snat"
	}
	return "none"
}

// keyOf gives the raw key of a journey with at least one stop.
func keyOf(j *journey.Journey, response bool) rawKey {
	k := rawKey{proto: j.Proto, response: response, nat: natOf(j, response)}
	first := j.Stops[0]
	last := lastSeen(j)
	k.src = inventory.RawEndpoint{Cgroup: j.CgroupSrc, Addr: j.First.Src.Addr()}
	k.dst = inventory.RawEndpoint{Cgroup: j.CgroupDst, Addr: j.Last.Dst.Addr()}
	k.srcIf, k.dstIf = first.Ifindex, last.Ifindex
	if j.Flags&journey.FlagReceived == 0 {
		k.src.Netns = first.Netns
	}
	if reachedNamespace(j) {
		k.dst.Netns = last.Netns
	}
	if hasPorts(j.Proto) {
		k.port = j.Last.Dst.Port()
		visible := j.First.Dst.Port()
		if response {
			k.port, visible = j.First.Src.Port(), j.Last.Src.Port()
		}
		k.port = askedPort(j, k.port)
		if k.nat&natDst != 0 {
			k.published = visible
		}
	}
	return k
}

// reachedNamespace reports whether the last stop's namespace is the one of the
// destination. A packet that a NIC sent away, or that died on its way, has not
// been there; loopback traffic never leaves its namespace.
func reachedNamespace(j *journey.Journey) bool {
	switch j.Ending {
	case journey.EndingDelivered, journey.EndingConsumed, journey.EndingMerged:
		return true
	}
	return j.Last.Dst.Addr().IsLoopback()
}

// lastSeen is the last stop with a namespace: an ending may have none, since
// skb->dev is not valid at every place that frees a packet.
func lastSeen(j *journey.Journey) journey.Stop {
	for i := len(j.Stops) - 1; i > 0; i-- {
		if j.Stops[i].Netns != 0 {
			return j.Stops[i]
		}
	}
	return j.Stops[0]
}

func natOf(j *journey.Journey, response bool) natKind {
	src, dst := j.First.Src != j.Last.Src, j.First.Dst != j.Last.Dst
	if !hasPorts(j.Proto) { // id, type and code stand in place of ports
		src = j.First.Src.Addr() != j.Last.Src.Addr()
		dst = j.First.Dst.Addr() != j.Last.Dst.Addr()
	}
	if response {
		src, dst = dst, src
	}
	var k natKind
	if dst {
		k |= natDst
	}
	if src {
		k |= natSrc
	}
	return k
}

func hasPorts(proto uint8) bool {
	return proto == journey.ProtoTCP || proto == journey.ProtoUDP || proto == journey.ProtoSCTP
}
