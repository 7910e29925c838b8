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
}

// lineKey tells lines apart.
type lineKey struct{ direction, hop, where string }

func (x *line) key() lineKey {
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
			s.lines = append(s.lines, pathLines(p)...)
		}
	}
	s.inHops = s.inHops && len(s.lines) > 0
	s.hops.Settle(len(s.lines), s.lineKeyAt)
}

// remarkable is the share from which on the largest hop is marked.
const remarkable = 0.25

func pathLines(p *model.Path) []line {
	out := []line{{path: p}}
	begin, worst := 0.0, 0
	for i := range p.Hops {
		h := &p.Hops[i]
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
	d, part := x.path.Total, float64(known(x.path.Total.MeanNs))
	if x.hop != nil {
		d, part = x.hop.Dist, meanPart(x.path, x.hop)
	}
	switch m {
	case p50:
		return look.Mark{To: float64(known(d.P50Ns))}
	case p99:
		return look.Mark{To: float64(known(d.P99Ns))}
	}
	return look.Mark{From: x.begin, To: x.begin + part, Whisker: x.begin + float64(known(d.P99Ns))}
}

// scale is the right end of the bars in ns, one for both directions so that
// they compare. Means are not to shrink below a third for a whisker's sake.
func (s *Screen) scale() float64 {
	var bars, whiskers float64
	for i := range s.lines {
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
			if x.hop == nil {
				return ""
			}
			return human.Percent(x.hop.Share)
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
	if x.hop != nil {
		return &x.hop.Dist
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
	out := []string{s.waterfallHeading(l, shown, label, bar)}
	from, to := s.hops.InSight(len(s.lines), height-1)
	s.hopsFrom = from
	scale := s.scale()
	for i := from; i < to; i++ {
		out = append(out, s.waterfallLine(l, &s.lines[i], s.inHops && i == s.hops.At(), shown, label, bar, scale))
	}
	return out
}

// longest is the width of the longest hop.
func (s *Screen) longest() int {
	n := 0
	for i := range s.lines {
		if h := s.lines[i].hop; h != nil {
			n = max(n, look.Width(h.Hop)+3+look.Width(h.Where))
		}
	}
	return n
}

func (s *Screen) waterfallHeading(l *look.Look, shown []number, label, bar int) string {
	cells := []look.Cell{{Text: "  hops by " + s.mode.String(), Width: 2 + label + bar, Role: look.Title}}
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
	if x.hop == nil {
		if len(shown) > 0 && shown[0].title == "share" { // a path is the whole
			shown, bar = shown[1:], bar+numberWidth
		}
		cells = append(cells, look.Cell{Text: mark}, look.Cell{Text: pathTitle(x.path), Width: label + bar, Role: look.Title})
	} else {
		if x.worst {
			role = look.Warn
		}
		cells = append(cells, look.Cell{Text: mark, Role: role},
			look.Cell{Text: "  " + x.hop.Hop + " @ " + x.hop.Where, Width: max(label-1, 1), Role: role}, look.Cell{Text: " "})
		if bar > 0 {
			cells = append(cells, look.Bar(x.bar(s.mode), scale, bar)...)
		}
	}
	for _, n := range shown {
		cells = append(cells, look.Cell{Text: n.text(x), Width: numberWidth, Right: true, Role: role})
	}
	return l.Line(selected, cells...)
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
