package probe

import (
	"fmt"
	"net/netip"

	"github.com/hopscope/hopscope/bpf"
)

// Drop is a group of dropped packets, counted exactly whatever the sample rate
// (tracepoint kfree_skb). The unit is skbs.
type Drop struct {
	Reason     uint32 // enum skb_drop_reason of the running kernel
	Location   uint64 // kernel address that freed the packet
	Stack      []uint64
	Netns      uint32 // where the packet was last, 0 when unknown
	Ifindex    uint32
	BornNetns  uint32 // of a tracked packet
	Cgroup     uint64 // of its socket, 0 when unknown
	Src, Dst   netip.Addr
	Port       uint16 // the service's, see KnowServices
	Proto      uint8
	TCPFlags   uint8  // of SYN, RST and FIN
	Point      uint8  // last stop of a tracked packet, see journey.Point
	Stop       uint8  // its flags, see journey.StopFlags
	Track      uint8  // enum hs_track; 0 unless netfilter dropped it
	Attributed string // journey, socket, device, conntrack, none
	Count      uint64
}

// Retransmits counts the retransmitted segments of the sockets of one owner
// for one peer and service, as the kernel counts them (TcpRetransSegs).
type Retransmits struct {
	Netns         uint32
	Cgroup        uint64
	Local, Remote netip.Addr
	Port          uint16            // the service's, see KnowServices
	Server        bool              // that port is the local one
	Segments      map[string]uint64 // rto, fast, tlp, syn, synack, other
}

// Resets counts the TCP resets of the sockets of one owner for one peer and
// service.
type Resets struct {
	Netns          uint32
	Cgroup         uint64 // 0 where no socket had a part in it
	Local, Remote  netip.Addr
	Port           uint16 // the service's, see KnowServices
	Server         bool   // that port is the local one
	Sent, Received uint64
}

var attributions = map[bpf.HopscopeHsDropBy]string{
	bpf.HopscopeHsDropByHS_BY_NOTHING:   "none",
	bpf.HopscopeHsDropByHS_BY_JOURNEY:   "journey",
	bpf.HopscopeHsDropByHS_BY_SOCKET:    "socket",
	bpf.HopscopeHsDropByHS_BY_DEVICE:    "device",
	bpf.HopscopeHsDropByHS_BY_CONNTRACK: "conntrack",
}

var retransmitKinds = map[bpf.HopscopeHsRetransmit]string{
	bpf.HopscopeHsRetransmitHS_X_RTO:    "rto",
	bpf.HopscopeHsRetransmitHS_X_FAST:   "fast",
	bpf.HopscopeHsRetransmitHS_X_TLP:    "tlp",
	bpf.HopscopeHsRetransmitHS_X_SYN:    "syn",
	bpf.HopscopeHsRetransmitHS_X_SYNACK: "synack",
	bpf.HopscopeHsRetransmitHS_X_OTHER:  "other",
}

// told is how much of the kernel's running totals was handed out already.
type told struct {
	drops       totals[bpf.HopscopeHsDropKey, bpf.HopscopeHsDrop]
	retransmits totals[bpf.HopscopeHsFlowKey, bpf.HopscopeHsRetransmits]
	resets      totals[bpf.HopscopeHsFlowKey, bpf.HopscopeHsResets]
}

// Drops gives what was dropped since the last call, or since Open. It belongs
// to one goroutine.
func (p *Probe) Drops() ([]Drop, error) {
	var out []Drop
	err := p.told.drops.news(p.coll.Maps["hs_drops"], func(k bpf.HopscopeHsDropKey, before, now bpf.HopscopeHsDrop) {
		out = append(out, Drop{
			Reason: k.Reason, Location: k.Location, Netns: k.Netns, Ifindex: k.Ifindex,
			BornNetns: k.BornNetns, Cgroup: k.Cgroup, Port: k.Port, Proto: k.Proto,
			TCPFlags: k.TcpFlags, Point: k.Point, Stop: k.Stop, Track: k.Track,
			Src: netip.AddrFrom16(k.Saddr).Unmap(), Dst: netip.AddrFrom16(k.Daddr).Unmap(),
			Attributed: attributions[bpf.HopscopeHsDropBy(k.By)],
			Stack:      p.stack(now.Stack), Count: now.Count - before.Count,
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read the drops: %w", err)
	}
	return out, nil
}

// Retransmits gives what was retransmitted since the last call, or since Open.
// It belongs to one goroutine.
func (p *Probe) Retransmits() ([]Retransmits, error) {
	var out []Retransmits
	err := p.told.retransmits.news(p.coll.Maps["hs_retransmits"], func(k bpf.HopscopeHsFlowKey, before, now bpf.HopscopeHsRetransmits) {
		r := Retransmits{
			Netns: k.Netns, Cgroup: k.Cgroup, Port: k.Port, Server: k.Server != 0,
			Local: netip.AddrFrom16(k.Local).Unmap(), Remote: netip.AddrFrom16(k.Remote).Unmap(),
			Segments: make(map[string]uint64, len(retransmitKinds)),
		}
		for kind, name := range retransmitKinds {
			r.Segments[name] = now.Segments[kind] - before.Segments[kind]
		}
		out = append(out, r)
	})
	if err != nil {
		return nil, fmt.Errorf("read the retransmissions: %w", err)
	}
	return out, nil
}

// Resets gives what was reset since the last call, or since Open. It belongs to
// one goroutine.
func (p *Probe) Resets() ([]Resets, error) {
	var out []Resets
	err := p.told.resets.news(p.coll.Maps["hs_resets"], func(k bpf.HopscopeHsFlowKey, before, now bpf.HopscopeHsResets) {
		out = append(out, Resets{
			Netns: k.Netns, Cgroup: k.Cgroup, Port: k.Port, Server: k.Server != 0,
			Local: netip.AddrFrom16(k.Local).Unmap(), Remote: netip.AddrFrom16(k.Remote).Unmap(),
			Sent: now.Sent - before.Sent, Received: now.Received - before.Received,
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read the resets: %w", err)
	}
	return out, nil
}

// stack is nil when the kernel kept none.
func (p *Probe) stack(id int32) []uint64 {
	if id < 0 {
		return nil
	}
	var frames [24]uint64
	if err := p.coll.Maps["hs_drop_stacks"].Lookup(uint32(id), &frames); err != nil {
		return nil
	}
	for i, f := range frames {
		if f == 0 {
			return append([]uint64(nil), frames[:i]...)
		}
	}
	return append([]uint64(nil), frames[:]...)
}
