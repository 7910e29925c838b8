package tui

import (
	"testing"
	"time"

	"github.com/muesli/termenv"

	"github.com/hopscope/hopscope/pkg/history"
	"github.com/hopscope/hopscope/tui/internal/fake"
)

// fakePlayer plays the shop's history and is always there at once.
type fakePlayer struct {
	fake.Feed
	playback Playback
}

func (p *fakePlayer) Frame(q history.Query) (history.Frame, error) {
	q.Until = p.playback.At
	return p.Feed.Frame(q)
}

func (p *fakePlayer) Playback() Playback { return p.playback }
func (p *fakePlayer) Pause()             { p.playback.Paused = !p.playback.Paused }
func (p *fakePlayer) Hold()              { p.playback.Paused = true }
func (p *fakePlayer) Seek(to time.Time)  { p.playback.At = to }
func (p *fakePlayer) Faster()            { p.playback.Speed *= 10 }
func (p *fakePlayer) Slower()            { p.playback.Speed /= 10 }

// order presses keys and lets the program look at what came of it.
func (d *driver) order(names ...string) {
	for _, name := range names {
		d.press(name)
		d.send(tickMsg{d.tick})
	}
}

func TestPlayer(t *testing.T) {
	p := &fakePlayer{Feed: *shopFeed(fake.Shop(), past), playback: Playback{
		From: fake.Begin, To: fake.Begin.Add(past * time.Second), At: fake.Begin.Add(40 * time.Second), Speed: 1, Note: "the capture is incomplete"}}
	d := drive(t, p, termenv.Ascii, Options{}, 160, 40)
	d.sees(t, "REPLAY ×1 40 s of 1 m 20 s", "the capture is incomplete", "14:00:40")
	d.order("+", "+")
	d.sees(t, "REPLAY ×100", "+ faster", "space pause", "[ back")
	d.misses(t, "incomplete")
	d.order("-", "]", "]")
	d.sees(t, "REPLAY ×10 50 s", "14:00:50")
	d.order("[", "space")
	d.sees(t, "PAUSED 45 s", "14:00:45")
	d.misses(t, "FROZEN")
	d.order("0")
	if p.playback.At != fake.Begin {
		t.Errorf("not at the begin: %v", p.playback.At)
	}
	p.playback = Playback{From: fake.Begin, To: p.playback.To, At: p.playback.To, Speed: 1}
	d.order("4", "left", "left", "left", "enter") // a second of the heat map
	d.sees(t, "PAUSED 1 m 17 s of 1 m 20 s", "14:01:17")
	p.playback.Seeking = true
	d.sees(t, "SEEKING")
	if wait := d.hurry(time.Second); wait != seekingRefresh {
		t.Errorf("waits %v on the way", wait)
	}
	d.press("?")
	d.sees(t, "from the begin", "slower")
}

// A key that is held down repeats faster than a player answers: what it has moved is
// looked at all the same.
func TestHeldKey(t *testing.T) {
	p := &fakePlayer{Feed: *shopFeed(fake.Shop(), past), playback: Playback{
		From: fake.Begin, To: fake.Begin.Add(past * time.Second), At: fake.Begin.Add(40 * time.Second), Speed: 1}}
	d := drive(t, p, termenv.Ascii, Options{}, 160, 40)
	d.press("]")
	due := d.tick
	d.press("]", "]")
	d.send(tickMsg{due})
	d.sees(t, "REPLAY ×1 55 s", "14:00:55")
	d.order("]")
	d.sees(t, "REPLAY ×1 1 m of")
}

func TestNoPlayerNoKeys(t *testing.T) {
	d := shop(t)
	d.press("+", "-", "0")
	d.misses(t, "REPLAY")
	d.press("?")
	d.misses(t, "faster")
	d.sees(t, "freeze")
}
