package tui

import (
	"fmt"
	"strconv"
	"time"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"

	"github.com/hopscope/hopscope/tui/keys"
	"github.com/hopscope/hopscope/tui/look"
)

// Player is a feed whose time can be held and moved, as that of a capture.
// Where the feed is none, the keys do not exist; where it is one, they move its
// time instead of the view.
type Player interface {
	Playback() Playback
	// Pause holds or goes on; at the end it begins anew.
	Pause()
	// Hold pauses.
	Hold()
	// Seek goes to a time, or to the begin or end where that is beyond them. It
	// does not wait until it is there.
	Seek(to time.Time)
	Faster()
	Slower()
}

// Playback is where a player stands.
type Playback struct {
	From, To, At time.Time
	Speed        float64
	Paused       bool
	Seeking      bool
	Ended        bool
	Note         string // what is to be known of the recording, shown at first
}

const (
	// answered is how long a player may take for an order until it is looked at.
	answered = 60 * time.Millisecond
	// seekingRefresh is between frames on a long way.
	seekingRefresh = 150 * time.Millisecond
)

// offerPlayer enables the keys of a player and says what they do.
func offerPlayer(k *keys.Map, feed Feed) (note string) {
	p, plays := feed.(Player)
	for _, b := range []*key.Binding{&k.Faster, &k.Slower, &k.Begin} {
		b.SetEnabled(plays)
	}
	if !plays {
		return ""
	}
	k.Freeze.SetHelp("space", "pause")
	k.Earlier.SetHelp("[", "back")
	k.Later.SetHelp("]", "forth")
	return p.Playback().Note
}

// pressPlayer handles the keys that move a player's time.
func (a *app) pressPlayer(msg tea.KeyMsg) (cmd tea.Cmd, done bool) {
	p, ok := a.feed.(Player)
	if !ok {
		return nil, false
	}
	k, s := a.keys, p.Playback()
	switch {
	case key.Matches(msg, k.Freeze):
		p.Pause()
	case key.Matches(msg, k.Earlier):
		p.Seek(s.At.Add(-a.stride()))
	case key.Matches(msg, k.Later):
		p.Seek(s.At.Add(a.stride()))
	case key.Matches(msg, k.Begin):
		p.Seek(s.From)
	case key.Matches(msg, k.Faster):
		p.Faster()
	case key.Matches(msg, k.Slower):
		p.Slower()
	default:
		return nil, false
	}
	return a.soon(), true
}

// stride is how far the keys seek: half of what is seen, at least a second.
func (a *app) stride() time.Duration {
	if w := windows()[a.window]; w > 0 {
		return max(w/2, time.Second)
	}
	return windows()[len(windows())-2] / 2
}

// goTo shows a time; a player is held there.
func (a *app) goTo(at time.Time) tea.Cmd {
	if p, ok := a.feed.(Player); ok {
		p.Hold()
		p.Seek(at)
		return a.soon()
	}
	a.until = at
	return a.pull()
}

// hurry is a shorter wait for the next frame while a player is on its way, or
// plays faster than life: nothing is traced meanwhile that it could disturb.
func (a *app) hurry(wait time.Duration) time.Duration {
	p, ok := a.feed.(Player)
	if !ok {
		return wait
	}
	switch s := p.Playback(); {
	case s.Seeking:
		return min(wait, seekingRefresh)
	case s.Speed > 1 && !s.Paused && !s.Ended:
		return max(wait/4, seekingRefresh)
	}
	return wait
}

// playback tells in the header where a player stands.
func (a *app) playback() []look.Cell {
	p, ok := a.feed.(Player)
	if !ok {
		return nil
	}
	s := p.Playback()
	text, role := "REPLAY ×"+strconv.FormatFloat(s.Speed, 'g', 3, 64), look.Accent
	switch {
	case s.Seeking:
		text, role = "SEEKING", look.Warn
	case s.Ended:
		text, role = "END", look.Warn
	case s.Paused:
		text, role = "PAUSED", look.Warn
	}
	return []look.Cell{{Text: fmt.Sprintf(" · %s %s of %s", text, seconds(s.At.Sub(s.From)), seconds(s.To.Sub(s.From))), Role: role}}
}
