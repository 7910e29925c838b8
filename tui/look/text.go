package look

import (
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/hopscope/hopscope/pkg/printable"
)

// Cell is a text in a field of fixed width.
type Cell struct {
	Text  string
	Width int // in columns; 0: as wide as the text
	Right bool
	Role  Role
}

// Line puts cells side by side; selected makes it the line under the cursor.
func (l *Look) Line(selected bool, cells ...Cell) string {
	var b strings.Builder
	if selected {
		b.WriteString(l.paint[Select].before)
	}
	for _, c := range cells {
		text := l.Clean(c.Text)
		if c.Width > 0 {
			text = l.pad(text, c.Width, c.Right)
		}
		if selected {
			b.WriteString(text)
			continue
		}
		l.write(&b, c.Role, text)
	}
	if selected {
		b.WriteString(l.paint[Select].after)
	}
	return b.String()
}

// Paint gives a text, which may come from outside, a role.
func (l *Look) Paint(role Role, text string) string {
	var b strings.Builder
	l.write(&b, role, l.Clean(text))
	return b.String()
}

func (l *Look) write(b *strings.Builder, role Role, text string) {
	p := &l.paint[role]
	if text == "" {
		return
	}
	b.WriteString(p.before)
	b.WriteString(text)
	b.WriteString(p.after)
}

// Clean makes a text from outside fit for this terminal.
func (l *Look) Clean(s string) string {
	s = printable.Clean(s)
	if l.ASCII {
		s = toASCII(s)
	}
	return s
}

// Fit cuts or fills a painted line to exactly width columns.
func Fit(s string, width int) string {
	if width <= 0 {
		return ""
	}
	w := ansi.StringWidth(s)
	if w > width {
		s = ansi.Truncate(s, width, "")
		w = ansi.StringWidth(s)
	}
	return s + strings.Repeat(" ", max(0, width-w))
}

// Width is how many columns a text takes.
func Width(s string) int { return ansi.StringWidth(s) }

// pad cuts or fills a text without paint. What is cut off is told by an
// ellipsis.
func (l *Look) pad(s string, width int, right bool) string {
	w := ansi.StringWidth(s)
	if w > width {
		mark := "…"
		if l.ASCII {
			mark = "~"
		}
		s = ansi.Truncate(s, width, mark)
		w = ansi.StringWidth(s)
	}
	fill := strings.Repeat(" ", max(0, width-w))
	if right {
		return fill + s
	}
	return s + fill
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// glyphs replaces the characters that screens are made of by ASCII, one column
// for one.
var glyphs = strings.NewReplacer(
	"…", "~", "µ", "u", "→", ">", "←", "<", "↔", "-", "↑", "^", "↓", "v", "·", "|", "−", "-", "×", "x",
	"█", "#", "▓", "%", "▒", "+", "░", ".", "▏", "|", "▌", "|", "▐", "|",
	"▁", "_", "▂", ".", "▃", "-", "▄", "=", "▅", "+", "▆", "*", "▇", "%",
	"─", "-", "│", "|", "├", "|", "└", "`", "┤", "|", "┊", ":", "╌", "-", "┬", "+", "▸", "+", "▾", "-", "›", ">", "‹", "<",
	"•", "*", "▲", "^", "▼", "v", "⇄", "=", "≥", ">", "±", "~", "†", "x",
)

// toASCII keeps the width of what it replaces.
func toASCII(s string) string {
	if isASCII(s) {
		return s
	}
	s = glyphs.Replace(s)
	if isASCII(s) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if r < 0x80 {
			b.WriteRune(r)
			continue
		}
		b.WriteString(strings.Repeat("?", ansi.StringWidth(string(r))))
	}
	return b.String()
}

// Rule is a line between two parts of a screen.
func (l *Look) Rule(width int) string {
	return l.Line(false, Cell{Text: " " + strings.Repeat("─", max(0, width-2)), Role: Dim})
}

// Paragraph is a text beside what it is, broken into lines; none for no text.
func (l *Look) Paragraph(what, text string, width int) (lines []string) {
	if text == "" {
		return nil
	}
	for _, part := range Wrap(text, max(10, width-14)) {
		lines = append(lines, l.Line(false, Cell{Text: "  " + what, Width: 12, Role: Title}, Cell{Text: " " + part}))
		what = ""
	}
	return lines
}

// Wrap breaks a text at blanks into lines of at most width columns, but for words
// that are longer.
func Wrap(text string, width int) []string {
	var out []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && Width(line)+1+Width(word) > width {
			out = append(out, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(out, line)
}
