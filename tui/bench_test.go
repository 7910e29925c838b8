package tui

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/muesli/termenv"

	"github.com/hopscope/hopscope/pkg/history"
	"github.com/hopscope/hopscope/pkg/model"
	"github.com/hopscope/hopscope/tui/digest"
	"github.com/hopscope/hopscope/tui/internal/fake"
)

// large is a host of so many containers and conversations, each with two paths,
// for some seconds.
func large(containers, talks, seconds int) *fake.Feed {
	w := fake.Large(containers, talks)
	h := history.New(history.Options{Limits: model.Limits{Paths: 4 * talks}, Bytes: 1 << 30}, fake.Begin)
	for i := range seconds {
		w.Second(h, i)
	}
	return &fake.Feed{World: w, History: h}
}

// still is a feed that gives one frame again and again.
type still struct{ f history.Frame }

func (s still) Frame(history.Query) (history.Frame, error) { return s.f, nil }

func frameOf(b testing.TB, feed Feed) still {
	b.Helper()
	f, err := feed.Frame(history.Query{Window: windows()[0]})
	if err != nil {
		b.Fatal(err)
	}
	return still{f}
}

var screenKeys = map[string]string{"overview": "1", "container": "2", "flame": "3", "drops": "5", "map": "6"}

// BenchmarkView is what a frame costs the goroutine of keys and screen.
func BenchmarkView(b *testing.B) {
	feed := frameOf(b, large(1000, 10_000, 1))
	for name, k := range screenKeys {
		b.Run(name, func(b *testing.B) {
			d := drive(b, feed, termenv.TrueColor, Options{}, 120, 40)
			d.press(k)
			b.ReportAllocs()
			for b.Loop() {
				_ = d.View()
			}
		})
	}
}

// BenchmarkSet is what a new frame costs before it can be painted, in the
// goroutine of keys and screen.
func BenchmarkSet(b *testing.B) {
	feed := frameOf(b, large(1000, 10_000, 1))
	for name, k := range screenKeys {
		b.Run(name, func(b *testing.B) {
			d := drive(b, feed, termenv.TrueColor, Options{}, 120, 40)
			d.press(k)
			b.ReportAllocs()
			for b.Loop() {
				d.screens[d.at].Set(d.d)
			}
		})
	}
}

// BenchmarkDigest is what a frame costs in the goroutine that pulls it, after
// the feed.
func BenchmarkDigest(b *testing.B) {
	feed := frameOf(b, large(1000, 10_000, 1))
	b.ReportAllocs()
	for b.Loop() {
		digest.Of(feed.f)
	}
}

// BenchmarkPull is what a new frame costs in the goroutine that pulls it. The
// next one waits idleShare times as long.
func BenchmarkPull(b *testing.B) {
	feed := large(1000, 10_000, 10)
	for _, window := range windows() {
		name := window.String()
		if window == 0 {
			name = "all"
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			begin := cpuTime()
			for b.Loop() {
				pull(b, feed, window)
			}
			b.ReportMetric(float64((cpuTime()-begin).Milliseconds())/float64(b.N), "cpu-ms/op")
		})
	}
}

// BenchmarkRoll is what a second costs beside its packets and the screen: its
// piece is sealed and added to the sum of everything.
func BenchmarkRoll(b *testing.B) {
	w := fake.Large(1000, 10_000)
	h := history.New(history.Options{Limits: model.Limits{Paths: 40_000}}, fake.Begin)
	var spent time.Duration
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		w.Send(h)
		b.StartTimer()
		begin := cpuTime()
		h.Roll(fake.Begin.Add(time.Duration(i+1) * time.Second))
		spent += cpuTime() - begin
	}
	b.ReportMetric(float64(spent.Microseconds())/1e3/float64(b.N), "cpu-ms/op")
}

// BenchmarkRest is a second of a host of 20,000 paths that are known and mostly
// at rest, with its frame: what the program takes while nobody does anything.
// active paths have a packet in it.
func BenchmarkRest(b *testing.B) {
	for _, active := range []int{0, 400, 2000} {
		b.Run(fmt.Sprintf("active=%d", active), func(b *testing.B) {
			feed := large(1000, 10_000, 1)
			feed.World.Flows = feed.World.Flows[:active/2]
			at := 1
			for ; at < 12; at++ { // until the second in which all had packets is out of sight
				feed.World.Second(feed.History, at)
			}
			var spent time.Duration
			for i := at; b.Loop(); i++ {
				b.StopTimer()
				feed.World.Send(feed.History)
				b.StartTimer()
				begin := cpuTime()
				feed.History.Roll(fake.Begin.Add(time.Duration(i+1) * time.Second))
				pull(b, feed, 10*time.Second)
				spent += cpuTime() - begin
			}
			b.ReportMetric(float64(spent.Microseconds())/1e3/float64(b.N), "cpu-ms/op")
		})
	}
}

// cpuTime is what the process took of all CPUs: with the garbage collector, and
// without what else the machine does.
func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // cannot fail for oneself
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func pull(tb testing.TB, feed Feed, window time.Duration) *digest.Digest {
	tb.Helper()
	f, err := feed.Frame(history.Query{Window: window})
	if err != nil {
		tb.Fatal(err)
	}
	return digest.Of(f)
}

// TestPullGrowsWithThePaths holds the cost of a frame by what it allocates: a
// few objects a path whatever hops it has and whatever seconds are summed up,
// and in step with the paths.
func TestPullGrowsWithThePaths(t *testing.T) {
	allocs := func(talks int, window time.Duration) float64 {
		feed := large(100, talks, 10)
		pull(t, feed, window)
		return testing.AllocsPerRun(3, func() { pull(t, feed, window) })
	}
	for _, window := range []time.Duration{time.Second, 10 * time.Second, 0} {
		small, big := allocs(150, window), allocs(1500, window)
		if big > 11*small {
			t.Errorf("%v: %v allocations for 300 paths, %v for 3,000", window, small, big)
		}
		if each := big / 3000; each > 25 {
			t.Errorf("%v: %v allocations a path", window, each)
		}
	}
}

// TestTakingInAFrameDoesNotGrowWithThePaths holds that what a new frame costs the
// goroutine of the keys depends on the containers, not on their conversations.
func TestTakingInAFrameDoesNotGrowWithThePaths(t *testing.T) {
	small, big := frameOf(t, large(100, 300, 1)), frameOf(t, large(100, 3000, 1))
	for name, k := range screenKeys {
		allocs := func(feed still) float64 {
			d := drive(t, feed, termenv.TrueColor, Options{}, 120, 40)
			d.press(k)
			return testing.AllocsPerRun(20, func() { d.screens[d.at].Set(d.d) })
		}
		if a, b := allocs(small), allocs(big); b > 1.5*a+100 {
			t.Errorf("%s: %v allocations with 300 conversations, %v with 3,000", name, a, b)
		}
	}
}

// TestViewDoesNotGrowWithTheHost holds that painting depends on the terminal,
// not on the host: ten times the containers and paths must not take much more
// memory to paint, and a key press with its view stays small.
func TestViewDoesNotGrowWithTheHost(t *testing.T) {
	small, big := frameOf(t, large(100, 300, 1)), frameOf(t, large(1000, 3000, 1))
	for name, k := range screenKeys {
		if name == "flame" {
			continue // its boxes are as many as there are columns
		}
		allocs := func(feed still) float64 {
			d := drive(t, feed, termenv.TrueColor, Options{}, 120, 40)
			d.press(k)
			return testing.AllocsPerRun(20, func() {
				d.Update(tea.KeyMsg{Type: tea.KeyDown})
				_ = d.View()
			})
		}
		a, b := allocs(small), allocs(big)
		if b > 2*a+200 {
			t.Errorf("%s: %v allocations a view with 100 containers, %v with 1,000", name, a, b)
		}
		if b > 5000 {
			t.Errorf("%s: %v allocations a view", name, b)
		}
	}
}
