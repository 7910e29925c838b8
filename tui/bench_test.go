package tui

import (
	"testing"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/muesli/termenv"

	"github.com/hopscope/hopscope/pkg/history"
	"github.com/hopscope/hopscope/pkg/model"
	"github.com/hopscope/hopscope/tui/digest"
	"github.com/hopscope/hopscope/tui/internal/fake"
)

// large is a host of so many containers and conversations, each with two paths.
func large(containers, talks int) *fake.Feed {
	w := fake.Large(containers, talks)
	h := history.New(history.Options{Limits: model.Limits{Paths: 4 * talks}}, fake.Begin)
	w.Second(h, 0)
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
	feed := frameOf(b, large(1000, 10_000))
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
	feed := frameOf(b, large(1000, 10_000))
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
	feed := frameOf(b, large(1000, 10_000))
	b.ReportAllocs()
	for b.Loop() {
		digest.Of(feed.f)
	}
}

// BenchmarkPull is all that a second costs.
func BenchmarkPull(b *testing.B) {
	feed := large(1000, 10_000)
	b.ReportAllocs()
	for b.Loop() {
		digest.Of(frameOf(b, feed).f)
	}
}

// TestViewDoesNotGrowWithTheHost holds that painting depends on the terminal,
// not on the host: ten times the containers and paths must not take much more
// memory to paint, and a key press with its view stays small.
func TestViewDoesNotGrowWithTheHost(t *testing.T) {
	small, big := frameOf(t, large(100, 300)), frameOf(t, large(1000, 3000))
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
