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
)

// columns are the widths of a waterfall's label and bar; all else is fixed.
type columns struct {
	label, bar int
	tail       bool
}

func (p *page) columns(tail bool) columns {
	c := columns{tail: tail}
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
	ranking[model.Path]{
		title: "PATHS, the one that took the most time first", more: "MORE PATHS",
		full:  func(x *model.Path) { waterfall(p, x, s.DurationNs) },
		brief: func(x *model.Path) { brief(p, x) },
	}.write(p, s.Paths, full)
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

	c := p.columns(p.width >= wideWidth)
	p.line(p.styles.dim.Render(headings(p, c, "hop @ where")))
	worst := worstHop(x)
	begin := 0.0
	for i := range x.Hops {
		h := &x.Hops[i]
		hopRow(p, c, row{h.Hop + " @ " + h.Where, h.Share, h.TailShare, &h.Dist}, begin, i == worst)
		begin += h.Share
	}
	totalRow(p, c, x.Total)
}

func totalRow(p *page, c columns, d model.Dist) {
	p.line("  " + p.left("total", c.label+1+c.bar) + p.right("", c.shares()) + numbers(p, d))
}

// shares is the width of the columns of shares.
func (c columns) shares() int {
	if c.tail {
		return 2 * shareCells
	}
	return shareCells
}

func headings(p *page, c columns, first string) string {
	out := "  " + p.left(first, c.label+1+c.bar) + p.right("share", shareCells)
	if c.tail {
		out += p.right("tail", shareCells)
	}
	for _, n := range []string{"mean", "p50", "p95", "p99", "max"} {
		out += p.right(n, numberCells)
	}
	return out
}

// row is one line of a waterfall.
type row struct {
	label           string
	share, tailPart float64
	dist            *model.Dist
}

// hopRow writes one hop. A name too long for its column goes on below.
func hopRow(p *page, c columns, h row, begin float64, worst bool) {
	mark, style := "  ", p.styles.plain
	if worst {
		mark, style = "> ", p.styles.bad
	}
	label := p.wrap(h.label, c.label)
	line := mark + p.left(label[0], c.label) + " " + bar(begin, h.share, c.bar) + p.right(human.Percent(h.share), shareCells)
	if c.tail {
		line += p.right(human.Percent(h.tailPart), shareCells)
	}
	p.line(style.Render(line + numbers(p, *h.dist)))
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
	label, share := "", 0.0
	if i := worstHop(x); i >= 0 {
		label, share = x.Hops[i].Hop+" @ "+x.Hops[i].Where, x.Hops[i].Share
	}
	briefLine(p, pathTitle(x), x.Journeys, &x.Total, label, share)
}

// briefLine is a row in one line, and the largest part of its time in another.
func briefLine(p *page, title string, count uint64, d *model.Dist, largest string, share float64) {
	const tail = 12 + 2*(numberCells+5)
	p.line(p.left(title, p.width-tail) +
		p.right(human.Count(count), 12) +
		" mean" + p.right(durationOf(d.MeanNs), numberCells) +
		"  p99" + p.right(durationOf(d.P99Ns), numberCells))
	if largest != "" {
		p.paragraph("    ", "    ", fmt.Sprintf("%s `%s`", human.Percent(share), largest), p.styles.dim)
	}
}

func durationOf(ns *int64) string {
	if ns == nil {
		return "-"
	}
	return human.Duration(*ns)
}
