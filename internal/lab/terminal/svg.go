package terminal

import (
	"encoding/xml"
	"fmt"
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// A picture's measures, in pixels.
const (
	cellWidth, cellHeight = 8.4, 18.0
	baseline              = 13.5 // of a line, from its top
	margin                = 12.0
	fontSize              = 14
	background            = "#1b1e28"
	foreground            = "#d7dae0"
)

// SVG draws what tmux's capture-pane -e gave as a picture that needs nothing
// else: every run of text is stretched to its cells, whatever font there is,
// and bars are boxes, so that they join.
func SVG(painted, title string) string {
	lines := strings.Split(strings.TrimRight(painted, "\n"), "\n")
	columns := 0
	for _, line := range lines {
		columns = max(columns, ansi.StringWidth(line))
	}
	var b strings.Builder
	width, height := float64(columns)*cellWidth+2*margin, float64(len(lines))*cellHeight+2*margin
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" width="%.0f" height="%.0f" role="img" `+
		`font-family="'DejaVu Sans Mono',Menlo,Consolas,monospace" font-size="%d">`+"\n",
		width, height, width, height, fontSize)
	fmt.Fprintf(&b, "<title>%s</title>\n<rect width=\"100%%\" height=\"100%%\" rx=\"8\" fill=\"%s\"/>\n", escape(title), background)
	var s style
	for i, line := range lines {
		x := 0
		for _, r := range s.parse(line) {
			x += r.draw(&b, x, float64(i)*cellHeight+margin)
		}
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// draw draws a run from a column on, and tells how many columns it took.
func (r run) draw(b *strings.Builder, column int, top float64) int {
	ink, paper := r.fg, r.bg
	if r.reversed {
		ink, paper = or(paper, background), or(ink, foreground)
	}
	width := ansi.StringWidth(r.text)
	if paper != "" {
		box(b, column, float64(width), top, 0, 1, paper, 1)
	}
	ink = or(ink, foreground)
	for text := r.text; text != ""; {
		part, rest := split(text)
		text = rest
		n := ansi.StringWidth(part)
		first := []rune(part)[0]
		if from, to, left, opacity, ok := block(first); ok {
			box(b, column, float64(n)*left, top, from, to, ink, opacity)
		} else if strings.TrimSpace(part) != "" {
			r.write(b, part, column, top, ink)
		}
		column += n
	}
	return width
}

// write writes text word by word: what lies between blanks is in its column,
// however a viewer treats blanks.
func (r run) write(b *strings.Builder, text string, column int, top float64, ink string) {
	var more string
	if r.bold {
		more += ` font-weight="bold"`
	}
	if r.dim {
		more += ` opacity="0.65"`
	}
	if r.underlined {
		more += ` text-decoration="underline"`
	}
	for _, word := range strings.SplitAfter(text, " ") {
		n := ansi.StringWidth(word)
		if word = strings.TrimSuffix(word, " "); word != "" {
			fmt.Fprintf(b, `<text x="%.1f" y="%.1f" textLength="%.1f" lengthAdjust="spacingAndGlyphs" fill="%s"%s>%s</text>`+"\n",
				margin+float64(column)*cellWidth, top+baseline, float64(ansi.StringWidth(word))*cellWidth, ink, more, escape(word))
		}
		column += n
	}
}

// split cuts text where blocks begin or end, and where another block follows.
func split(text string) (part, rest string) {
	var first rune
	for i, r := range text {
		if i == 0 {
			first = r
			continue
		}
		_, _, left, _, isBlock := block(first)
		_, _, _, _, nextIsBlock := block(r)
		if isBlock != nextIsBlock || isBlock && (r != first || left < 1) {
			return text[:i], text[i:]
		}
	}
	return text, ""
}

// block is the part of a cell that a block element (U+2580 to U+259F) fills.
func block(r rune) (from, to, left, opacity float64, ok bool) {
	switch {
	case r >= '▁' && r <= '█':
		return 1 - float64(r-'▁'+1)/8, 1, 1, 1, true
	case r >= '▉' && r <= '▏':
		return 0, 1, 1 - float64(r-'▉'+1)/8, 1, true
	case r == '░':
		return 0, 1, 1, 0.25, true
	case r == '▒':
		return 0, 1, 1, 0.5, true
	case r == '▓':
		return 0, 1, 1, 0.75, true
	}
	return 0, 0, 0, 0, false
}

// box fills cells from a column on, between two shares of their height.
func box(b *strings.Builder, column int, cells, top, from, to float64, ink string, opacity float64) {
	fmt.Fprintf(b, `<rect x="%.2f" y="%.2f" width="%.2f" height="%.2f" fill="%s"`,
		margin+float64(column)*cellWidth, top+from*cellHeight, cells*cellWidth, (to-from)*cellHeight, ink)
	if opacity < 1 {
		fmt.Fprintf(b, ` fill-opacity="%.2f"`, opacity)
	}
	b.WriteString("/>\n")
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a strings.Builder takes everything
	return b.String()
}
