package topology

import (
	"fmt"
	"math"

	"github.com/hopscope/hopscope/pkg/model/human"
	"github.com/hopscope/hopscope/tui/digest"
	"github.com/hopscope/hopscope/tui/look"
)

const numberWidth = 10

// View paints the tree.
func (s *Screen) View(l *look.Look, width, height int) []string {
	if len(s.rows) == 0 {
		return []string{l.Paint(look.Plain, "  "+s.nothing())}
	}
	lines := []string{s.cells(l, width, false, look.Title, " who and where", "pkts/s", "mean here", "p99 here", "drops/s")}
	return s.list.Paint(lines, height-1, func(i int) string { return s.line(l, width, i) })
}

func (s *Screen) nothing() string {
	if s.d == nil {
		return "adding up all places ..."
	}
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
	switch {
	case r.depth == 0:
		role = look.Title
	case r.dim:
		role = look.Dim
	}
	if r.load.Packets == 0 && r.load.Drops == 0 {
		return s.cells(l, width, selected, role, name, "", "", "", "")
	}
	if r.load.P99 == digest.Unknown { // no place, at which time passes
		return s.cells(l, width, selected, role, name, s.d.PerSecond(r.load.Packets), "", "", "")
	}
	mean := "-"
	if r.load.Packets > 0 {
		mean = human.Duration(int64(math.Round(r.load.Ns / float64(r.load.Packets))))
	}
	lost := "0"
	if slow := look.Latency(r.load.P99); slow != look.Plain {
		role = slow
	}
	if r.load.Drops > 0 {
		lost = s.d.PerSecond(r.load.Drops)
		role = look.Bad
	}
	return s.cells(l, width, selected, role, name, s.d.PerSecond(r.load.Packets), mean, human.Duration(r.load.P99), lost)
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
