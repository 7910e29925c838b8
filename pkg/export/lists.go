package export

import "fmt"

// maxBriefs is how many rows follow in a line each, after those in full.
const maxBriefs = 15

// ranking writes rows of which the first matter most.
type ranking[T any] struct {
	title, more string
	full, brief func(*T)
}

// write writes the first full rows in full, and some more in a line each.
func (r ranking[T]) write(p *page, rows []T, full int) {
	if len(rows) == 0 {
		return
	}
	p.section(r.title)
	for i := range rows[:min(full, len(rows))] {
		if i > 0 {
			p.line("")
		}
		r.full(&rows[i])
	}
	if len(rows) <= full {
		return
	}
	p.section(r.more)
	rest := rows[full:]
	for i := range rest[:min(maxBriefs, len(rest))] {
		r.brief(&rest[i])
	}
	if len(rest) > maxBriefs {
		p.line(fmt.Sprintf("and %d more, see --format json", len(rest)-maxBriefs))
	}
}

// paragraphs writes a section of at most so many rows, a paragraph each. Those
// in trouble stand out.
func paragraphs[T any](p *page, title string, rows []T, most int, text func(*T) string, troubled func(*T) bool) {
	p.section(title)
	for i := range rows[:min(most, len(rows))] {
		style := p.styles.plain
		if troubled(&rows[i]) {
			style = p.styles.warn
		}
		p.paragraph("  ", "      ", text(&rows[i]), style)
	}
	if n := len(rows) - most; n > 0 {
		p.line(fmt.Sprintf("  and %d more, see --format json", n))
	}
}
