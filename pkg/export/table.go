package export

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hopscope/hopscope/pkg/journey"
	"github.com/hopscope/hopscope/pkg/model"
	"github.com/hopscope/hopscope/pkg/model/human"
)

const (
	defaultWidth = 80
	minWidth     = 80 // narrower, the columns of a waterfall do not fit
	maxWidth     = 160
	wideWidth    = 100 // from here on there is room for the tail's share

	maxContainers = 20
	maxDrops      = 10

	wholeFindings = 3 // those that explain most; of others the sentence alone
	maxFindings   = 12
)

// Options of the table.
type Options struct {
	Width   int // columns of the terminal; 0: unknown, 80
	Color   bool
	Paths   int  // paths that are shown hop by hop; 0: 5
	Explain bool // say what drop reasons and kinds of retransmissions mean
}

func (o Options) width() int {
	if o.Width <= 0 {
		return defaultWidth
	}
	return min(max(o.Width, minWidth), maxWidth)
}

func (o Options) paths() int {
	if o.Paths <= 0 {
		return 5
	}
	return o.Paths
}

// Table writes a summary for a terminal: what was measured and how well, the
// findings, and each path as a waterfall of its hops, the worst path first.
func Table(w io.Writer, s model.Snapshot, o Options) error {
	p := newPage(o)
	header(p, s)
	if len(s.Paths) == 0 {
		p.line("")
		p.paragraph("", "", noJourneys(s), p.styles.warn)
	}
	findingList(p, s)
	containers(p, s)
	exchanges(p, s, o.paths())
	paths(p, s, o.paths())
	tcp(p, s)
	if o.Explain {
		explainRetransmits(p, s.TCP)
	}
	nameServers(p, s)
	drops(p, s)
	if o.Explain {
		explainDrops(p, s.Drops)
	}
	hostStats(p, s)
	if _, err := w.Write(p.Bytes()); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	return nil
}

func header(p *page, s model.Snapshot) {
	p.paragraph("", "  ", fmt.Sprintf("hopscope %s on %s, Linux %s", s.ToolVersion, s.Host, s.Kernel), p.styles.title)
	window := "window  " + s.StartedAt.Local().Format("2006-01-02 15:04:05 -07:00") + ", " + human.Duration(s.DurationNs)
	switch s.Ended {
	case "signal":
		window += ", ended by a signal"
	case "key":
		window += ", ended by a key"
	case "limit":
		window += ", ended as its --when held"
	case "error":
		window += ", ended by an error"
	}
	p.line(window)
	a := s.Accounting
	p.paragraph("packets ", "        ", fmt.Sprintf("%s tracked, %s completed, %s in flight, %s lost; %s",
		human.Count(a.Tracked), human.Count(a.Completed), human.Count(a.InFlight),
		human.Count(total(a.Lost)), sampled(a.SampleRate)), p.styles.plain)
	if n := total(a.Lost); n > 0 {
		p.paragraph("LOST    ", "        ", fmt.Sprintf("%s of the tracked packets by the tracer itself: %s",
			human.Percent(float64(n)/float64(max(a.Tracked, 1))), causes(a.Lost)), p.styles.bad)
	}
	if beside := a.Unfollowed(); len(beside) > 0 {
		p.paragraph("LOST    ", "        ", "counts that are missing below: "+causes(beside), p.styles.bad)
	}
	if a.Suppressed > 0 {
		p.paragraph("        ", "        ", fmt.Sprintf("%s completed under pressure without a record; the others carry their weight",
			human.Count(a.Suppressed)), p.styles.dim)
	}
	if c := cost(s.Cost); c != "" {
		p.paragraph("cost    ", "        ", c, p.styles.plain)
	}
}

func sampled(rate float64) string {
	switch {
	case rate >= 1:
		return "every packet sampled"
	case rate <= 0:
		return "sample rate unknown"
	}
	return fmt.Sprintf("1 of %.4g packets sampled", 1/rate)
}

// cost is what the tool itself took, as far as it is known.
func cost(c model.Cost) string {
	var parts []string
	if c.BPFNsPerPacket != nil {
		parts = append(parts, human.Duration(int64(*c.BPFNsPerPacket+0.5))+" of BPF a packet")
	}
	if c.BPFCPUPercent != nil {
		parts = append(parts, fmt.Sprintf("%.1f%% of a core in BPF", *c.BPFCPUPercent))
	}
	if c.UserCPUPercent != nil {
		parts = append(parts, fmt.Sprintf("%.1f%% in user space", *c.UserCPUPercent))
	}
	if c.RSSBytes != nil {
		parts = append(parts, human.Bytes(*c.RSSBytes)+" of memory")
	}
	return strings.Join(parts, ", ")
}

// noJourneys says why there is no path to show.
func noJourneys(s model.Snapshot) string {
	a := s.Accounting
	why := "all that completed ended before a destination, see the accounting in --format json."
	switch {
	case a.Tracked == 0 && a.Notes["unsampled"] > 0:
		why = fmt.Sprintf("the sample rate left out all of %s packets. Try --sample 1.", human.Count(a.Notes["unsampled"]))
	case a.Tracked == 0:
		why = "no packet was born while it was traced. Is there traffic, and does `hopscope doctor` find the trace points?"
	case a.Completed == 0 && a.InFlight > 0:
		why = fmt.Sprintf("%s packets are still in flight and none has arrived.", human.Count(a.InFlight))
	case a.Completed == 0:
		why = "every tracked packet was lost by the tracer, see above."
	case a.Filtered == a.Completed:
		why = fmt.Sprintf("none of the %s packets that completed was to or from a selected container.", human.Count(a.Completed))
	case len(s.Drops) > 0:
		why = "every packet was dropped, see below."
	}
	return "No journeys: " + why
}

func findingList(p *page, s model.Snapshot) {
	if len(s.Findings) == 0 {
		return
	}
	p.section("FINDINGS")
	for i, f := range s.Findings {
		if i == maxFindings {
			p.line(fmt.Sprintf("  and %d more, see --format json", len(s.Findings)-i))
			break
		}
		style := p.styles.warn
		if f.Severity == "critical" {
			style = p.styles.bad
		}
		p.paragraph("! ", "  ", f.Text, style)
		if i >= wholeFindings {
			continue
		}
		p.paragraph("  ", "  ", f.Evidence, p.styles.plain)
		p.paragraph("  mend: ", "  ", f.Mend, p.styles.plain)
	}
}

func containers(p *page, s model.Snapshot) {
	if len(s.Containers) == 0 {
		return
	}
	const numbers = 4 * 11
	name := min(30, (p.width-numbers)/2)
	p.section(p.left("CONTAINERS", name) + "    tx pkts   tx bytes    rx pkts   rx bytes  networks")
	silent := 0
	var reduced []string // are named with what is missing of their hops
	why := ""
	for i, c := range s.Containers {
		if i-silent == maxContainers {
			p.line(fmt.Sprintf("and %d more", len(s.Containers)-i))
			break
		}
		if c.TX.Packets+c.RX.Packets == 0 {
			silent++
			continue
		}
		p.line(p.left(c.Name, name) +
			p.right(human.Count(c.TX.Packets), 11) + p.right(human.Bytes(c.TX.Bytes), 11) +
			p.right(human.Count(c.RX.Packets), 11) + p.right(human.Bytes(c.RX.Bytes), 11) +
			"  " + p.left(networks(c), p.width-numbers-name-2))
		if c.HostHops {
			reduced = append(reduced, c.Name)
			why = c.ReducedHops()
		}
	}
	if silent > 0 {
		p.line(fmt.Sprintf("and %d without traffic in this trace", silent))
	}
	if len(reduced) > 0 {
		p.paragraph("", "  ", strings.Join(reduced, ", ")+": "+why, p.styles.dim)
	}
}

func networks(c model.Container) string {
	names := make([]string, 0, len(c.Networks))
	for _, n := range c.Networks {
		names = append(names, n.Name)
	}
	return strings.Join(names, " ")
}

func drops(p *page, s model.Snapshot) {
	if len(s.Drops) == 0 {
		return
	}
	p.section("DROPS")
	for i, d := range s.Drops {
		if i == maxDrops {
			p.line(fmt.Sprintf("and %d more groups", len(s.Drops)-i))
			break
		}
		text := fmt.Sprintf("%s%s: %s → %s %s%s", d.Reason, dropPlace(&d),
			d.From.Name, d.To.Name, service(d.Proto, d.Port), dropLocation(&d)+byRule(&d))
		p.paragraph(p.right(human.Count(d.Count), 9)+"  ", strings.Repeat(" ", 11), text, p.styles.plain)
	}
}

// byRule is the part of netfilter that dropped them, and its rule.
func byRule(d *model.Drop) (text string) {
	if d.Stage != nil {
		text = ", by netfilter's " + *d.Stage
	}
	if d.Rule != nil {
		text += fmt.Sprintf(" (inferred: %s)", *d.Rule)
	}
	return text
}

// dropLocation is the kernel function, or what told of the drop instead.
func dropLocation(d *model.Drop) string {
	switch {
	case d.Location != "":
		return ", in " + d.Location
	case d.AttributedBy == model.ByCounter:
		return ", by the counter of the namespace"
	}
	return ""
}

func dropPlace(d *model.Drop) string {
	switch {
	case d.Where == "":
		return ""
	case d.Hop == journey.HopUnknown.String():
		return fmt.Sprintf(" at `%s`", d.Where)
	}
	return fmt.Sprintf(" at `%s @ %s`", d.Hop, d.Where)
}

// service is the protocol, and the port where there is one.
func service(proto string, port uint16) string {
	if port == 0 {
		return proto
	}
	return fmt.Sprintf("%s/%d", proto, port)
}

func total(counts map[string]uint64) (n uint64) {
	for _, c := range counts {
		n += c
	}
	return n
}

// causes lists the counts that are not 0, by name.
func causes(counts map[string]uint64) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(counts)) {
		if counts[k] > 0 {
			out = append(out, k+" "+human.Count(counts[k]))
		}
	}
	return strings.Join(out, ", ")
}

func rate(n uint64, ns int64) string { return human.Rate(n, time.Duration(ns)) }
