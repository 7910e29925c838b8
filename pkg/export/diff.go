package export

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/hopscope/hopscope/pkg/diff"
	"github.com/hopscope/hopscope/pkg/model"
	"github.com/hopscope/hopscope/pkg/model/human"
)

const (
	diffPaths   = 10 // hop by hop, when the options name no number
	diffDrops   = 10
	diffLone    = 10
	diffChanged = 10
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
	diffExchanges(p, r.Exchanges, o.Paths)
	diffDropList(p, r.Drops)
	diffTCPList(p, r.TCP)
	diffDNSList(p, r.DNS)
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
		changed := 0
		for i := range r.Paths {
			if slices.ContainsFunc(r.Paths[i].Changes, func(c diff.Change) bool { return c.Significant }) {
				changed++
			}
		}
		return fmt.Sprintf("the latency of %d of %d paths changed significantly; --fail-over says what is a regression", changed, len(r.Paths))
	}
	return fmt.Sprintf("no regression beyond %g%%", *r.FailOver*100)
}

func diffTitle(id diff.ID) string {
	return fmt.Sprintf("%s → %s %s %s", id.From.Name, id.To.Name, service(id.Proto, id.Port), id.Direction)
}

// diffExchanges says of each service whether the network, the application or
// one that it waits for changed.
func diffExchanges(p *page, list []diff.Exchange, full int) {
	if len(list) == 0 {
		return
	}
	p.section("EXCHANGES, from request to answer")
	for i := range list {
		if i == full {
			p.line("")
			p.line(fmt.Sprintf("and %d more exchanges, see --format json", len(list)-i))
			return
		}
		x := &list[i]
		whole := diffWhole{
			title: fmt.Sprintf("%s → %s %s", x.From.Name, x.To.Name, service("tcp", x.Port)), counts: "exchanges", parts: "part @ where, its p99",
			regressed: x.Regressed, tooFew: x.TooFew, before: &x.Before, after: &x.After, changes: x.Changes, hops: x.Parts,
		}
		whole.write(p)
	}
}

func diffPath(p *page, x *diff.Path) {
	whole := diffWhole{
		title: diffTitle(x.ID), counts: "packets", parts: "hop @ where, its p99",
		regressed: x.Regressed, tooFew: x.TooFew, before: &x.Before, after: &x.After, changes: x.Changes, hops: x.Hops,
	}
	whole.write(p)
}

// diffWhole is a path, or exchanges, with its parts.
type diffWhole struct {
	title, counts, parts string
	regressed, tooFew    bool
	before, after        *model.Dist
	changes              []diff.Change
	hops                 []diff.Hop
}

func (x *diffWhole) write(p *page) {
	p.line("")
	title, style := x.title, p.styles.title
	switch {
	case x.regressed:
		title, style = title+"  REGRESSED", p.styles.bad
	case x.tooFew:
		title += "  (too few samples to test)"
	}
	p.paragraph("", "  ", title, style)
	p.paragraph("  ", "  ", fmt.Sprintf("%s %s before, %s after", human.Count(x.before.Count), x.counts, human.Count(x.after.Count)), p.styles.plain)
	c := p.diffColumns()
	p.line(p.styles.dim.Render("  " + p.left("", c.label) + p.right("before", diffCells) + p.right("after", diffCells) +
		p.right("change", changeCells) + p.right("p", pCells)))
	for _, change := range x.changes {
		diffRow(p, c, change.Quantile, change.BeforeNs, change.AfterNs, &change)
	}
	diffRow(p, c, "mean", value(x.before.MeanNs), value(x.after.MeanNs), nil)
	diffRow(p, c, "max", value(x.before.MaxNs), value(x.after.MaxNs), nil)
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
	list := changedList{p: p, title: "TCP, what changed as its sockets see it"}
	for i := range sides {
		t := &sides[i]
		way := "to"
		if t.Role == "server" {
			way = "for"
		}
		list.add(fmt.Sprintf("%s %s %s tcp/%d", t.From.Name, way, t.To.Name, t.Port),
			diffRate("retransmitted", &t.Retransmits)+diffTimes("rtt", t.RTTChanges), t.Regressed)
	}
}

// diffDNSList lists the askers whose lookups failed more or less often, or took
// another time.
func diffDNSList(p *page, rows []diff.DNS) {
	list := changedList{p: p, title: "DNS, what changed as those who ask see it"}
	for i := range rows {
		d := &rows[i]
		by := ""
		if d.Forwarded {
			by = ", asked by Docker's name server"
		}
		list.add(fmt.Sprintf("%s to %s%s", d.From.Name, d.To.Name, by),
			diffRate("failed", &d.Failed)+diffTimes("latency", d.LatencyChanges), d.Regressed)
	}
}

// changedList is a section of what changed significantly, up to a limit.
type changedList struct {
	p      *page
	title  string
	listed int
}

// add lists one row, unless nothing changed.
func (l *changedList) add(name, changes string, regressed bool) {
	if changes == "" {
		return
	}
	if l.listed == 0 {
		l.p.section(l.title)
	}
	l.listed++
	switch {
	case l.listed == diffChanged+1:
		l.p.line("and more, see --format json")
	case l.listed <= diffChanged && regressed:
		l.p.paragraph("  ", "    ", name+changes+"  REGRESSED", l.p.styles.bad)
	case l.listed <= diffChanged:
		l.p.paragraph("  ", "    ", name+changes, l.p.styles.plain)
	}
}

// diffRate is empty when it did not change significantly.
func diffRate(what string, r *diff.Rate) string {
	if !r.Significant {
		return ""
	}
	return fmt.Sprintf(", %s %s (%s) → %s (%s) *", what,
		human.Count(r.Before), human.Percent(r.ShareBefore), human.Count(r.After), human.Percent(r.ShareAfter))
}

// diffTimes tells of the percentiles that changed significantly.
func diffTimes(what string, changes []diff.Change) (line string) {
	for _, c := range changes {
		if c.Significant {
			line += fmt.Sprintf(", %s %s %s → %s (%s) *", what, c.Quantile, human.Duration(c.BeforeNs), human.Duration(c.AfterNs),
				relative(c.BeforeNs, c.AfterNs))
		}
	}
	return line
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
