package pipeline

import (
	"testing"

	"github.com/hopscope/hopscope/pkg/model"
	"github.com/hopscope/hopscope/pkg/probe"
)

const (
	testOverflow = 77
	testOther    = 78
	testNetns    = 5
)

// listening steps through seconds of a namespace.
type listening struct {
	*listenDrops
	t *testing.T
}

func (l listening) second(overflows, drops, seen uint64, final bool) (over, other uint64) {
	l.t.Helper()
	l.moved([]model.CounterCount{
		{CounterKey: model.CounterKey{Kind: model.CountListenOverflows, Netns: testNetns}, N: overflows},
		{CounterKey: model.CounterKey{Kind: model.CountListenDrops, Netns: testNetns}, N: drops},
	})
	l.counted([]probe.Drop{{Reason: testOverflow, Netns: testNetns, Count: seen}, {Reason: 3, Netns: testNetns, Count: 9}})
	for _, d := range l.missing(final) {
		switch {
		case d.Place.Netns != testNetns || d.Attributed != model.ByCounter:
			l.t.Errorf("%+v", d)
		case d.Reason == testOverflow:
			over += d.Count
		case d.Reason == testOther:
			other += d.Count
		}
	}
	return over, other
}

func TestMissingListenDrops(t *testing.T) {
	type second struct{ overflows, drops, seen, over, other uint64 }
	for name, c := range map[string][]second{
		"all seen":                     {{10, 10, 10, 0, 0}, {5, 5, 5, 0, 0}, {0, 0, 0, 0, 0}},
		"seen before they are counted": {{0, 0, 10, 0, 0}, {10, 10, 0, 0, 0}, {0, 0, 0, 0, 0}},
		"seen after they are counted":  {{10, 10, 0, 0, 0}, {0, 0, 10, 0, 0}, {0, 0, 0, 0, 0}},
		"none seen":                    {{10, 12, 0, 0, 0}, {0, 0, 0, 10, 2}, {1, 1, 0, 1, 0}},
		"at the end":                   {{0, 0, 0, 0, 0}, {0, 0, 0, 0, 0}, {4, 4, 1, 3, 0}},
	} {
		l := listening{newListenDrops(testOverflow, testOther), t}
		for i, s := range c {
			over, other := l.second(s.overflows, s.drops, s.seen, i == len(c)-1)
			if over != s.over || other != s.other {
				t.Errorf("%s, second %d: %d and %d missing, want %d and %d", name, i, over, other, s.over, s.other)
			}
		}
	}
}
