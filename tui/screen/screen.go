// Package screen is what all screens have in common.
package screen

import (
	"time"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"

	"github.com/hopscope/hopscope/pkg/history"
	"github.com/hopscope/hopscope/tui/digest"
	"github.com/hopscope/hopscope/tui/look"
)

// Screen shows one side of a digest. A screen belongs to one goroutine.
type Screen interface {
	// Set gives the data to show; the screen keeps its place in it. It is
	// called before anything else.
	Set(d *digest.Digest)
	// Press handles a key. It reports false for a key that is not its own.
	Press(msg tea.KeyMsg) (Action, bool)
	// Click handles a click on a line and column of what View gave.
	Click(line, column int) Action
	// View paints at most height lines. What is wider than width is cut off.
	View(l *look.Look, width, height int) []string
	// Keys are the screen's own keys, with what they do here.
	Keys() []key.Binding
	// Filter shows only what has the text in it; "" shows everything.
	Filter(text string)
}

// Action is what a key asks of the program.
type Action struct {
	Do    Verb
	End   string             // Container: key of the row; Drops: whose
	Heat  *history.HeatQuery // Heat
	Title string             // of the heat map
	At    time.Time          // GoTo
}

// Verb is a kind of action.
type Verb uint8

// The verbs.
const (
	Stay Verb = iota
	Container
	Heat
	Back
	GoTo // freeze at a time
)
