package history

import (
	"fmt"
	"net/netip"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/journey"
	"github.com/hopscope/hopscope/pkg/model"
)

var begin = time.Date(2026, 3, 1, 14, 0, 0, 0, time.UTC)

// numbered names every namespace by its number.
type numbered struct{}

func (numbered) Endpoint(e inventory.RawEndpoint) inventory.Endpoint {
	if e.Netns == 0 {
		return inventory.Endpoint{Kind: inventory.KindExternal, Name: e.Addr.String()}
	}
	name := fmt.Sprintf("c%d", e.Netns)
	return inventory.Endpoint{Kind: inventory.KindContainer, Name: name, ContainerID: "id-" + name}
}

func (numbered) Where(netns, _ uint32) (where, device string) {
	return fmt.Sprintf("eth0 of c%d", netns), "eth0"
}

func (numbered) Network(uint32, uint32) (inventory.Network, bool) { return inventory.Network{}, false }

// send is one packet between two namespaces with one hop of the given length.
func send(h *History, from, to uint32, d time.Duration) {
	addr := func(ns uint32) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(ns >> 8), byte(ns)}), uint16(8000+ns%2))
	}
	hops := []journey.Hop{{Kind: journey.HopQdisc, Place: journey.Place{Netns: from, Ifindex: 2}, Duration: d}}
	tuple := journey.Tuple{Src: netip.AddrPortFrom(addr(from).Addr(), 40000), Dst: addr(to)}
	j := &journey.Journey{
		Start: 1, First: tuple, Last: tuple, Weight: 1, Bytes: 100, Segments: 1, Family: 4,
		Proto: journey.ProtoTCP, Ending: journey.EndingDelivered,
		Stops: []journey.Stop{{Netns: from, Ifindex: 2}, {At: d, Netns: to, Ifindex: 2}},
	}
	_ = h.Journey(j, hops)
}

func second(n int) time.Time { return begin.Add(time.Duration(n) * time.Second) }

// count is the packets of a frame, and its only path's mean.
func count(t *testing.T, f Frame) (n uint64, mean time.Duration) {
	t.Helper()
	for _, p := range f.Snapshot.Paths {
		n += p.Journeys
		mean = time.Duration(*p.Total.MeanNs)
	}
	return n, mean
}

// TestWindowsAndSteps has second i carry i+1 packets of (i+1) ms.
func TestWindowsAndSteps(t *testing.T) {
	h := New(Options{}, begin)
	for i := range 100 {
		for range i + 1 {
			send(h, 1, 2, time.Duration(i+1)*time.Millisecond)
		}
		h.Roll(second(i + 1))
	}
	sum := func(from, to int) (n uint64) {
		for i := from; i <= to; i++ {
			n += uint64(i)
		}
		return n
	}
	for _, c := range []struct {
		window  time.Duration
		until   int // second, 0 = now
		want    uint64
		covered time.Duration
	}{
		{time.Second, 0, 100, time.Second},
		{10 * time.Second, 0, sum(91, 100), 10 * time.Second},
		{time.Minute, 0, sum(41, 100), time.Minute},
		{0, 0, sum(1, 100), 100 * time.Second},
		{time.Second, 65, 65, time.Second},
		{10 * time.Second, 65, sum(56, 65), 10 * time.Second},
		{10 * time.Second, 20, sum(11, 20), 10 * time.Second},
		{time.Second, 25, sum(11, 20), 10 * time.Second}, // only tens are left
		{time.Minute, 60, sum(1, 60), time.Minute},
		{time.Second, -5, sum(1, 10), 10 * time.Second}, // before the begin
	} {
		q := Query{Window: c.window}
		if c.until != 0 {
			q.Until = second(c.until)
		}
		f := h.Frame(q, numbered{}, model.Meta{})
		n, _ := count(t, f)
		if n != c.want || f.Covered != c.covered || time.Duration(f.Snapshot.DurationNs) != c.covered {
			t.Errorf("%v until %d: %d packets over %v, want %d over %v", c.window, c.until, n, f.Covered, c.want, c.covered)
		}
	}
	f := h.Frame(Query{Window: 10 * time.Second, Until: second(65)}, numbered{}, model.Meta{})
	if !f.At.Equal(second(65)) || !f.Newest.Equal(second(100)) || !f.Oldest.Equal(second(10)) || !f.Snapshot.StartedAt.Equal(second(55)) {
		t.Errorf("at %v, newest %v, oldest %v, begin %v", f.At, f.Newest, f.Oldest, f.Snapshot.StartedAt)
	}
}

func TestTrendsAndHeat(t *testing.T) {
	h := New(Options{}, begin)
	for i := range 5 {
		if i != 2 {
			send(h, 1, 2, time.Duration(i+1)*time.Millisecond)
			send(h, 1, 3, time.Microsecond)
		}
		h.Roll(second(i + 1))
	}
	f := h.Frame(Query{Window: time.Second}, numbered{}, model.Meta{})
	got := f.Trends["id-c2"]
	want := []int64{1e6, 2e6, Unmeasured, 4e6, 5e6}
	if !reflect.DeepEqual(got, want) || !reflect.DeepEqual(f.Trends["id-c1"], want) {
		t.Errorf("trends %v", f.Trends)
	}
	slow := f.Snapshot.Paths[0]
	f = h.Frame(Query{Window: time.Second, Heat: &HeatQuery{Path: slow.ID(), Hop: "qdisc", Where: "eth0 of c1"}}, numbered{}, model.Meta{})
	if len(f.Heat) != 5 || len(f.Heat[2].Counts) != 0 || f.Heat[4].Counts[model.HeatRow(5e6)] != 1 || !f.Heat[4].To.Equal(second(5)) {
		t.Errorf("heat %+v", f.Heat)
	}
}

// TestMemoryIsBounded runs for two hours: what is kept must stop growing after
// six minutes, and obey the budget.
func TestMemoryIsBounded(t *testing.T) {
	h := New(Options{}, begin)
	after := 0
	for i := range 7200 {
		for k := range uint32(3) {
			send(h, 1, 2+k, time.Duration(1+i%1000)*time.Microsecond)
		}
		h.Roll(second(i + 1))
		if i == 400 {
			after = h.Usage().Bytes
		}
	}
	u := h.Usage()
	if u.Bytes > after*11/10 || u.Pieces > fineKept+finePerPiece+coarseKept || u.Dropped != 0 {
		t.Errorf("%+v, and %d bytes after 400 s", u, after)
	}
	f := h.Frame(Query{}, numbered{}, model.Meta{})
	if n, _ := count(t, f); n != 3*7200 && n != 7200 {
		t.Errorf("%d packets in all", n)
	}

	small := New(Options{Bytes: after / 4}, begin)
	for i := range 400 {
		send(small, 1, 2, time.Duration(1+i)*time.Microsecond)
		small.Roll(second(i + 1))
	}
	if u := small.Usage(); u.Bytes > after/4 || u.Dropped == 0 {
		t.Errorf("with a budget of %d: %+v", after/4, u)
	}
}

// TestTightBudgetKeepsTens has a budget for thirty seconds: of what is older the
// tens are kept, which take less, and so the past is longer than thirty seconds.
func TestTightBudgetKeepsTens(t *testing.T) {
	one := New(Options{}, begin)
	spread := func(h *History) {
		for to := range uint32(50) {
			send(h, 1, 2+to, time.Millisecond)
		}
	}
	spread(one)
	one.Roll(second(1))
	h := New(Options{Bytes: 30 * one.Usage().Bytes}, begin)
	for i := range 300 {
		spread(h)
		h.Roll(second(i + 1))
	}
	f := h.Frame(Query{Window: 10 * time.Second}, numbered{}, model.Meta{})
	if back := f.Newest.Sub(f.Oldest); back < 100*time.Second || f.Covered != 10*time.Second {
		t.Errorf("the past is %v long, and ten seconds are %v", back, f.Covered)
	}
	if u := h.Usage(); u.Bytes > 30*one.Usage().Bytes {
		t.Errorf("with a budget of %d: %+v", 30*one.Usage().Bytes, u)
	}
	if n, _ := count(t, h.Frame(Query{}, numbered{}, model.Meta{})); n != 300*50 {
		t.Errorf("%d packets in all", n)
	}
}

// TestEverythingWheneverItIsAsked asks for the sum of everything at odd moments,
// or only in the end: it is the same, every packet in it once.
func TestEverythingWheneverItIsAsked(t *testing.T) {
	for _, o := range []Options{{}, {Bytes: 20_000}} { // with room for all, and for next to nothing
		often, seldom := New(o, begin), New(o, begin)
		ask := func(h *History) Frame { return h.Frame(Query{}, numbered{}, model.Meta{}) }
		for i := range 200 {
			for _, h := range []*History{often, seldom} {
				send(h, 1, 2, time.Duration(i+1)*time.Millisecond)
				h.Roll(second(i + 1))
			}
			if i%7 == 0 || i > 60 && i < 90 {
				if n, _ := count(t, ask(often)); n != uint64(i+1) {
					t.Fatalf("%d packets after %d", n, i+1)
				}
			}
		}
		if x, y := ask(often).Snapshot.Whole(), ask(seldom).Snapshot.Whole(); !reflect.DeepEqual(x, y) {
			t.Errorf("asked often it is %+v, asked once %+v", x, y)
		}
	}
}

func TestAddingNeverWaitsForAFrame(t *testing.T) {
	h := New(Options{}, begin)
	send(h, 1, 2, time.Millisecond)
	h.Roll(second(1))
	hold := holdNames{entered: make(chan struct{}), release: make(chan struct{})}
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		h.Frame(Query{Window: time.Second}, hold, model.Meta{})
	}()
	<-hold.entered // the frame is under way and cannot go on
	send(h, 1, 2, time.Millisecond)
	h.Roll(second(2))
	close(hold.release)
	wg.Wait()
	if n, _ := count(t, h.Frame(Query{}, numbered{}, model.Meta{})); n != 2 {
		t.Errorf("%d packets, want 2", n)
	}
}

// holdNames blocks at the first question.
type holdNames struct {
	numbered
	entered, release chan struct{}
}

func (n holdNames) Endpoint(e inventory.RawEndpoint) inventory.Endpoint {
	select {
	case n.entered <- struct{}{}:
	case <-n.release:
	}
	<-n.release
	return n.numbered.Endpoint(e)
}

func BenchmarkFrame(b *testing.B) {
	for _, paths := range []int{100, 1000} {
		for _, window := range []time.Duration{time.Second, 10 * time.Second, time.Minute, 0} {
			b.Run(fmt.Sprintf("paths=%d/window=%v", paths, window), func(b *testing.B) {
				h := New(Options{}, begin)
				for i := range 70 {
					for k := range paths * 4 {
						send(h, 1+uint32(k%paths), 2000, time.Duration(1000+(k*7919+i)%100000))
					}
					h.Roll(second(i + 1))
				}
				b.ReportMetric(float64(h.Usage().Bytes)/1e6, "kept-MB")
				b.ReportAllocs()
				b.ResetTimer()
				for b.Loop() {
					h.Frame(Query{Window: window}, numbered{}, model.Meta{})
				}
			})
		}
	}
}
