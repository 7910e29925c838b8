package tui

import (
	"time"
	"unicode/utf8"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"

	"github.com/hopscope/hopscope/tui/look"
)

// Update handles a message.
func (a *app) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		a.width, a.height = msg.Width, msg.Height
	case frameMsg:
		return a, a.frame(msg)
	case crashMsg:
		a.crash = msg.err
		return a, tea.Quit
	case tickMsg:
		if msg.n != a.tick {
			return a, nil
		}
		a.soonDue = false
		a.now = a.opts.Now()
		if a.frozen() {
			return a, a.later(time.Second) // for the clock in the header
		}
		return a, a.pull()
	case fileMsg:
		return a, a.written(msg)
	case tea.MouseMsg:
		return a, a.mouse(msg)
	case tea.KeyMsg:
		return a, a.pressAll(msg)
	case recordedMsg:
		return a, a.recorded(msg)
	}
	return a, nil
}

// pressAll takes keys apart that came in one read, as when they are sent fast:
// bubbletea makes one message of them. What is pasted is text to type, and no
// keys.
func (a *app) pressAll(msg tea.KeyMsg) tea.Cmd {
	switch {
	case msg.Paste && !a.typing:
		return nil
	case msg.Type != tea.KeyRunes || msg.Paste || len(msg.Runes) < 2:
		return a.press(msg)
	}
	var cmds []tea.Cmd
	for _, r := range msg.Runes {
		one := tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune{r}, Alt: msg.Alt}
		if r == ' ' {
			one.Type = tea.KeySpace
		}
		cmds = append(cmds, a.press(one))
	}
	return tea.Batch(cmds...)
}

func (a *app) press(msg tea.KeyMsg) tea.Cmd {
	a.message = ""
	switch {
	case a.typing:
		return a.typeFilter(msg)
	case a.help:
		a.help = false
		if key.Matches(msg, a.keys.Help) || key.Matches(msg, a.keys.Back) || key.Matches(msg, a.keys.Open) {
			return nil // other keys do what they do
		}
	}
	if cmd, done := a.pressGlobal(msg); done {
		return cmd
	}
	if key.Matches(msg, a.keys.Back) && a.filters[a.at] != "" {
		a.filter("")
		return nil
	}
	action, _ := a.screens[a.at].Press(msg)
	return a.act(action)
}

// pressGlobal handles the keys that mean the same on every screen.
func (a *app) pressGlobal(msg tea.KeyMsg) (cmd tea.Cmd, done bool) {
	if cmd, done := a.pressPlayer(msg); done {
		return cmd, true
	}
	k := a.keys
	for i := range k.Screens {
		if key.Matches(msg, k.Screens[i]) {
			return a.show(i), true
		}
	}
	switch {
	case key.Matches(msg, k.Quit):
		return a.quit(), true
	case key.Matches(msg, k.Help):
		a.help = true
	case key.Matches(msg, k.Window):
		a.window = (a.window + 1) % len(windows())
		if windows()[a.window] == 0 {
			a.until = time.Time{} // the whole ends now
		}
		return a.pull(), true
	case key.Matches(msg, k.Freeze):
		return a.freeze(), true
	case key.Matches(msg, k.Earlier):
		return a.step(-1), true
	case key.Matches(msg, k.Later):
		return a.step(1), true
	case key.Matches(msg, k.Theme):
		a.look = look.New(a.renderer, look.NextTheme(a.look.Theme), a.opts.ASCII)
		a.say(look.Accent, "theme "+a.look.Theme)
	case key.Matches(msg, k.Filter):
		return a.startFilter(), true
	case key.Matches(msg, k.Record):
		return a.record(), true
	case key.Matches(msg, k.Export):
		return a.export(), true
	default:
		return nil, false
	}
	return nil, true
}

// freeze holds the view at its time, or lets it go.
func (a *app) freeze() tea.Cmd {
	if a.frozen() {
		a.until = time.Time{}
		return a.pull()
	}
	if a.d != nil {
		a.until = a.d.Frame.At
	}
	return nil
}

// startFilter opens the line to type a filter in, on the screens that have one.
func (a *app) startFilter() tea.Cmd {
	if a.at == heatAt {
		return nil
	}
	a.typing = true
	a.input = a.filters[a.at]
	return nil
}

// longestFilter bounds what can be typed, in bytes.
const longestFilter = 256

// typeFilter filters while it is typed.
func (a *app) typeFilter(msg tea.KeyMsg) tea.Cmd {
	switch msg.Type {
	case tea.KeyEnter:
		a.typing = false
		return nil
	case tea.KeyEsc:
		a.typing, a.input = false, ""
	case tea.KeyCtrlC:
		return a.quit()
	case tea.KeyBackspace:
		_, size := utf8.DecodeLastRuneInString(a.input)
		a.input = a.input[:len(a.input)-size]
	case tea.KeyCtrlU:
		a.input = ""
	case tea.KeyRunes, tea.KeySpace:
		if more := a.input + string(msg.Runes); len(more) <= longestFilter {
			a.input = more
		}
	}
	a.filter(a.input)
	return nil
}

func (a *app) filter(text string) {
	a.filters[a.at] = text
	a.screens[a.at].Filter(text)
}

func (a *app) record() tea.Cmd {
	r, ok := a.feed.(Recorder)
	if !ok || a.busy {
		return nil
	}
	a.busy = true
	did, do := "recording to ", r.StartRecording
	if a.recording {
		did, do = "saved ", r.StopRecording
	}
	return a.ask(func() tea.Msg {
		path, err := do()
		return fileMsg{text: did + path, err: err, record: true}
	})
}

// ask is a command that asks the feed, unless the screen is gone by then.
func (a *app) ask(question func() tea.Msg) tea.Cmd {
	return func() tea.Msg {
		if !a.gate.enter() {
			return nil
		}
		defer a.gate.leave()
		return question()
	}
}

// recordedMsg tells that a recording is over; err says why it failed.
type recordedMsg struct {
	path string
	err  error
}

// await tells of the end of the recording, so that one that fails is known at
// once.
func (a *app) await() tea.Cmd {
	r, ok := a.feed.(Recorder)
	if !ok {
		return nil
	}
	return func() tea.Msg {
		path, err := r.Recorded()
		return recordedMsg{path, err}
	}
}

func (a *app) recorded(msg recordedMsg) tea.Cmd {
	if msg.err == nil || !a.recording {
		return nil // it was stopped, which told its own end
	}
	a.recording = false
	a.say(look.Bad, "recording failed: "+msg.err.Error()+"; "+msg.path+" ends there")
	if a.leaving {
		return tea.Quit
	}
	return nil
}

func (a *app) export() tea.Cmd {
	e, ok := a.feed.(Exporter)
	if !ok || a.d == nil {
		return nil
	}
	f := a.d.Frame
	a.say(look.Accent, "exporting ...")
	return a.ask(func() tea.Msg {
		path, err := e.Export(f)
		return fileMsg{text: "exported " + path, err: err}
	})
}

// written is the end of a record or export key's work.
func (a *app) written(msg fileMsg) tea.Cmd {
	a.say(look.Accent, msg.text)
	if msg.err != nil {
		a.say(look.Bad, "failed: "+msg.err.Error())
	}
	var next tea.Cmd
	if msg.record {
		a.busy = false
		if msg.err == nil {
			a.recording = !a.recording
		}
		if a.recording {
			next = a.await()
		}
	}
	if a.leaving && (!a.recording || msg.err != nil) {
		return tea.Quit
	}
	return next
}

// say puts a message in the place of the keys, until the next one is pressed.
func (a *app) say(role look.Role, text string) { a.message, a.messageRole = text, role }

// quit leaves; a recording is saved first. A second time does not wait.
func (a *app) quit() tea.Cmd {
	if a.leaving || !a.recording {
		return tea.Quit
	}
	a.leaving = true
	a.say(look.Accent, "saving the recording")
	return a.record()
}

func (a *app) mouse(msg tea.MouseMsg) tea.Cmd {
	switch {
	case a.help || a.typing:
	case msg.Button == tea.MouseButtonWheelUp:
		return a.press(tea.KeyMsg{Type: tea.KeyUp})
	case msg.Button == tea.MouseButtonWheelDown:
		return a.press(tea.KeyMsg{Type: tea.KeyDown})
	case msg.Button == tea.MouseButtonLeft && msg.Action == tea.MouseActionPress:
		if msg.Y == 0 {
			if at := a.tabAt(msg.X); at >= 0 {
				return a.show(at)
			}
			return nil
		}
		if a.d != nil && msg.Y >= headerLines && msg.Y < a.height-1 {
			return a.act(a.screens[a.at].Click(msg.Y-headerLines, msg.X))
		}
	}
	return nil
}
