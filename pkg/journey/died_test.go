package journey

import (
	"testing"
	"time"
)

func TestDiedIn(t *testing.T) {
	forwarded := fromA().at(bridge, PointReceive).pre(bridge).hook(bridge, PointForwardIn)
	full := path{}
	for len(full) < MaxStops {
		full = full.at(eth0A, PointXmit)
	}
	full[MaxStops-1].Point = PointFree
	for _, c := range []struct {
		name  string
		stops path
		flags Flags
		want  string
		took  time.Duration
	}{
		{"in FORWARD", forwarded.at(none, PointFree), 0, "forward @ host", 1 << 7},
		{"in FORWARD, the drop itself is not in the record", forwarded, 0, "forward @ host", 0},
		{"a single stop", path{}.at(eth0A, PointQueue), 0, "qdisc @ A/eth0", 0},
		{"a single stop, at a port", path{}.at(portA, PointReceive), 0, "bridge @ vethA", 0},
		{"inside a bridge", fromA().pre(bridge), 0, "bridge @ br-1", 0},
		{"more stops than fit", full, FlagTruncated, "unknown @ A/eth0", 1 << (MaxStops - 2)},
	} {
		t.Run(c.name, func(t *testing.T) {
			j := Journey{Stops: c.stops, Flags: c.flags, Ending: EndingDropped, Proto: ProtoTCP}
			got := j.DiedIn()
			if name := got.Kind.String() + " @ " + label(got.Place); name != c.want || got.Duration != c.took {
				t.Errorf("died in %s for %v, want %s for %v", name, got.Duration, c.want, c.took)
			}
		})
	}
}

func TestDiedInOnlyWhenDropped(t *testing.T) {
	delivered := Journey{Stops: fromA().toB(), Ending: EndingDelivered}
	empty := Journey{Ending: EndingDropped}
	for _, j := range []Journey{delivered, empty} {
		if got := j.DiedIn(); got != (Hop{}) {
			t.Errorf("%v with %d stops died in %+v", j.Ending, len(j.Stops), got)
		}
	}
}

// Of the hops of a truncated journey only the last is in doubt.
func TestHopsTruncated(t *testing.T) {
	var stops path
	for len(stops) < MaxStops {
		stops = stops.sends(eth0A)
	}
	j := Journey{Stops: stops, Flags: FlagTruncated, Ending: EndingDelivered}
	hops := j.Hops(nil)
	var sum time.Duration
	for i, h := range hops {
		sum += h.Duration
		if last := i == len(hops)-1; last && h.Kind != HopUnknown {
			t.Errorf("hop %d is %v", i, h.Kind)
		}
	}
	if hops[0].Kind != HopQdisc || sum != j.Total() {
		t.Errorf("first hop %v, sum %v of %v", hops[0].Kind, sum, j.Total())
	}
}
