package journey

import "testing"

// routedJourney has as many stops as a container's packet to another network.
func routedJourney() Journey {
	j := wantV4()
	j.Ending, j.Stops = EndingDelivered, fromA().pre(bridge).at(bridge, PointReceive).
		pre(bridge).fwd(bridge).post(other).sends(other).toB()
	return j
}

func TestNoAllocations(t *testing.T) {
	want := routedJourney()
	raw := AppendRaw(nil, &want)
	dropped := wantV4()
	var j Journey
	var hops []Hop
	buf := make([]byte, 0, 1024)
	run := func() {
		if err := Decode(raw, &j); err != nil {
			t.Fatal(err)
		}
		hops = j.Hops(hops)
		dropped.DiedIn()
		buf = AppendRaw(buf[:0], &j)
	}
	run()
	if n := testing.AllocsPerRun(100, run); n != 0 {
		t.Errorf("%v allocations a record", n)
	}
	if len(hops) != len(want.Stops)-1 {
		t.Errorf("%d hops of %d stops", len(hops), len(want.Stops))
	}
}

func BenchmarkDecode(b *testing.B) {
	want := routedJourney()
	raw := AppendRaw(nil, &want)
	var j Journey
	b.ReportAllocs()
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		if err := Decode(raw, &j); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkHops(b *testing.B) {
	j := routedJourney()
	hops := make([]Hop, 0, MaxStops)
	b.ReportAllocs()
	for b.Loop() {
		hops = j.Hops(hops)
	}
	b.ReportMetric(float64(len(hops)), "hops/op")
}
