package export

import (
	"fmt"
	"math"
	"strings"

	"github.com/hopscope/hopscope/pkg/model"
	"github.com/hopscope/hopscope/pkg/model/human"
)

const (
	numberCells = 7 // a blank and a duration of up to six cells
	shareCells  = 6
	maxBriefs   = 15 // paths in one line each, after those in full
)

// columns are the widths of a waterfall's label and bar; all else is fixed.
type columns struct {
	label, bar int
	tail       bool
}

func (p *page) columns() columns {
	c := columns{tail: p.width >= wideWidth}
	fixed := 2 + 1 + shareCells + 5*numberCells
	if c.tail {
		fixed += shareCells
	}
	free := p.width - fixed
	c.bar = max(8, free/4)
	c.label = free - c.bar
	return c
}

// paths writes the first full ones hop by hop and some more in a line each.
func paths(p *page, s model.Snapshot, full int) {
	if len(s.Paths) == 0 {
		return
	}
	p.section("PATHS, the one that took the most time first")
	for i := range s.Paths[:min(full, len(s.Paths))] {
		if i > 0 {
			p.line("")
		}
		waterfall(p, &s.Paths[i], s.DurationNs)
	}
	if len(s.Paths) <= full {
		return
	}
	p.section("MORE PATHS")
	rest := s.Paths[full:]
	for i := range rest[:min(maxBriefs, len(rest))] {
		brief(p, &rest[i])
	}
	if len(rest) > maxBriefs {
		p.line(fmt.Sprintf("and %d more, see --format json", len(rest)-maxBriefs))
	}
}

// pathTitle names a path: "web → api tcp/8080 request".
func pathTitle(x *model.Path) string {
	return fmt.Sprintf("%s → %s %s %s", x.From.Name, x.To.Name, service(x.Proto, x.Port), x.Direction)
}

func waterfall(p *page, x *model.Path, window int64) {
	p.paragraph("", "  ", pathTitle(x), p.styles.title)
	about := fmt.Sprintf("%s packets, %s, %s", human.Count(x.Journeys), rate(x.Journeys, window), human.Bytes(x.Bytes))
	if x.Network != "" {
		about += ", network " + x.Network
	}
	if x.NAT != "none" {
		about += ", " + x.NAT
	}
	if x.PublishedPort != nil {
		about += fmt.Sprintf(", published as port %d", *x.PublishedPort)
	}
	p.paragraph("  ", "  ", about, p.styles.plain)

	c := p.columns()
	p.line(p.styles.dim.Render(headings(p, c)))
	worst := worstHop(x)
	begin := 0.0
	for i := range x.Hops {
		hopRow(p, c, &x.Hops[i], begin, i == worst)
		begin += x.Hops[i].Share
	}
	p.line("  " + p.left("total", c.label+1+c.bar) + p.right("", c.shares()) + numbers(p, x.Total))
}

// shares is the width of the columns of shares.
func (c columns) shares() int {
	if c.tail {
		return 2 * shareCells
	}
	return shareCells
}

func headings(p *page, c columns) string {
	out := "  " + p.left("hop @ where", c.label+1+c.bar) + p.right("share", shareCells)
	if c.tail {
		out += p.right("tail", shareCells)
	}
	for _, n := range []string{"mean", "p50", "p95", "p99", "max"} {
		out += p.right(n, numberCells)
	}
	return out
}

// hopRow writes one hop. A name too long for its column goes on below.
func hopRow(p *page, c columns, h *model.Hop, begin float64, worst bool) {
	mark, style := "  ", p.styles.plain
	if worst {
		mark, style = "> ", p.styles.bad
	}
	label := p.wrap(h.Hop+" @ "+h.Where, c.label)
	row := mark + p.left(label[0], c.label) + " " + bar(begin, h.Share, c.bar) + p.right(human.Percent(h.Share), shareCells)
	if c.tail {
		row += p.right(human.Percent(h.TailShare), shareCells)
	}
	p.line(style.Render(row + numbers(p, h.Dist)))
	for _, more := range label[1:] {
		p.line(style.Render("    " + more))
	}
}

func numbers(p *page, d model.Dist) string {
	out := ""
	for _, ns := range []*int64{d.MeanNs, d.P50Ns, d.P95Ns, d.P99Ns, d.MaxNs} {
		text := "-"
		if ns != nil {
			text = human.Duration(*ns)
		}
		out += p.right(text, numberCells)
	}
	return out
}

// bar paints a share of the path's time where it begins. Both edges are
// rounded from the whole, so that the bars of a path join without a gap; one
// that would be empty is a thin mark.
func bar(begin, share float64, cells int) string {
	from := int(math.Round(begin * float64(cells)))
	to := int(math.Round((begin + share) * float64(cells)))
	from, to = min(max(from, 0), cells), min(max(to, 0), cells)
	if from == to {
		from = min(from, cells-1)
		return strings.Repeat(" ", from) + "▏" + strings.Repeat(" ", cells-from-1)
	}
	return strings.Repeat(" ", from) + strings.Repeat("█", to-from) + strings.Repeat(" ", cells-to)
}

// worstHop is the one of the largest share, or -1.
func worstHop(x *model.Path) int {
	worst := -1
	for i := range x.Hops {
		if worst < 0 || x.Hops[i].Share > x.Hops[worst].Share {
			worst = i
		}
	}
	return worst
}

// brief is one path in one line, its slowest hop in a second one.
func brief(p *page, x *model.Path) {
	const tail = 12 + 2*(numberCells+5)
	p.line(p.left(pathTitle(x), p.width-tail) +
		p.right(human.Count(x.Journeys), 12) +
		" mean" + p.right(durationOf(x.Total.MeanNs), numberCells) +
		"  p99" + p.right(durationOf(x.Total.P99Ns), numberCells))
	if i := worstHop(x); i >= 0 {
		h := &x.Hops[i]
		p.paragraph("    ", "    ", fmt.Sprintf("%s `%s @ %s`", human.Percent(h.Share), h.Hop, h.Where), p.styles.dim)
	}
}

func durationOf(ns *int64) string {
	if ns == nil {
		return "-"
	}
	return human.Duration(*ns)
}
