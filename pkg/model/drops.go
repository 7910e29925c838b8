package model

import "github.com/hopscope/hopscope/pkg/journey"

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

// addDrop counts a dropped journey in the hop in which it died.
func (a *Aggregator) addDrop(j *journey.Journey, path rawKey, weight uint64) {
	died := j.DiedIn()
	k := dropKey{
		path: path, reason: j.DropReason, location: j.DropLocation, tcpFlags: j.TCPFlags,
		kind: died.Kind, place: died.Place,
	}
	if _, ok := a.drops[k]; !ok && len(a.drops) >= a.limits.Drops {
		a.notes.otherDrops += weight
		k = dropKey{reason: j.DropReason, other: true, path: rawKey{proto: j.Proto, other: true}}
	}
	a.drops[k] += weight
}
