package model

import (
	"github.com/hopscope/hopscope/pkg/journey"
)

// dropKey is one group of drops in raw facts.
type dropKey struct {
	path     rawKey
	reason   uint32
	location uint64
	tcpFlags uint8
	kind     journey.HopKind
	place    journey.Place
	other    bool
}

// addDrop counts a dropped journey where it died: in its last hop, which ends
// with kfree_skb.
func (a *Aggregator) addDrop(j *journey.Journey, path rawKey, hops []journey.Hop, weight uint64) {
	k := dropKey{path: path, reason: j.DropReason, location: j.DropLocation, tcpFlags: j.TCPFlags}
	if n := len(hops); n > 0 {
		k.kind, k.place = hops[n-1].Kind, hops[n-1].Place
	} else {
		at := lastSeen(j)
		k.place = journey.Place{Netns: at.Netns, Ifindex: at.Ifindex}
	}
	if _, ok := a.drops[k]; !ok && len(a.drops) >= a.limits.Drops {
		a.notes.otherDrops += weight
		k = dropKey{reason: j.DropReason, other: true, path: rawKey{proto: j.Proto, other: true}}
	}
	a.drops[k] += weight
}
