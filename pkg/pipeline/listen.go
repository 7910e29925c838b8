package pipeline

import (
	"github.com/hopscope/hopscope/pkg/journey"
	"github.com/hopscope/hopscope/pkg/model"
	"github.com/hopscope/hopscope/pkg/probe"
)

// listenDrops finds what the listeners of a namespace dropped by the kernel's
// own counters, and the programs did not see: a request that was filtered out,
// or one for which there was no room among those that wait for their
// handshake's end. It is told as drops without a sender.
type listenDrops struct {
	overflow, other uint32 // numbers of the reasons
	namespaces      map[uint32]*listenSums
}

// listenSums are totals of one namespace.
type listenSums struct {
	overflows, drops   uint64 // the counters; all drops hold the overflows
	before             [2]uint64
	seenOver, seenElse uint64 // what the programs saw
	toldOver, toldElse uint64
}

func newListenDrops(overflow, other uint32) *listenDrops {
	return &listenDrops{overflow, other, map[uint32]*listenSums{}}
}

func (l *listenDrops) of(netns uint32) *listenSums {
	s := l.namespaces[netns]
	if s == nil {
		s = &listenSums{}
		l.namespaces[netns] = s
	}
	return s
}

// counted takes in what the programs counted.
func (l *listenDrops) counted(drops []probe.Drop) {
	for i := range drops {
		switch d := &drops[i]; d.Reason {
		case l.overflow:
			l.of(d.Netns).seenOver += d.Count
		case l.other:
			l.of(d.Netns).seenElse += d.Count
		}
	}
}

// moved takes in the counters.
func (l *listenDrops) moved(counts []model.CounterCount) {
	for _, c := range counts {
		switch c.Kind {
		case model.CountListenOverflows:
			l.of(c.Netns).overflows += c.N
		case model.CountListenDrops:
			l.of(c.Netns).drops += c.N
		}
	}
}

// missing gives what the counters had at the last call and the programs have
// not seen by now, so that what happens between the two readings is not taken
// for missing. With final set, both are read for the last time.
func (l *listenDrops) missing(final bool) (out []model.DropCount) {
	for netns, s := range l.namespaces {
		over, all := s.before[0], s.before[1]
		if final {
			over, all = s.overflows, s.drops
		}
		s.before = [2]uint64{s.overflows, s.drops}
		for _, m := range []struct {
			reason uint32
			have   uint64
			told   *uint64
		}{{l.overflow, above(over, s.seenOver), &s.toldOver}, {l.other, above(all, over+s.seenElse), &s.toldElse}} {
			n := above(m.have, *m.told)
			if n == 0 {
				continue
			}
			*m.told += n
			out = append(out, model.DropCount{
				Reason: m.reason, Place: journey.Place{Netns: netns}, Point: journey.PointReceive,
				Proto: journey.ProtoTCP, Attributed: model.ByCounter, Count: n,
			})
		}
	}
	return out
}

func above(n, low uint64) uint64 { return n - min(n, low) }
