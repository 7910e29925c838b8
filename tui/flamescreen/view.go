package flamescreen

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/hopscope/hopscope/pkg/model/human"
	"github.com/hopscope/hopscope/tui/flame"
	"github.com/hopscope/hopscope/tui/look"
)

// View paints the graph, and below it the box under the cursor in words.
func (s *Screen) View(l *look.Look, width, height int) []string {
	if s.root.Value <= 0 {
		return []string{l.Paint(look.Plain, "  no packet in this window yet")}
	}
	s.tall = min(max(1, (height-2)/levels), 4)
	s.boxes = flame.Layout(s.root, s.state.Zoom, width, levels)
	lines := []string{l.Line(false, look.Cell{Text: " " + s.about(), Width: width, Role: look.Dim})}
	for level := range levels {
		var row []flame.Box
		for _, b := range s.boxes {
			if b.Level == level {
				row = append(row, b)
			}
		}
		for i := range s.tall {
			lines = append(lines, s.boxLine(l, row, i, width))
		}
	}
	return append(lines[:min(len(lines), height-1)], l.Line(false, look.Cell{Text: " " + s.describe(), Width: width, Role: look.Title}))
}

func (s *Screen) about() string {
	out := "width: " + s.mode.String()
	if s.search != "" {
		out += fmt.Sprintf(" · %q: %s", s.search, percentOf(s.found, s.root.Value))
	}
	return out
}

// boxLine is one of a level's lines: the first has the names, the second the
// shares.
func (s *Screen) boxLine(l *look.Look, row []flame.Box, i, width int) string {
	var b strings.Builder
	at := 0
	for _, box := range row {
		if box.X > at {
			b.WriteString(strings.Repeat(" ", box.X-at))
		}
		text := ""
		switch i {
		case 0:
			text = box.Node.Name
		case 1:
			text = s.value(box.Node.Value) + " " + percentOf(box.Node.Value, s.root.Value)
		}
		at = box.X + box.W
		edge, inner := "│", box.W-1
		if i == s.tall-1 && s.tall > 2 {
			edge = "└"
			text = strings.Repeat("─", max(inner, 0))
		}
		selected := slices.Equal(box.Path, s.state.Cursor)
		if selected && i == 0 {
			edge = "▸"
		}
		cells := []look.Cell{{Text: edge, Width: 1, Role: look.Dim}}
		if inner < 3 { // an ellipsis would tell nothing
			text = strings.Repeat(" ", max(inner, 0))
		}
		if inner > 0 {
			cells = append(cells, look.Cell{Text: text, Width: inner, Role: s.role(&box, i)})
		}
		b.WriteString(l.Line(selected, cells...))
	}
	return b.String()
}

func (s *Screen) role(b *flame.Box, i int) look.Role {
	hit := s.search != "" && strings.Contains(strings.ToLower(b.Node.Name), s.search)
	switch {
	case hit:
		return look.Warn
	case i > 0 || s.search != "":
		return look.Dim
	case b.Level == levels-1:
		return look.Fill
	}
	return look.Plain
}

// value in the unit of the mode: all of them are times.
func (s *Screen) value(ns float64) string {
	return human.Duration(int64(math.Round(ns)))
}

func percentOf(part, whole float64) string {
	if whole <= 0 {
		return human.Percent(0)
	}
	return human.Percent(part / whole)
}
