package export

import (
	"bytes"
	"io"
	"strings"

	"github.com/charmbracelet/lipgloss"
	"github.com/mattn/go-runewidth"
	"github.com/muesli/termenv"

	"github.com/hopscope/hopscope/pkg/printable"
)

// page is text under construction, with the styles and the width of its
// reader's terminal. Styles are put on after a text was padded, so that widths
// are those of plain text.
type page struct {
	bytes.Buffer
	width  int
	cells  *runewidth.Condition
	styles styles
}

type styles struct {
	plain, title, dim, bad, warn lipgloss.Style
}

func newPage(o Options) *page {
	r := lipgloss.NewRenderer(io.Discard)
	r.SetColorProfile(termenv.Ascii)
	if o.Color {
		r.SetColorProfile(termenv.ANSI)
	}
	// Bars and dots are one cell wide; only East Asian terminals of long ago
	// drew them in two, and the default would ask the environment.
	return &page{width: o.width(), cells: &runewidth.Condition{}, styles: styles{
		plain: r.NewStyle(),
		title: r.NewStyle().Bold(true),
		dim:   r.NewStyle().Faint(true),
		bad:   r.NewStyle().Bold(true).Foreground(lipgloss.Color("1")),
		warn:  r.NewStyle().Foreground(lipgloss.Color("3")),
	}}
}

// line writes one line, without the blanks at its end.
func (p *page) line(text string) {
	p.WriteString(strings.TrimRight(text, " "))
	p.WriteByte('\n')
}

// section writes an empty line and a title.
func (p *page) section(title string) {
	p.line("")
	p.line(p.styles.title.Render(title))
}

// left pads or cuts a cleaned text to exactly n cells.
func (p *page) left(s string, n int) string {
	return p.cells.FillRight(p.cells.Truncate(printable.Clean(s), n, "…"), n)
}

// right pads a text to n cells; one that is longer stays whole.
func (p *page) right(s string, n int) string {
	return p.cells.FillLeft(s, n)
}

// paragraph writes words wrapped to the page, the first line after first and
// the others after rest.
func (p *page) paragraph(first, rest, text string, style lipgloss.Style) {
	margin := max(p.cells.StringWidth(first), p.cells.StringWidth(rest))
	for i, part := range p.wrap(text, p.width-margin) {
		if i == 0 {
			p.line(first + style.Render(part))
		} else {
			p.line(rest + style.Render(part))
		}
	}
}

// wrap breaks a cleaned text at blanks and, where a word is too long, within
// the word, after a "+" if there is one, so that no line is wider than n cells.
// Nothing is left out.
func (p *page) wrap(text string, n int) []string {
	n = max(n, 8)
	var out []string
	line := ""
	for _, word := range strings.Fields(printable.Clean(text)) {
		for {
			joined := word
			if line != "" {
				joined = line + " " + word
			}
			if p.cells.StringWidth(joined) <= n {
				line = joined
				break
			}
			if line != "" {
				out, line = append(out, line), ""
				continue
			}
			head := p.cells.Truncate(word, n, "")
			if i := strings.LastIndexByte(head, '+'); i > 0 {
				head = head[:i+1]
			}
			out, word = append(out, head), word[len(head):]
		}
	}
	return append(out, line)
}
