// Package heatmap shows how the latency of a path or hop went: time to the
// right, latency upward, colour and character by the number of packets.
package heatmap

import (
	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"

	"github.com/hopscope/hopscope/pkg/history"
	"github.com/hopscope/hopscope/tui/digest"
	"github.com/hopscope/hopscope/tui/keys"
	"github.com/hopscope/hopscope/tui/screen"
)

// Screen is the heat map.
type Screen struct {
	keys  keys.Map
	d     *digest.Digest
	query *history.HeatQuery
	title string
	// The cursor counts from the newest column and from the lowest line.
	back, up int
	held     bool // up is where it was put; else it is where most packets are
	grid     Grid // of the last view
}

// New makes the screen.
func New(k keys.Map) *Screen { return &Screen{keys: k} }

// Show chooses what to show.
func (s *Screen) Show(q *history.HeatQuery, title string) {
	s.query, s.title, s.back, s.held = q, title, 0, false
}

// Query is what the next frame has to bring. Until something was chosen it is
// the path that takes most time.
func (s *Screen) Query(d *digest.Digest) *history.HeatQuery {
	if s.query == nil && d != nil && len(d.Talks) > 0 {
		p := d.Talks[0].Worst
		s.query = &history.HeatQuery{Path: p.ID()}
		s.title = p.From.Name + " → " + p.To.Name + " " + digest.Service(p.Proto, p.Port) + " " + p.Direction
	}
	return s.query
}

// Set gives the data to show.
func (s *Screen) Set(d *digest.Digest) { s.d = d }

// Filter does nothing: there is one path.
func (s *Screen) Filter(string) {}

// Keys are the screen's own keys.
func (s *Screen) Keys() []key.Binding {
	k := s.keys
	k.Left.SetHelp("←/→", "time")
	k.Up.SetHelp("↑/↓", "latency")
	k.Open.SetHelp("enter", "freeze at this time")
	return []key.Binding{k.Left, k.Up, k.Open, k.Back}
}

// Press handles a key.
func (s *Screen) Press(msg tea.KeyMsg) (screen.Action, bool) {
	k := s.keys
	switch {
	case key.Matches(msg, k.Left):
		s.move(1, 0)
	case key.Matches(msg, k.Right):
		s.move(-1, 0)
	case key.Matches(msg, k.Up):
		s.held = true
		s.move(0, 1)
	case key.Matches(msg, k.Down):
		s.held = true
		s.move(0, -1)
	case key.Matches(msg, k.Open):
		if c := s.column(); c != nil {
			return screen.Action{Do: screen.GoTo, At: c.To}, true
		}
	case key.Matches(msg, k.Back):
		return screen.Action{Do: screen.Back}, true
	default:
		return screen.Action{}, false
	}
	return screen.Action{}, true
}

// Click puts the cursor on a cell.
func (s *Screen) Click(line, column int) screen.Action {
	s.held = true
	s.up = s.grid.Lines - 1 - (line - firstLine)
	s.back = len(s.grid.Columns) - 1 - (column - axisWidth)
	s.move(0, 0)
	return screen.Action{}
}

func (s *Screen) move(back, up int) {
	s.back = min(max(s.back+back, 0), max(0, len(s.grid.Columns)-1))
	if !s.held && len(s.grid.Columns) > 0 {
		s.up = s.grid.Fullest(len(s.grid.Columns) - 1 - s.back)
	}
	s.up = min(max(s.up+up, 0), max(0, s.grid.Lines-1))
}

// column under the cursor, nil without any.
func (s *Screen) column() *history.HeatColumn {
	if i := len(s.grid.Columns) - 1 - s.back; i >= 0 && i < len(s.grid.Columns) {
		return &s.grid.Columns[i]
	}
	return nil
}
