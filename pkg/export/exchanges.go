package export

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hopscope/hopscope/pkg/model"
	"github.com/hopscope/hopscope/pkg/model/human"
)

// exchanges answers "network or application?": the response time of each
// service, part by part, the first full ones; the rest in a line each.
func exchanges(p *page, s model.Snapshot, full int) {
	ranking[model.Exchange]{
		title: "EXCHANGES, from request to answer: the network, or the application?", more: "MORE EXCHANGES",
		full:  func(x *model.Exchange) { fullExchange(p, x, s.DurationNs) },
		brief: func(x *model.Exchange) { briefExchange(p, x) },
	}.write(p, s.Exchanges, full)
}

func exchangeTitle(x *model.Exchange) string {
	return fmt.Sprintf("%s → %s %s", x.From.Name, x.To.Name, service("tcp", x.Port))
}

func fullExchange(p *page, x *model.Exchange, window int64) {
	p.paragraph("", "  ", exchangeTitle(x), p.styles.title)
	p.paragraph("  ", "  ", aboutExchange(x, window), p.styles.plain)
	if x.Count == 0 {
		return
	}
	c := p.columns(false)
	p.line(p.styles.dim.Render(headings(p, c, "part @ where")))
	worst := x.Worst()
	begin := 0.0
	for i := range x.Parts {
		part := &x.Parts[i]
		if part.Dist.SumNs == 0 {
			continue
		}
		hopRow(p, c, row{label: part.Label(), share: part.Share, dist: &part.Dist}, begin, i == worst)
		begin += part.Share
	}
	totalRow(p, c, x.Total)
	for i := range x.Slowest[:min(1, len(x.Slowest))] {
		slow := &x.Slowest[i]
		p.paragraph("  ", "    ", fmt.Sprintf("slowest: %s at %s: %s", human.Duration(slow.TotalNs),
			slow.At.Local().Format("15:04:05.000"), slow.Split()), p.styles.dim)
	}
}

// aboutExchange says how many there are, where they are seen from, and what is
// left out.
func aboutExchange(x *model.Exchange, window int64) string {
	about := fmt.Sprintf("%s exchanges, %s", human.Count(x.Count), rate(x.Count, window))
	switch x.View {
	case "client":
		about += ", seen at the client alone"
	case "server":
		about += ", seen at the server alone: from this host's edge on"
	}
	if x.RTT != nil {
		about += fmt.Sprintf(", rtt p50 %s", durationOf(x.RTT.P50Ns))
	}
	if x.Proxied {
		about += ", by docker-proxy"
	}
	if x.PublishedPort != nil {
		about += fmt.Sprintf(", published as port %d", *x.PublishedPort)
	}
	if x.Excluded > 0 {
		var why []string
		for _, reason := range slices.Sorted(maps.Keys(x.ExcludedBy)) {
			why = append(why, reason+" "+human.Count(x.ExcludedBy[reason]))
		}
		about += fmt.Sprintf("; %s left out: %s", human.Percent(float64(x.Excluded)/float64(x.Excluded+x.Count)), strings.Join(why, ", "))
	}
	return about
}

// briefExchange is one row in one line, its largest part in a second one.
func briefExchange(p *page, x *model.Exchange) {
	label, share := "", 0.0
	if i := x.Worst(); i >= 0 {
		label, share = x.Parts[i].Label(), x.Parts[i].Share
	}
	briefLine(p, exchangeTitle(x), x.Count, &x.Total, label, share)
}
