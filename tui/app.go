// Package tui is the live screen: it pulls a frame at every tick and shows it.
// Nothing is sent to it for each packet, and nothing waits for it.
package tui

import (
	"slices"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/lipgloss"

	"github.com/hopscope/hopscope/pkg/crash"
	"github.com/hopscope/hopscope/pkg/history"
	"github.com/hopscope/hopscope/tui/container"
	"github.com/hopscope/hopscope/tui/digest"
	"github.com/hopscope/hopscope/tui/drops"
	"github.com/hopscope/hopscope/tui/flamescreen"
	"github.com/hopscope/hopscope/tui/heatmap"
	"github.com/hopscope/hopscope/tui/keys"
	"github.com/hopscope/hopscope/tui/look"
	"github.com/hopscope/hopscope/tui/overview"
	"github.com/hopscope/hopscope/tui/screen"
	"github.com/hopscope/hopscope/tui/topology"
)

// The screens, in the order of their keys.
const (
	overviewAt = iota
	containerAt
	flameAt
	heatAt
	dropsAt
	mapAt
)

func titles() []string {
	return []string{"Overview", "Container", "Flame", "Heat map", "Drops/Retrans", "Map"}
}

// app is the bubbletea model. It is changed in place: bubbletea has one
// goroutine for Update and View.
type app struct {
	feed     Feed
	gate     gate // before the feed, for other goroutines
	opts     Options
	renderer *lipgloss.Renderer
	look     *look.Look
	keys     keys.Map

	width, height int
	screens       []screen.Screen
	container     *container.Screen
	heat          *heatmap.Screen
	at            int
	before        []int // screens to go back to
	filters       []string

	d        *digest.Digest
	pulledAt time.Time
	now      time.Time
	window   int       // index of windows
	until    time.Time // end of the window; zero: live
	pulling  bool
	again    bool // pull once more: what is asked for has changed meanwhile
	tick     int  // the tick that is waited for
	soonDue  bool // which is soon's
	err      error
	crash    *crash.Error // what Run returns

	input       string // the filter that is being typed
	typing      bool
	help        bool
	message     string
	messageRole look.Role
	told        []string // notes of the feed that were said
	recording   bool
	busy        bool // a file is being written
	leaving     bool // quit once it is
}

func windows() []time.Duration {
	return []time.Duration{time.Second, 10 * time.Second, time.Minute, 0}
}

func newApp(feed Feed, o Options, r *lipgloss.Renderer) *app {
	k := keys.New(titles())
	_, canRecord := feed.(Recorder)
	k.Record.SetEnabled(canRecord)
	_, canExport := feed.(Exporter)
	k.Export.SetEnabled(canExport)
	note := offerPlayer(&k, feed)
	a := &app{
		message: note, messageRole: look.Accent,
		feed: feed, opts: o, renderer: r, keys: k, window: 1, now: o.Now(),
		look:      look.New(r, o.Theme, o.ASCII),
		container: container.New(k), heat: heatmap.New(k),
		filters: make([]string, len(titles())),
	}
	a.screens = []screen.Screen{overview.New(k), a.container, flamescreen.New(k), a.heat, drops.New(k), topology.New(k)}
	return a
}

// Init asks for the first frame.
func (a *app) Init() tea.Cmd { return a.pull() }

// frameMsg is the answer to a pull.
type frameMsg struct {
	d     *digest.Digest
	notes []string
	err   error
	took  time.Duration
}

// crashMsg tells that making a frame panicked.
type crashMsg struct{ err *crash.Error }

// tickMsg is the time to pull again.
type tickMsg struct{ n int }

// fileMsg tells that a file was written, or not.
type fileMsg struct {
	text   string
	err    error
	record bool // a recording was begun or ended
}

// pull asks the feed, in a goroutine of its own.
func (a *app) pull() tea.Cmd {
	if a.pulling {
		a.again = true
		return nil
	}
	a.pulling = true
	q := a.query()
	feed, loc, now := a.feed, a.opts.Location, a.opts.Now
	everyHop := a.at == mapAt // which adds all of them up: not while keys wait
	return func() (msg tea.Msg) {
		defer func() { // bubbletea would lose what it says
			if r := recover(); r != nil {
				msg = crashMsg{crash.Of(r)}
			}
		}()
		if !a.gate.enter() {
			return nil
		}
		defer a.gate.leave()
		begin := now()
		f, err := feed.Frame(q)
		if err != nil {
			return frameMsg{err: err, took: now().Sub(begin)}
		}
		f.At = f.At.In(loc)
		d := digest.Of(f)
		if everyHop {
			d.Places()
		}
		return frameMsg{d: d, notes: notesOf(feed), took: now().Sub(begin)}
	}
}

func notesOf(feed Feed) []string {
	if n, ok := feed.(Noter); ok {
		return n.Notes()
	}
	return nil
}

// tell says the first note that was not said since it came up, unless another
// message is read.
func (a *app) tell(notes []string) {
	a.told = slices.DeleteFunc(a.told, func(s string) bool { return !slices.Contains(notes, s) })
	for _, n := range notes {
		if a.message == "" && !slices.Contains(a.told, n) {
			a.told = append(a.told, n)
			a.say(look.Warn, "note: "+a.look.Clean(n))
		}
	}
}

func (a *app) query() history.Query {
	q := history.Query{Window: windows()[a.window], Until: a.until}
	if a.at == heatAt {
		q.Heat = a.heat.Query(a.d)
	}
	return q
}

// After a pull that took long, the next one waits 32 times as long, so that
// pulling takes 3 % of a core; but nobody waits longer than slowest.
const (
	idleShare = 32
	slowest   = 10 * time.Second
)

func (a *app) frame(msg frameMsg) tea.Cmd {
	a.pulling = false
	a.err = msg.err
	a.now = a.opts.Now()
	first := a.d == nil
	if msg.err == nil {
		a.d, a.pulledAt = msg.d, a.now
		a.screens[a.at].Set(a.d)
		a.tell(msg.notes)
	}
	if a.again || (first && a.at == heatAt) {
		a.again = false
		return a.pull()
	}
	wait := max(a.opts.Refresh, min(idleShare*msg.took, slowest))
	if a.d == nil || (a.d.Frame.Covered < 2*time.Second && !a.frozen()) {
		wait = min(wait, 250*time.Millisecond) // the first second
	}
	return a.later(a.hurry(wait))
}

// later makes a tick, and any that is under way void.
func (a *app) later(wait time.Duration) tea.Cmd {
	a.tick++
	a.soonDue = false
	n := a.tick
	return tea.Tick(wait, func(time.Time) tea.Msg { return tickMsg{n} })
}

// soon makes a tick for what a key changed. A key that is held down comes again
// before the tick is due, and must not put it off.
func (a *app) soon() tea.Cmd {
	if a.soonDue {
		return nil
	}
	cmd := a.later(answered)
	a.soonDue = true
	return cmd
}

func (a *app) frozen() bool { return !a.until.IsZero() }

// back is how far the frame lies in the past.
func (a *app) back() time.Duration {
	if a.d == nil || !a.frozen() {
		return 0
	}
	return a.d.Frame.Newest.Sub(a.d.Frame.At) + a.now.Sub(a.pulledAt)
}

// step goes back in time, or forth up to now.
func (a *app) step(dir time.Duration) tea.Cmd {
	if a.d == nil {
		return nil
	}
	w := windows()[a.window]
	if w == 0 { // the whole has no earlier
		a.window, w = 1, windows()[1]
	}
	at := a.until
	if !a.frozen() {
		if dir > 0 {
			return nil
		}
		at = a.d.Frame.At
	}
	at = at.Add(dir * max(w/2, time.Second))
	if at.Before(a.d.Frame.Oldest) {
		at = a.d.Frame.Oldest
	}
	if !at.Before(a.d.Frame.Newest.Add(a.now.Sub(a.pulledAt))) {
		at = time.Time{}
	}
	a.until = at
	return a.pull()
}

// show goes to a screen; esc comes back.
func (a *app) show(at int) tea.Cmd {
	if at == a.at {
		return nil
	}
	a.before = append(a.before, a.at)
	if len(a.before) > 16 {
		a.before = a.before[1:]
	}
	return a.turn(at)
}

func (a *app) turn(at int) tea.Cmd {
	a.at = at
	if a.d != nil {
		a.screens[at].Set(a.d)
	}
	if at == heatAt || at == mapAt { // which want more of a frame
		return a.pull()
	}
	return nil
}

// act does what a screen asked for.
func (a *app) act(x screen.Action) tea.Cmd {
	switch x.Do {
	case screen.Container:
		a.container.Show(x.End)
		return a.show(containerAt)
	case screen.Heat:
		a.heat.Show(x.Heat, x.Title)
		return a.show(heatAt)
	case screen.GoTo:
		if windows()[a.window] == 0 {
			a.window = 1
		}
		return a.goTo(x.At)
	case screen.Back:
		if n := len(a.before); n > 0 {
			at := a.before[n-1]
			a.before = a.before[:n-1]
			return a.turn(at)
		}
		return a.turn(overviewAt)
	}
	return nil
}
