package model

import (
	"cmp"
	"slices"
	"time"

	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/journey"
)

// Bounds of what is remembered of lost segments: who is beyond forgets the
// oldest, and those retransmissions have no place.
const (
	maxLostFlows   = 4096
	maxLostPerFlow = 64
	lostFor        = 2 * time.Minute // TCP_RTO_MAX: by then it was sent again
)

// lostSegment is a part of a flow's sequence space that was seen to die.
type lostSegment struct {
	seq, bytes uint32
	died       uint64 // CLOCK_MONOTONIC, ns
	at         lostPlace
}

// lostPlace is where and of what it died.
type lostPlace struct {
	hop      journey.HopKind
	place    journey.Place
	reason   uint32
	location uint64
	tcpFlags uint8
}

// lostKey counts the retransmissions of one side whose originals died at one
// place.
type lostKey struct {
	side tcpKey
	at   lostPlace
}

// lostSegments remembers the tracked segments that died, until they are sent
// again. Flows are as their sender writes them, before NAT.
type lostSegments struct {
	flows map[journey.Tuple][]lostSegment
}

func newLostSegments() *lostSegments {
	return &lostSegments{flows: map[journey.Tuple][]lostSegment{}}
}

// sequence is the part of the sequence space that a TCP journey carries: SYN
// and FIN take one, like a byte (RFC 9293, 3.4). See bpf/packet.h, read_tcp.
func sequence(j *journey.Journey) (seq, bytes uint32) {
	const fin, syn = 0x01, 0x02
	bytes = uint32(j.Sig.B>>16) & 0xffff
	if j.TCPFlags&syn != 0 {
		bytes++
	}
	if j.TCPFlags&fin != 0 {
		bytes++
	}
	return uint32(j.Sig.A >> 32), bytes
}

// before finds where the original of a segment died.
func (l *lostSegments) before(j *journey.Journey, seq uint32) (lostPlace, bool) {
	list := l.flows[j.First]
	for i := len(list) - 1; i >= 0; i-- {
		if x := &list[i]; x.died <= j.Start && seq-x.seq < x.bytes {
			return x.at, true
		}
	}
	return lostPlace{}, false
}

// add remembers a segment that died.
func (l *lostSegments) add(j *journey.Journey, seq, bytes uint32) {
	died := j.Start + uint64(j.Total())
	list, known := l.flows[j.First]
	if !known && len(l.flows) >= maxLostFlows {
		l.forget(died)
	}
	hop := j.DiedIn()
	x := lostSegment{seq, bytes, died, lostPlace{hop.Kind, hop.Place, j.DropReason, j.DropLocation, j.TCPFlags & 0x07}}
	if slices.Contains(list, x) { // two aggregators share what is lost
		return
	}
	if len(list) >= maxLostPerFlow {
		list = list[1:]
	}
	l.flows[j.First] = append(slices.Clip(list), x)
}

// forget makes room: flows whose last loss is long ago go, or else all.
func (l *lostSegments) forget(now uint64) {
	for flow, list := range l.flows {
		if list[len(list)-1].died+uint64(lostFor) < now {
			delete(l.flows, flow)
		}
	}
	if len(l.flows) >= maxLostFlows {
		clear(l.flows)
	}
}

// addLost joins a TCP journey with the one before it that carried the same data
// and died. Both have to be tracked.
func (a *Aggregator) addLost(j *journey.Journey, side tcpKey) {
	seq, bytes := sequence(j)
	if bytes == 0 || j.Family == 0 {
		return // an acknowledgement is not sent again
	}
	if j.Flags&journey.FlagInherited == 0 { // the parts of a packet that was split come with it
		segments := uint32(max(j.Segments, 1))
		for i := range segments {
			if at, ok := a.lost.before(j, seq+uint32(uint64(bytes)*uint64(i)/uint64(segments))); ok {
				a.addLostAt(lostKey{side, at}, 1)
			}
		}
	}
	if j.Ending == journey.EndingDropped {
		a.lost.add(j, seq, bytes)
	}
}

func (a *Aggregator) addLostAt(k lostKey, n uint64) {
	if _, known := a.lostAt[k]; !known && len(a.lostAt) >= a.limits.Drops {
		return // a part of the retransmissions has no place in any case
	}
	a.lostAt[k] += n
}

// LostAt is where originals of retransmitted segments died.
type LostAt struct {
	Hop   string `json:"hop"`
	Where string `json:"where"`
	Count uint64 `json:"count"`
}

// lostAt names the places, the most first. What died of having arrived before
// is left out.
func (b *builder) lostAt(a *Aggregator) map[tcpName][]LostAt {
	type place struct {
		side       tcpName
		hop, where string
	}
	rules := dropRules()
	sums := map[place]uint64{}
	for k, n := range a.lostAt {
		class := classify(rules, Dropped{
			Reason: b.meta.reason(k.at.reason), Location: b.meta.symbol(k.at.location),
			Proto: journey.ProtoTCP, TCPFlags: k.at.tcpFlags,
		})
		if class != ClassLoss {
			continue
		}
		side := tcpName{b.endpoint(k.side.owner), b.endpoint(inventory.RawEndpoint{Addr: k.side.peer}), k.side.port, k.side.server}
		sums[place{side, k.at.hop.String(), b.hopPlace(k.at.hop, k.at.place).where}] += n
	}
	out := map[tcpName][]LostAt{}
	for p, n := range sums {
		out[p.side] = append(out[p.side], LostAt{p.hop, p.where, n})
	}
	for _, list := range out {
		slices.SortFunc(list, func(x, y LostAt) int {
			return cmp.Or(cmp.Compare(y.Count, x.Count), cmp.Compare(x.Hop, y.Hop), cmp.Compare(x.Where, y.Where))
		})
	}
	return out
}
