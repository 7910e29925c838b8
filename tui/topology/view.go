package topology

import (
	"fmt"
	"math"

	"github.com/hopscope/hopscope/pkg/model/human"
	"github.com/hopscope/hopscope/tui/look"
)

const numberWidth = 10

// View paints the tree.
func (s *Screen) View(l *look.Look, width, height int) []string {
	s.firstAt = height
	if len(s.rows) == 0 {
		return []string{l.Paint(look.Plain, "  "+s.nothing())}
	}
	lines := []string{s.cells(l, width, false, look.Title, " who and where", "pkts/s", "mean here", "p99 here", "drops/s")}
	s.firstAt = len(lines)
	from, to := s.list.InSight(len(s.rows), height-1)
	s.from = from
	for i := from; i < to; i++ {
		lines = append(lines, s.line(l, width, i))
	}
	return lines
}

func (s *Screen) nothing() string {
	if s.filter != "" {
		return fmt.Sprintf("nothing with %q; esc shows all", s.filter)
	}
	return "no container and no packet yet"
}

func (s *Screen) line(l *look.Look, width, i int) string {
	r := &s.rows[i]
	selected := i == s.list.At()
	mark := " "
	if selected {
		mark = ">"
	}
	name := mark + " "
	if r.depth > 0 {
		name += branch(r)
	}
	name += r.name
	if r.about != "" {
		name += "  " + r.about
	}
	role := look.Plain
	if r.depth == 0 {
		role = look.Title
	}
	if r.load.packets == 0 && r.drops == 0 {
		return s.cells(l, width, selected, role, name, "", "", "", "")
	}
	mean := "-"
	if r.load.packets > 0 {
		mean = human.Duration(int64(math.Round(r.load.ns / float64(r.load.packets))))
	}
	lost := "0"
	if r.drops > 0 {
		lost = s.d.PerSecond(r.drops)
		role = look.Bad
	}
	return s.cells(l, width, selected, role, name, s.d.PerSecond(r.load.packets), mean, human.Duration(r.load.p99), lost)
}

// branch is the line from a row's parent to it.
func branch(r *row) string {
	out := ""
	if r.depth == 2 {
		out = "│  "
		if r.under {
			out = "   "
		}
	}
	if r.last {
		return out + "└─ "
	}
	return out + "├─ "
}

// cells lays out a line: the tree, and the numbers that there is room for.
func (s *Screen) cells(l *look.Look, width int, selected bool, role look.Role, name string, numbers ...string) string {
	from := []int{50, 62, 36, 74}
	free := width
	var right []look.Cell
	for i, n := range numbers {
		if width >= from[i] {
			right = append(right, look.Cell{Text: n, Width: numberWidth, Right: true, Role: role})
			free -= numberWidth
		}
	}
	return l.Line(selected, append([]look.Cell{{Text: name, Width: max(1, free), Role: role}}, right...)...)
}
