package container

import (
	"fmt"
	"strings"

	"github.com/hopscope/hopscope/pkg/model"
	"github.com/hopscope/hopscope/pkg/model/human"
	"github.com/hopscope/hopscope/tui/digest"
	"github.com/hopscope/hopscope/tui/look"
)

// line is one line of the waterfall: a hop, or the path as a whole.
type line struct {
	path  *model.Path
	hop   *model.Hop // nil: the path as a whole, above its hops
	begin float64    // mean ns before it
	worst bool       // the hop with the largest share

	exchange *model.Exchange     // instead of the path: the time from request to answer
	part     *model.ExchangePart // nil: the exchange as a whole, above its parts
}

// lineKey tells lines apart.
type lineKey struct{ direction, hop, where string }

func (x *line) key() lineKey {
	if x.exchange != nil {
		k := lineKey{direction: "exchange"}
		if x.part != nil {
			k.hop, k.where = x.part.Part, x.part.Where
		}
		return k
	}
	k := lineKey{direction: x.path.Direction}
	if x.hop != nil {
		k.hop, k.where = x.hop.Hop, x.hop.Where
	}
	return k
}

// fall makes the lines of the chosen conversation.
func (s *Screen) fall() {
	s.lines = nil
	if t := s.talk(); t != nil {
		for _, p := range t.Paths() {
			s.lines = append(s.lines, pathLines(p, s.d.Hops(p))...)
		}
		if x := s.d.Exchange(t); x != nil {
			s.lines = append(s.lines, exchangeLines(x)...)
		}
	}
	s.inHops = s.inHops && len(s.lines) > 0
	s.hops.Settle(len(s.lines), s.lineKeyAt)
}

// remarkable is the share from which on the largest hop is marked.
const remarkable = 0.25

func pathLines(p *model.Path, hops []model.Hop) []line {
	out := []line{{path: p}}
	begin, worst := 0.0, 0
	for i := range hops {
		h := &hops[i]
		out = append(out, line{path: p, hop: h, begin: begin})
		begin += meanPart(p, h)
		if worst == 0 || h.Share > out[worst].hop.Share {
			worst = i + 1
		}
	}
	if worst > 0 && out[worst].hop.Share >= remarkable {
		out[worst].worst = true
	}
	return out
}

// exchangeLines are an exchange and its parts, of which the sums add up.
func exchangeLines(x *model.Exchange) []line {
	out := []line{{exchange: x}}
	begin := 0.0
	for i := range x.Parts {
		p := &x.Parts[i]
		if p.Dist.SumNs == 0 {
			continue
		}
		out = append(out, line{exchange: x, part: p, begin: begin, worst: i == x.Worst() && p.Share >= remarkable})
		begin += p.Share * float64(known(x.Total.MeanNs))
	}
	return out
}

// meanPart is what a hop adds to the mean packet of the path, in ns. That is
// less than the hop's own mean where not every packet meets it.
func meanPart(p *model.Path, h *model.Hop) float64 {
	return h.Share * float64(known(p.Total.MeanNs))
}

func known(ns *int64) int64 {
	if ns == nil {
		return 0
	}
	return *ns
}

// bar is the place of a line on the scale of its mode, in ns.
func (x *line) bar(m mode) look.Mark {
	d := x.dist()
	part := float64(known(d.MeanNs))
	switch {
	case x.hop != nil:
		part = meanPart(x.path, x.hop)
	case x.part != nil:
		part = x.part.Share * float64(known(x.exchange.Total.MeanNs))
	}
	switch m {
	case p50:
		return look.Mark{To: float64(known(d.P50Ns))}
	case p99:
		return look.Mark{To: float64(known(d.P99Ns))}
	}
	return look.Mark{From: x.begin, To: x.begin + part, Whisker: x.begin + float64(known(d.P99Ns))}
}

// scale is the right end of the bars in ns: one for both directions, so that
// they compare, and one for exchanges, which may take a thousand times as long.
// Means are not to shrink below a third for a whisker's sake.
func (s *Screen) scale(exchanges bool) float64 {
	var bars, whiskers float64
	for i := range s.lines {
		if (s.lines[i].exchange != nil) != exchanges {
			continue
		}
		m := s.lines[i].bar(s.mode)
		bars, whiskers = max(bars, m.To), max(whiskers, m.Whisker)
	}
	return max(bars, min(whiskers, 3*bars))
}

// number is one of the columns of numbers.
type number struct {
	title string
	from  int // columns of screen from which on it is shown
	text  func(x *line) string
}

func numbers() []number {
	return []number{
		{"share", 44, func(x *line) string {
			switch {
			case x.hop != nil:
				return human.Percent(x.hop.Share)
			case x.part != nil:
				return human.Percent(x.part.Share)
			}
			return ""
		}},
		{"tail", 96, func(x *line) string {
			if x.hop == nil {
				return ""
			}
			return human.Percent(x.hop.TailShare)
		}},
		{"mean", 54, func(x *line) string { return duration(x.dist().MeanNs) }},
		{"p50", 104, func(x *line) string { return duration(x.dist().P50Ns) }},
		{"p99", 34, func(x *line) string { return duration(x.dist().P99Ns) }},
		{"max", 72, func(x *line) string { return duration(x.dist().MaxNs) }},
	}
}

func (x *line) dist() *model.Dist {
	switch {
	case x.hop != nil:
		return &x.hop.Dist
	case x.part != nil:
		return &x.part.Dist
	case x.exchange != nil:
		return &x.exchange.Total
	}
	return &x.path.Total
}

func duration(ns *int64) string {
	if ns == nil {
		return "-"
	}
	return human.Duration(*ns)
}

const numberWidth = 8

// waterfall paints the lines that fit height, those around the cursor.
func (s *Screen) waterfall(l *look.Look, width, height int) []string {
	var shown []number
	label, bar := width-2, 0
	for _, n := range numbers() {
		if width >= n.from {
			shown = append(shown, n)
			label -= numberWidth
		}
	}
	if bar = max(label*2/7, label-s.longest()-4); bar < 8 {
		bar = 0
	}
	label -= bar
	_, to := s.hops.InSight(height - 1)
	out := []string{s.waterfallHeading(l, shown, label, bar, len(s.lines)-to)}
	scales := map[bool]float64{true: s.scale(true), false: s.scale(false)}
	return s.hops.Paint(out, height-1, func(i int) string {
		x := &s.lines[i]
		return s.waterfallLine(l, x, s.inHops && i == s.hops.At(), shown, label, bar, scales[x.exchange != nil])
	})
}

// longest is the width of the longest hop.
func (s *Screen) longest() int {
	n := 0
	for i := range s.lines {
		n = max(n, look.Width(s.lines[i].label()))
	}
	return n
}

// waterfallHeading tells also how many lines there are below those in sight.
func (s *Screen) waterfallHeading(l *look.Look, shown []number, label, bar, below int) string {
	title := "  hops by " + s.mode.String()
	if below > 0 {
		title += fmt.Sprintf(" · %d more", below)
	}
	cells := []look.Cell{{Text: title, Width: 2 + label + bar, Role: look.Title}}
	for _, n := range shown {
		cells = append(cells, look.Cell{Text: n.title, Width: numberWidth, Right: true, Role: look.Title})
	}
	return l.Line(false, cells...)
}

func (s *Screen) waterfallLine(l *look.Look, x *line, selected bool, shown []number, label, bar int, scale float64) string {
	mark, role := "  ", look.Plain
	switch {
	case selected:
		mark = "> "
	case x.worst:
		mark, role = "• ", look.Warn
	}
	var cells []look.Cell
	if x.whole() {
		if len(shown) > 0 && shown[0].title == "share" { // a path is the whole
			shown, bar = shown[1:], bar+numberWidth
		}
		cells = append(cells, look.Cell{Text: mark}, look.Cell{Text: x.title(), Width: label + bar, Role: look.Title})
	} else {
		if x.worst {
			role = look.Warn
		}
		cells = append(cells, look.Cell{Text: mark, Role: role},
			look.Cell{Text: "  " + x.label(), Width: max(label-1, 1), Role: role}, look.Cell{Text: " "})
		if bar > 0 {
			cells = append(cells, look.Bar(x.bar(s.mode), scale, bar)...)
		}
	}
	for _, n := range shown {
		cells = append(cells, look.Cell{Text: n.text(x), Width: numberWidth, Right: true, Role: role})
	}
	return l.Line(selected, cells...)
}

// whole says that the line stands above those that it is the sum of.
func (x *line) whole() bool { return x.hop == nil && x.part == nil }

// label of a hop or part.
func (x *line) label() string {
	switch {
	case x.hop != nil:
		return x.hop.Hop + " @ " + x.hop.Where
	case x.part != nil:
		return x.part.Label()
	}
	return ""
}

func (x *line) title() string {
	if x.exchange == nil {
		return pathTitle(x.path)
	}
	return fmt.Sprintf("answers  %s → %s · from request to answer, %s of them", x.exchange.From.Name, x.exchange.To.Name, human.Count(x.exchange.Count))
}

// pathTitle is a path as a line: who to whom, and how much.
func pathTitle(p *model.Path) string {
	parts := []string{fmt.Sprintf("%s  %s → %s", p.Direction, p.From.Name, p.To.Name)}
	parts = append(parts, human.Count(p.Journeys)+" pkts")
	if p.Total.Samples < p.Total.Count {
		parts = append(parts, human.Count(p.Total.Samples)+" measured")
	}
	return strings.Join(parts, " · ")
}

// about is what is worth knowing of a conversation beside its times.
func about(t *digest.Talk) string {
	p := t.Worst
	var parts []string
	if p.Network != "" {
		parts = append(parts, "network "+p.Network)
	}
	if p.NAT != "none" && p.NAT != "" {
		parts = append(parts, p.NAT)
	}
	if p.PublishedPort != nil {
		parts = append(parts, fmt.Sprintf("published as %d", *p.PublishedPort))
	}
	return strings.Join(parts, " · ")
}
