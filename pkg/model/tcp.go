package model

import (
	"net/netip"
	"time"

	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/journey"
)

// tcpKey is the TCP sockets of one owner with one peer and service, in raw
// facts: one side of their connections.
type tcpKey struct {
	owner  inventory.RawEndpoint
	peer   netip.Addr // as the socket sees it: before DNAT at a client
	port   uint16     // of the service, as the socket sees it
	server bool       // the owner serves
}

// tcpStats is what is known of one side.
type tcpStats struct {
	rtt         dist // smoothed round trip times, one a received packet
	segments    uint64
	retransmits RetransmitKinds
	connects    Connects
	resets      Resets
	last        lastTimes

	times [tcpTimes]*dist // nil: nothing was measured
}

// tcpTime is something that is measured of a side's connections.
type tcpTime int

const (
	timeConnect tcpTime = iota
	timeAccept
	timeApp
	timeSockRecv
	tcpTimes
)

// lastTimes are when something happened last: the end of that second, zero when
// unknown.
type lastTimes struct{ retransmit, reset time.Time }

func (l *lastTimes) merge(o lastTimes) {
	l.retransmit, l.reset = later(l.retransmit, o.retransmit), later(l.reset, o.reset)
}

// happened is what a part that ended at the given time had of them.
func (x *sealedTCP) happened(to time.Time) (l lastTimes) {
	if x.retransmits.Total() > 0 {
		l.retransmit = to
	}
	if x.resets.Sent > 0 {
		l.reset = to
	}
	return l
}

func later(x, y time.Time) time.Time {
	if y.After(x) {
		return y
	}
	return x
}

// AddRetransmits counts retransmitted segments, tracked or not.
func (a *Aggregator) AddRetransmits(r RetransmitCount) {
	s := a.tcpSide(tcpKey{
		owner: inventory.RawEndpoint{Netns: r.Netns, Cgroup: r.Cgroup, Addr: r.Local},
		peer:  r.Remote, port: r.Port, server: r.Server,
	})
	if s == nil {
		a.notes.otherTCP += r.Segments.Total()
		return
	}
	s.retransmits.add(r.Segments)
}

// addTCP takes from a journey what its sender sent and, where it reached a
// socket that measures it, the receiver's round trip time.
func (a *Aggregator) addTCP(j *journey.Journey, k rawKey, weight uint64) {
	if j.Proto != journey.ProtoTCP {
		return
	}
	if j.Flags&journey.FlagReceived == 0 {
		port := j.First.Dst.Port()
		if k.response {
			port = j.First.Src.Port()
		}
		side := tcpKey{owner: k.src, peer: j.First.Dst.Addr(), port: port, server: k.response}
		a.addLost(j, side)
		if j.Flags&journey.FlagInherited == 0 { // else it counts with the packet that was split
			if s := a.tcpSide(side); s != nil {
				s.segments += uint64(max(j.Segments, 1)) * weight
			}
		}
	}
	if j.SRTT > 0 {
		port := j.Last.Dst.Port()
		if k.response {
			port = j.Last.Src.Port()
		}
		if s := a.tcpSide(tcpKey{owner: k.dst, peer: j.Last.Src.Addr(), port: port, server: !k.response}); s != nil {
			s.rtt.add(int64(j.SRTT), weight)
		}
	}
}

// tcpSide is nil beyond the limit.
func (a *Aggregator) tcpSide(k tcpKey) *tcpStats {
	s := a.tcp[k]
	if s == nil {
		if len(a.tcp) >= a.limits.Endpoints {
			return nil
		}
		s = &tcpStats{rtt: newDist(a.maps.fine)}
		a.tcp[k] = s
	}
	return s
}
