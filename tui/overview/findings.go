package overview

import (
	"fmt"
	"strings"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"

	"github.com/hopscope/hopscope/pkg/model"
	"github.com/hopscope/hopscope/tui/look"
	"github.com/hopscope/hopscope/tui/screen"
)

func (s *Screen) all() []model.Finding { return s.d.Frame.Snapshot.Findings }

// findingKey outlives the numbers in the sentences.
func (s *Screen) findingKey(i int) string {
	f := s.all()[i]
	return f.Kind + "\n" + strings.Map(func(r rune) rune {
		if strings.ContainsRune("0123456789.,", r) {
			return -1
		}
		return r
	}, f.Text)
}

// pressReading handles the keys of who reads the findings.
func (s *Screen) pressReading(msg tea.KeyMsg) (screen.Action, bool) {
	k := s.keys
	switch {
	case s.found.Press(msg, k):
	case key.Matches(msg, k.Findings), key.Matches(msg, k.Back), key.Matches(msg, k.Open):
		s.reading = false
	default:
		return screen.Action{}, false
	}
	return screen.Action{}, true
}

// clickFinding puts the cursor on a finding, or reads one that stands above the
// list.
func (s *Screen) clickFinding(line int) bool {
	if s.reading {
		s.found.Click(line)
		return true
	}
	if line < 0 || line >= len(s.findingAt) {
		return false
	}
	s.reading = true
	s.found.To(s.findingAt[line])
	return true
}

// read paints all findings, and below them the one under the cursor whole.
func (s *Screen) read(l *look.Look, width, height int) []string {
	all := s.all()
	if len(all) == 0 {
		return []string{l.Paint(look.Good, "  nothing was found in this window"), l.Paint(look.Dim, "  esc goes back")}
	}
	lines := []string{l.Line(false, look.Cell{Text: fmt.Sprintf(" findings, %d", len(all)), Width: width, Role: look.Title})}
	f := all[s.found.At()]
	role, _ := severity(f.Severity)
	whole := []string{l.Rule(width)}
	for _, part := range look.Wrap(f.Text, max(10, width-4)) {
		whole = append(whole, l.Line(false, look.Cell{Text: "  " + part, Role: role}))
	}
	whole = append(whole, l.Paragraph("evidence", f.Evidence, width)...)
	whole = append(whole, l.Paragraph("mend", f.Mend, width)...)
	room := max(1, min(len(all), height-1-len(whole)))
	lines = s.found.Paint(lines, room, func(i int) string { return s.findingLine(l, width, i) })
	return append(lines, whole...)
}

func (s *Screen) findingLine(l *look.Look, width, i int) string {
	f, selected := s.all()[i], i == s.found.At()
	cursor := " "
	if selected {
		cursor = ">"
	}
	role, mark := severity(f.Severity)
	return l.Line(selected, look.Cell{Text: cursor + " " + mark + " " + f.Text, Width: width, Role: role})
}

// findings are the sentences on top; the first with all that there is to do about
// it, the others with as much as there is room for.
func (s *Screen) findings(l *look.Look, width, height int) []string {
	room := height / 4
	var lines []string
	s.findingAt = s.findingAt[:0]
	for i, f := range s.all() {
		if len(lines) >= room {
			break
		}
		role, mark := severity(f.Severity)
		lines = append(lines, l.Line(false, look.Cell{Text: " " + mark + " " + f.Text, Width: width, Role: role}))
		free := room - len(lines)
		if i > 0 { // of the others a line, where there is room
			free = min(free, height/30)
		}
		for _, part := range folded(f.Mend, max(20, width-4), free) {
			lines = append(lines, l.Line(false, look.Cell{Text: "    " + part, Width: width, Role: look.Dim}))
		}
		for len(s.findingAt) < len(lines) {
			s.findingAt = append(s.findingAt, i)
		}
	}
	return lines
}

// folded breaks a text into at most n lines; what does not fit runs over the edge
// of the last one.
func folded(text string, width, n int) []string {
	if text == "" || n <= 0 {
		return nil
	}
	lines := look.Wrap(text, width)
	if len(lines) > n {
		lines[n-1] = strings.Join(lines[n-1:], " ")
		lines = lines[:n]
	}
	return lines
}

// severity has a sign too, for where there is no colour.
func severity(s string) (look.Role, string) {
	switch s {
	case "critical":
		return look.Bad, "!!"
	case "warning":
		return look.Warn, "! "
	}
	return look.Accent, "i "
}
