package model

import (
	"net/netip"
	"time"

	"github.com/hopscope/hopscope/pkg/journey"
)

// dropKey is one group of drops in raw facts.
type dropKey struct {
	reason     uint32
	born       uint32
	location   uint64
	cgroup     uint64
	src, dst   netip.Addr
	place      journey.Place
	port       uint16
	point      journey.Point
	stop       journey.StopFlags
	proto      uint8
	tcpFlags   uint8
	track      Track
	attributed string
	other      bool
}

// dropSum is what was counted under one key.
type dropSum struct {
	n     uint64
	stack []uint64  // of the first
	last  time.Time // the end of the last second that had one, zero when unknown
}

// AddDrops counts dropped packets. Journeys that ended as dropped are not
// counted beside them: these counts hold every packet, tracked or not.
func (a *Aggregator) AddDrops(d DropCount) {
	a.addDrops(dropKey{
		reason: d.Reason, born: d.Born, location: d.Location, cgroup: d.Cgroup, src: d.Src, dst: d.Dst,
		place: d.Place, port: d.Port, point: d.Point, stop: d.Stop, proto: d.Proto, tcpFlags: d.TCPFlags, track: d.Track, attributed: d.Attributed,
	}, dropSum{n: d.Count, stack: d.Stack})
}

func (a *Aggregator) addDrops(k dropKey, n dropSum) {
	sum, ok := a.drops[k]
	if !ok && len(a.drops) >= a.limits.Drops && !k.other {
		a.notes.otherDrops += n.n
		k = dropKey{reason: k.reason, proto: k.proto, other: true}
		sum = a.drops[k]
	}
	if sum.stack == nil {
		sum.stack = n.stack
	}
	sum.n += n.n
	sum.last = later(sum.last, n.last)
	a.drops[k] = sum
}

// diedIn names and places the hop in which packets of the group died by their
// last stop: HopUnknown where they had none.
func (k dropKey) diedIn() journey.Hop {
	if k.point == 0 {
		return journey.Hop{Place: k.place}
	}
	last := journey.Stop{Netns: k.place.Netns, Ifindex: k.place.Ifindex, Point: k.point, Flags: k.stop}
	end := last
	end.Point = journey.PointFree
	j := journey.Journey{Proto: k.proto, Ending: journey.EndingDropped, Stops: []journey.Stop{last, end}}
	return j.DiedIn()
}
