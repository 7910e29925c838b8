package drops

import (
	"fmt"
	"strings"

	"github.com/hopscope/hopscope/pkg/dropreason"
	"github.com/hopscope/hopscope/pkg/model"
	"github.com/hopscope/hopscope/pkg/model/human"
	"github.com/hopscope/hopscope/tui/digest"
	"github.com/hopscope/hopscope/tui/look"
)

const countWidth, rateWidth = 9, 8

// maxStack is how many functions of a stack are shown.
const maxStack = 8

// View paints the list, and below it what is known of the row under the cursor.
func (s *Screen) View(l *look.Look, width, height int) []string {
	if len(s.rows) == 0 {
		return []string{l.Paint(look.Good, "  "+s.nothing())}
	}
	var lines []string
	if width >= 40 {
		lines = append(lines, l.Line(false, look.Cell{Text: " " + s.about(), Width: width, Role: look.Dim}))
	}
	s.measure()
	lines = append(lines, s.cells(l, width, false, look.Title, look.Title, "", "packets", "per s", "reason", "where", s.lastTitle()))
	var below []string
	if s.detail {
		below = s.explain(l, width)
	}
	lines = s.list.Paint(lines, max(1, height-len(lines)-len(below)), func(i int) string { return s.line(l, width, i) })
	return append(lines, below...)
}

func (s *Screen) measure() {
	s.longest, s.longestPlace, s.longestFlow = len("reason"), 0, 0
	for i := range s.rows {
		r := &s.rows[i]
		s.longest = max(s.longest, look.Width(s.reason(r)))
		s.longestPlace, s.longestFlow = max(s.longestPlace, look.Width(s.where(r))), max(s.longestFlow, look.Width(s.last(r)))
	}
}

func (s *Screen) line(l *look.Look, width, i int) string {
	r := &s.rows[i]
	mark := ""
	if i == s.list.At() {
		mark = ">"
	}
	role := look.Bad
	if r.drop == nil {
		role = look.Warn
	}
	return s.cells(l, width, i == s.list.At(), look.Plain, role, mark,
		human.Count(r.sum), s.d.PerSecond(r.sum), s.reason(r), s.where(r), s.last(r))
}

func (s *Screen) nothing() string {
	if s.filter != "" {
		return fmt.Sprintf("no drop and no retransmission with %q; esc shows all", s.filter)
	}
	return "no packet was dropped or sent again in this window"
}

func (s *Screen) about() string {
	var dropped, again uint64
	for i := range s.rows {
		if r := &s.rows[i]; r.drop != nil {
			dropped += r.sum
		} else {
			again += r.sum
		}
	}
	return fmt.Sprintf("%s packets dropped, %s sent again by TCP, %s", human.Count(dropped), human.Count(again), s.group)
}

func (s *Screen) lastTitle() string {
	if s.group == byContainer {
		return "container"
	}
	return "flow"
}

func (s *Screen) reason(r *row) string { return and(r.reason, r.flows > 1 && s.group != byReason) }
func (s *Screen) where(r *row) string  { return and(r.place, r.flows > 1 && s.group != byHop) }

// and tells that there are others in the group.
func and(text string, others bool) string {
	if others {
		text += " ..."
	}
	return text
}

func (s *Screen) last(r *row) string {
	switch {
	case s.group == byContainer:
		return r.who
	case r.flows > 1:
		return fmt.Sprintf("%d flows", r.flows)
	}
	return r.flow
}

// cells lays out a line, of which the reason has a role of its own.
func (s *Screen) cells(l *look.Look, width int, selected bool, role, bad look.Role, mark, count, rate, reason, where, last string) string {
	cells := []look.Cell{{Text: mark, Width: 2}, {Text: count, Width: countWidth, Right: true, Role: role}}
	free := width - 2 - countWidth
	if width >= 60 {
		cells = append(cells, look.Cell{Text: rate, Width: rateWidth, Right: true, Role: role})
		free -= rateWidth
	}
	if free < 3*8 {
		return l.Line(selected, append(cells, look.Cell{Text: "  " + reason, Width: max(4, free), Role: bad})...)
	}
	first := min(s.longest+2, free/3)
	rest := free - first
	place := min(max(rest/2, rest-s.longestFlow-1), max(rest/2, s.longestPlace+1)) // more than half where flows leave it
	cells = append(cells, look.Cell{Text: "  " + reason, Width: first, Role: bad},
		look.Cell{Text: " " + where, Width: place, Role: role},
		look.Cell{Text: " " + last, Width: rest - place, Role: role})
	return l.Line(selected, cells...)
}

// explain is the row under the cursor in full: of a group, its largest part.
func (s *Screen) explain(l *look.Look, width int) []string {
	r := &s.rows[s.list.At()]
	out := []string{l.Rule(width)}
	add := func(what, text string) { out = append(out, l.Paragraph(what, text, width)...) }
	add("flow", r.flow+s.d.Last(r.last))
	reason, ok := dropreason.FindRetransmit(r.kind)
	if r.drop != nil {
		aboutDrop(r.drop, add)
		reason, ok = dropreason.At(r.drop.Reason, r.drop.Location)
	} else {
		add("lost", strings.TrimPrefix(digest.LostAt(&r.tcp.Retransmits), ", "))
		add("all kinds", digest.Kinds(r.tcp.Retransmits.RetransmitKinds))
	}
	if ok {
		add("means", reason.Meaning)
		add("mend", reason.Mend)
	}
	return out
}

func aboutDrop(d *model.Drop, add func(what, text string)) {
	at := d.Hop + " @ " + d.Where
	if d.Location != "" {
		at += ", in the kernel's " + d.Location
	}
	add("where", at)
	if d.Stage != nil {
		add("stage", *d.Stage+" of netfilter")
	}
	if d.Rule != nil {
		add("rule", "inferred, its counter moved alike: "+*d.Rule)
	}
	if len(d.Stack) > 0 {
		add("stack", strings.Join(d.Stack[:min(len(d.Stack), maxStack)], " ← "))
	}
	add("known by", d.AttributedBy)
	if d.Device != nil {
		add("device", *d.Device)
	}
}
