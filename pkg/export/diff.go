package export

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/hopscope/hopscope/pkg/diff"
	"github.com/hopscope/hopscope/pkg/model"
	"github.com/hopscope/hopscope/pkg/model/human"
)

const (
	diffPaths = 10 // hop by hop, when the options name no number
	diffDrops = 10
	diffLone  = 10
	diffTCP   = 10
)

// DiffJSON writes a comparison as one document, see docs/exports.md.
func DiffJSON(w io.Writer, r *diff.Result) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(r); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return nil
}

// DiffTable writes a comparison for a terminal: what was compared, what
// regressed, then path by path where the change is.
func DiffTable(w io.Writer, r *diff.Result, o Options) error {
	p := newPage(o)
	diffHeader(p, r)
	if o.Paths <= 0 {
		o.Paths = diffPaths
	}
	for i := range r.Paths {
		if i == o.Paths {
			p.line("")
			p.line(fmt.Sprintf("and %d more paths, see --format json", len(r.Paths)-i))
			break
		}
		diffPath(p, &r.Paths[i])
	}
	diffDropList(p, r.Drops)
	diffTCPList(p, r.TCP)
	lonePaths(p, "APPEARED, only in the later capture", r.Appeared)
	lonePaths(p, "VANISHED, only in the earlier capture", r.Vanished)
	if _, err := w.Write(p.Bytes()); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	return nil
}

func diffHeader(p *page, r *diff.Result) {
	for _, c := range []struct {
		name string
		of   diff.Capture
	}{{"before  ", r.Before}, {"after   ", r.After}} {
		p.paragraph(c.name, "        ", fmt.Sprintf("%s, %s, %s, Linux %s; %s packets tracked, %s lost by the tracer",
			c.of.Host, c.of.StartedAt.Local().Format("2006-01-02 15:04:05 -07:00"), human.Duration(c.of.DurationNs),
			c.of.Kernel, human.Count(c.of.Tracked), human.Count(c.of.Lost)), p.styles.plain)
	}
	verdict, style := diffVerdict(r), p.styles.title
	if r.Regressed {
		style = p.styles.bad
	}
	p.paragraph("verdict ", "        ", verdict, style)
	if len(r.Paths) > 0 {
		p.paragraph("        ", "        ", fmt.Sprintf("changes with a * are significant: chance alone gives one in less than %s of such comparisons",
			human.Percent(r.Alpha)), p.styles.dim)
	}
}

func diffVerdict(r *diff.Result) string {
	if err := r.Verdict(); err != nil {
		return err.Error()
	}
	if r.FailOver == nil {
		return "no threshold given (--fail-over)"
	}
	return fmt.Sprintf("no regression beyond %g%%", *r.FailOver*100)
}

func diffTitle(id diff.ID) string {
	return fmt.Sprintf("%s → %s %s %s", id.From.Name, id.To.Name, service(id.Proto, id.Port), id.Direction)
}

func diffPath(p *page, x *diff.Path) {
	p.line("")
	title, style := diffTitle(x.ID), p.styles.title
	switch {
	case x.Regressed:
		title, style = title+"  REGRESSED", p.styles.bad
	case x.TooFew:
		title += "  (too few samples to test)"
	}
	p.paragraph("", "  ", title, style)
	p.paragraph("  ", "  ", fmt.Sprintf("%s packets before, %s after", human.Count(x.Before.Count), human.Count(x.After.Count)), p.styles.plain)
	c := p.diffColumns()
	p.line(p.styles.dim.Render("  " + p.left("", c.label) + p.right("before", diffCells) + p.right("after", diffCells) +
		p.right("change", changeCells) + p.right("p", pCells)))
	for _, change := range x.Changes {
		diffRow(p, c, change.Quantile, change.BeforeNs, change.AfterNs, &change)
	}
	diffRow(p, c, "mean", value(x.Before.MeanNs), value(x.After.MeanNs), nil)
	diffRow(p, c, "max", value(x.Before.MaxNs), value(x.After.MaxNs), nil)
	diffHops(p, c, x)
}

func diffDropList(p *page, drops []diff.Drop) {
	if len(drops) == 0 {
		return
	}
	p.section("DROPS, of all packets of the sender")
	for i, d := range drops {
		if i == diffDrops {
			p.line(fmt.Sprintf("and %d more groups", len(drops)-i))
			break
		}
		style, mark := p.styles.plain, ""
		if d.Significant {
			mark = " *"
		}
		if d.Regressed {
			style, mark = p.styles.bad, " * REGRESSED"
		}
		p.paragraph("  ", "    ", fmt.Sprintf("%s (%s) → %s (%s)%s  %s at `%s @ %s`: %s → %s %s",
			human.Count(d.Before), human.Percent(d.ShareBefore), human.Count(d.After), human.Percent(d.ShareAfter), mark,
			d.Reason, d.Hop, d.Where, d.From.Name, d.To.Name, service(d.Proto, d.Port)), style)
	}
}

// diffTCPList lists the sides of connections whose retransmissions or round
// trip time changed.
func diffTCPList(p *page, sides []diff.TCP) {
	listed := 0
	for i := range sides {
		t := &sides[i]
		line := diffTCPLine(t)
		if line == "" {
			continue
		}
		if listed == 0 {
			p.section("TCP, what changed as its sockets see it")
		}
		if listed++; listed > diffTCP {
			p.line("and more, see --format json")
			return
		}
		style := p.styles.plain
		if t.Regressed {
			line, style = line+"  REGRESSED", p.styles.bad
		}
		p.paragraph("  ", "    ", line, style)
	}
}

// diffTCPLine is empty when nothing changed significantly.
func diffTCPLine(t *diff.TCP) string {
	line := ""
	if r := t.Retransmits; r.Significant {
		line += fmt.Sprintf(", retransmitted %s (%s) → %s (%s) *",
			human.Count(r.Before), human.Percent(r.ShareBefore), human.Count(r.After), human.Percent(r.ShareAfter))
	}
	for _, c := range t.RTTChanges {
		if c.Significant {
			line += fmt.Sprintf(", rtt %s %s → %s (%s) *", c.Quantile, human.Duration(c.BeforeNs), human.Duration(c.AfterNs),
				relative(c.BeforeNs, c.AfterNs))
		}
	}
	if line == "" {
		return ""
	}
	way := "to"
	if t.Role == "server" {
		way = "for"
	}
	return fmt.Sprintf("%s %s %s tcp/%d%s", t.From.Name, way, t.To.Name, t.Port, line)
}

func lonePaths(p *page, title string, paths []diff.Lone) {
	if len(paths) == 0 {
		return
	}
	p.section(title)
	for i := range paths {
		if i == diffLone {
			p.line(fmt.Sprintf("and %d more", len(paths)-i))
			break
		}
		p.paragraph("  ", "    ", fmt.Sprintf("%s: %s", diffTitle(paths[i].ID), about(paths[i].Dist)), p.styles.plain)
	}
}

func about(d model.Dist) string {
	return fmt.Sprintf("%s packets, p50 %s, p99 %s", human.Count(d.Count), durationOf(d.P50Ns), durationOf(d.P99Ns))
}
