package heatmap

import (
	"fmt"
	"strings"

	"github.com/hopscope/hopscope/pkg/model/human"
	"github.com/hopscope/hopscope/tui/look"
)

const (
	axisWidth = 9 // of the latencies on the left
	firstLine = 1 // of the map, below the title
)

// shades are the characters of the degrees of heat.
var shades = [...]string{" ", "░", "▒", "▓", "█"}

// View paints the map, its axes and the cell under the cursor in words.
func (s *Screen) View(l *look.Look, width, height int) []string {
	if s.d == nil || s.query == nil || len(s.d.Frame.Heat) == 0 {
		return []string{l.Paint(look.Plain, "  no packet yet; choose a hop: 2, then enter on a line")}
	}
	s.grid = Layout(s.d.Frame.Heat, width-axisWidth, height-4)
	g := &s.grid
	s.move(0, 0)
	lines := []string{l.Line(false, look.Cell{Text: " " + s.title, Width: width, Role: look.Title})}
	if g.Lines == 0 {
		return append(lines, l.Paint(look.Plain, "  no packet of it in the last minutes"))
	}
	for line := g.Lines - 1; line >= 0; line-- {
		lines = append(lines, s.line(l, line))
	}
	lines = append(lines, s.timeAxis(l, width), l.Line(false, look.Cell{Text: " " + s.reading(), Width: width, Role: look.Title}))
	return append(lines, s.legend(l))
}

// legend has the degrees as the map has them.
func (s *Screen) legend(l *look.Look) string {
	cells := []look.Cell{{Text: " packets a second:", Role: look.Dim}}
	for d := 1; d < len(shades); d++ {
		cells = append(cells, look.Cell{Text: " "}, look.Cell{Text: strings.Repeat(shades[d], 2), Role: degreeRole(d)})
	}
	return l.Line(false, append(cells, look.Cell{Text: fmt.Sprintf(" up to %.0f", s.grid.Max), Role: look.Dim})...)
}

func (s *Screen) line(l *look.Look, line int) string {
	g := &s.grid
	from, _ := g.Bounds(line)
	mark := "│"
	if line == s.up {
		mark = "▸"
	}
	cells := []look.Cell{{Text: human.Duration(from), Width: axisWidth - 2, Right: true, Role: look.Dim}, {Text: " " + mark, Role: look.Dim}}
	b := strings.Builder{}
	b.WriteString(l.Line(false, cells...))
	cursor := len(g.Columns) - 1 - s.back
	for x := range g.Columns {
		d := g.Degree(x, line)
		switch {
		case x == cursor && line == s.up:
			b.WriteString(l.Line(true, look.Cell{Text: "+"}))
		case d == 0 && x == cursor:
			b.WriteString(l.Paint(look.Dim, "┊"))
		default:
			b.WriteString(l.Paint(degreeRole(d), shades[d]))
		}
	}
	return b.String()
}

func degreeRole(d int) look.Role {
	if d == 0 {
		return look.Plain
	}
	return look.Heat0 + look.Role(d-1)
}

// timeAxis tells the time of the first and the last column, and where pieces
// of ten seconds end and those of one begin.
func (s *Screen) timeAxis(l *look.Look, width int) string {
	g := &s.grid
	n := len(g.Columns)
	loc := s.d.Frame.At.Location()
	first, last := g.Columns[0].From.In(loc).Format("15:04:05"), g.Columns[n-1].To.In(loc).Format("15:04:05")
	if n < len(first)+len(last)+1 {
		return l.Line(false, look.Cell{Text: strings.Repeat(" ", axisWidth) + last, Width: width, Role: look.Dim})
	}
	gap := []rune(strings.Repeat("─", n-len(first)-len(last)))
	for x := 1; x < n; x++ {
		was, is := g.Columns[x-1].To.Sub(g.Columns[x-1].From), g.Columns[x].To.Sub(g.Columns[x].From)
		if at := x - len(first); was > 3*is && at >= 0 && at < len(gap) {
			gap[at] = '┬'
		}
	}
	return l.Line(false, look.Cell{Text: strings.Repeat(" ", axisWidth) + first + string(gap) + last, Width: width, Role: look.Dim})
}

// reading is the cell under the cursor.
func (s *Screen) reading() string {
	g, c := &s.grid, s.column()
	if c == nil || g.Lines == 0 {
		return ""
	}
	x := len(g.Columns) - 1 - s.back
	var all uint64
	for line := range g.Lines {
		all += g.Count(x, line)
	}
	from, to := g.Bounds(s.up)
	n := g.Count(x, s.up)
	share := 0.0
	if all > 0 {
		share = float64(n) / float64(all)
	}
	return fmt.Sprintf("%s  %s to %s: %s of %s packets (%s)",
		c.From.In(s.d.Frame.At.Location()).Format("15:04:05"),
		human.Duration(from), human.Duration(to), human.Count(n), human.Count(all), human.Percent(share))
}
