package drops

import (
	"fmt"
	"strings"

	"github.com/hopscope/hopscope/pkg/dropreason"
	"github.com/hopscope/hopscope/pkg/model/human"
	"github.com/hopscope/hopscope/tui/digest"
	"github.com/hopscope/hopscope/tui/look"
)

const countWidth, rateWidth = 9, 10

// maxSides is how many senders of retransmissions are listed.
const maxSides = 20

// maxStack is how many functions of a stack are shown.
const maxStack = 8

// View paints the list, and below it what is known of the drop under the
// cursor.
func (s *Screen) View(l *look.Look, width, height int) []string {
	again := s.retransmits(l, width)
	if len(s.rows) == 0 {
		return append([]string{l.Paint(look.Good, "  "+s.nothing()), ""}, again...)
	}
	var lines []string
	if width >= 40 {
		lines = append(lines, l.Line(false, look.Cell{Text: " " + s.about(), Width: width, Role: look.Dim}))
	}
	s.longest = len("reason")
	for i := range s.rows {
		s.longest = max(s.longest, look.Width(s.reason(&s.rows[i])))
	}
	lines = append(lines, s.cells(l, width, false, look.Title, "", "packets", "per s", "reason", "where", s.lastTitle()))
	below := again[:min(len(again), height/3)]
	if s.detail {
		below = s.explain(l, width)
	}
	lines = s.list.Paint(lines, max(1, height-len(lines)-len(below)), func(i int) string { return s.line(l, width, i) })
	return append(lines, below...)
}

func (s *Screen) line(l *look.Look, width, i int) string {
	r := &s.rows[i]
	mark := ""
	if i == s.list.At() {
		mark = ">"
	}
	return s.cells(l, width, i == s.list.At(), look.Plain, mark,
		human.Count(r.count), s.d.PerSecond(r.count), s.reason(r), s.where(r), s.last(r))
}

// retransmits are the TCP sides that sent segments again, most first as the
// snapshot has them.
func (s *Screen) retransmits(l *look.Look, width int) []string {
	if s.d == nil {
		return nil
	}
	var out []string
	all := s.d.Frame.Snapshot.TCP
	for i := range all {
		x := &all[i]
		n := x.Retransmits.Total
		if n == 0 || len(out) > maxSides {
			continue
		}
		ends := fmt.Sprintf("%s → %s %s", x.From.Name, x.To.Name, digest.Service("tcp", x.Port))
		if s.filter != "" && !strings.Contains(strings.ToLower(ends), s.filter) {
			continue
		}
		if out == nil {
			out = append(out, l.Line(false, look.Cell{Text: " sent again by TCP", Role: look.Title}))
		}
		out = append(out, l.Line(false, look.Cell{Text: human.Count(n), Width: 2 + countWidth, Right: true, Role: look.Warn},
			look.Cell{Text: s.d.PerSecond(n), Width: rateWidth, Right: true},
			look.Cell{Text: "  " + ends + "  (" + digest.Kinds(x.Retransmits.RetransmitKinds) + ")" + digest.LostAt(&x.Retransmits) + s.d.Last(x.LastRetransmit), Width: max(1, width-2-countWidth-rateWidth)}))
	}
	if s.detail || out == nil {
		return out
	}
	return append([]string{""}, out...)
}

func (s *Screen) nothing() string {
	if s.filter != "" {
		return fmt.Sprintf("no drop with %q; esc shows all", s.filter)
	}
	return "no packet was dropped in this window"
}

func (s *Screen) about() string {
	var n uint64
	for i := range s.rows {
		n += s.rows[i].count
	}
	return fmt.Sprintf("%s packets dropped, %s", human.Count(n), s.group)
}

func (s *Screen) lastTitle() string {
	if s.group == byContainer {
		return "container"
	}
	return "flow"
}

func (s *Screen) reason(r *row) string {
	if r.flows > 1 && s.group != byReason {
		return r.drop.Reason + " ..."
	}
	return r.drop.Reason
}

func (s *Screen) where(r *row) string {
	if r.flows > 1 && s.group != byHop {
		return place(r.drop) + " ..."
	}
	return place(r.drop)
}

func (s *Screen) last(r *row) string {
	switch {
	case s.group == byContainer:
		return who(r.drop)
	case r.flows > 1:
		return fmt.Sprintf("%d flows", r.flows)
	}
	return flow(r.drop)
}

// cells lays out a line.
func (s *Screen) cells(l *look.Look, width int, selected bool, role look.Role, mark, count, rate, reason, where, last string) string {
	cells := []look.Cell{{Text: mark, Width: 2}, {Text: count, Width: countWidth, Right: true, Role: role}}
	free := width - 2 - countWidth
	if width >= 60 {
		cells = append(cells, look.Cell{Text: rate, Width: rateWidth, Right: true, Role: role})
		free -= rateWidth
	}
	bad := role
	if role == look.Plain {
		bad = look.Bad
	}
	if free < 3*8 {
		return l.Line(selected, append(cells, look.Cell{Text: "  " + reason, Width: max(4, free), Role: bad})...)
	}
	first := min(s.longest+3, free/3)
	rest := free - first
	cells = append(cells, look.Cell{Text: "  " + reason, Width: first, Role: bad},
		look.Cell{Text: " " + where, Width: rest / 2, Role: role},
		look.Cell{Text: " " + last, Width: rest - rest/2, Role: role})
	return l.Line(selected, cells...)
}

// explain is the drop under the cursor in full.
func (s *Screen) explain(l *look.Look, width int) []string {
	d := s.rows[s.list.At()].drop
	out := []string{l.Line(false, look.Cell{Text: " " + strings.Repeat("─", max(0, width-2)), Role: look.Dim})}
	add := func(what, text string) {
		if text == "" {
			return
		}
		for i, part := range look.Wrap(text, max(10, width-14)) {
			if i > 0 {
				what = ""
			}
			out = append(out, l.Line(false, look.Cell{Text: "  " + what, Width: 12, Role: look.Title}, look.Cell{Text: " " + part}))
		}
	}
	add("flow", flow(d)+s.d.Last(d.LastAt))
	at := place(d)
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
	if d.AttributedBy != "" {
		add("known by", d.AttributedBy)
	}
	if d.Device != nil {
		add("device", *d.Device)
	}
	if r, ok := dropreason.Find(d.Reason); ok {
		add("means", r.Meaning)
		add("mend", r.Mend)
	}
	return out
}
