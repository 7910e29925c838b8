package container

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hopscope/hopscope/pkg/history"
	"github.com/hopscope/hopscope/pkg/model"
	"github.com/hopscope/hopscope/pkg/model/human"
	"github.com/hopscope/hopscope/tui/digest"
	"github.com/hopscope/hopscope/tui/look"
)

// maxEvents is how many drops, slow answers and slow packets are listed below the
// waterfall.
const maxEvents = 8

// View paints the end, its conversations, the waterfall and what went wrong.
func (s *Screen) View(l *look.Look, width, height int) []string {
	r := s.row()
	if r == nil {
		return []string{l.Paint(look.Plain, "  "+s.missing())}
	}
	lines := []string{l.Line(false, look.Cell{Text: " " + title(r), Width: width, Role: look.Title})}
	if r.Reduced != "" {
		lines = append(lines, l.Line(false, look.Cell{Text: "  " + r.Reduced, Width: width, Role: look.Dim}))
	}
	lines = append(lines, s.nameServers(l, width, height, r)...)
	if len(s.talks) == 0 {
		return append(lines, l.Paint(look.Plain, "  "+s.silent()))
	}
	lines = append(lines, s.talkHeading(l, width))
	room := min(len(s.talks), max(2, height/4))
	if s.inHops {
		room = 1
	}
	lines = s.list.Paint(lines, room, func(i int) string { return s.talkLine(l, width, i, r) })
	lines = append(lines, l.Line(false, look.Cell{Text: s.between(min(room, len(s.talks))), Width: width, Role: look.Dim}))
	if x := s.d.Exchange(s.talk()); x != nil {
		lines = append(lines, l.Line(false, look.Cell{Text: "  " + digest.Summary(x), Width: width, Role: look.Accent}))
	}
	events := s.events(l, width)
	free := height - len(lines)
	fallen := min(len(s.lines)+1, free)
	if len(events) > 0 && !s.inHops { // what went wrong is not to be below the edge
		fallen = min(fallen, max(free-min(len(events), 4), 10))
	}
	s.hopsAt = len(lines)
	lines = append(lines, s.waterfall(l, width, fallen)...)
	if rest := free - fallen; rest > 1 && len(events) > 0 {
		lines = append(lines, events[:min(rest, len(events))]...)
	}
	return lines
}

// maxNameServers is how many are listed; of a low screen, no more than one.
const maxNameServers = 2

// nameServers is a line for each that the end asks.
func (s *Screen) nameServers(l *look.Look, width, height int, r *digest.Row) []string {
	all := s.d.NameServers(r)
	room := maxNameServers
	if height < 30 {
		room = 1
	}
	var out []string
	for _, d := range all[:min(len(all), room)] {
		role, by := look.Dim, ""
		if d.Troubled() {
			role = look.Warn
		}
		if d.Forwarded {
			by = " by Docker's"
		}
		out = append(out, l.Line(false, look.Cell{
			Text: fmt.Sprintf("  dns %s%s: %s", d.Server(), by, d.Summary()), Width: width, Role: role,
		}))
	}
	return out
}

func (s *Screen) missing() string {
	if s.end != "" {
		return "nothing is known of it in this window; esc goes back"
	}
	return "no packet in this window yet"
}

func (s *Screen) silent() string {
	if s.filter != "" {
		return fmt.Sprintf("no conversation with %q; esc shows all", s.filter)
	}
	return "no packet to or from it in this window"
}

func title(r *digest.Row) string {
	parts := []string{r.Name}
	if r.State != "" {
		parts = append(parts, r.State)
	}
	for _, p := range [][2]string{{"image", r.Image}, {"service", r.Service}, {"project", r.Project}, {"network", r.Networks}} {
		if p[1] != "" {
			parts = append(parts, p[0]+" "+p[1])
		}
	}
	return strings.Join(parts, " · ")
}

// between is the line between the list and the waterfall: how much of the list
// is out of sight, and more about the chosen conversation.
func (s *Screen) between(inSight int) string {
	var parts []string
	if more := len(s.talks) - inSight; more > 0 {
		parts = append(parts, fmt.Sprintf("%d more", more))
	}
	if a := about(s.talk()); a != "" {
		parts = append(parts, a)
	}
	for _, x := range s.d.Sides(s.talk()) {
		if x.RTT.P50Ns != nil {
			parts = append(parts, fmt.Sprintf("%s rtt p50 %s p99 %s", x.Role, duration(x.RTT.P50Ns), duration(x.RTT.P99Ns)))
		}
	}
	return "  " + strings.Join(parts, " · ")
}

const serviceWidth = 12

func (s *Screen) talkHeading(l *look.Look, width int) string {
	order := "worst p99 first"
	if s.byPackets {
		order = "most packets first"
	}
	return s.talkCells(l, false, width, look.Title, "  conversations, "+order, "port", "pkts/s", "p50", "p99 req", "p99 resp", "max")
}

func (s *Screen) talkLine(l *look.Look, width, i int, r *digest.Row) string {
	t := &s.d.Talks[s.talks[i]]
	selected := i == s.list.At()
	mark := "  "
	if selected {
		mark = "> "
	}
	p := t.Worst
	return s.talkCells(l, selected && !s.inHops, width, look.Plain, mark+peer(t, r), digest.Service(p.Proto, p.Port),
		s.d.PerSecond(t.Packets()), duration(p.Total.P50Ns), requestP99(t), responseP99(t), duration(p.Total.MaxNs))
}

// talkCells lays out a line of the list. Of the columns those that fit are
// shown.
func (s *Screen) talkCells(l *look.Look, selected bool, width int, role look.Role, name, service string, numbers ...string) string {
	from := []int{70, 90, 40, 56, 100}
	free := width
	var right []look.Cell
	for i, n := range numbers {
		if width >= from[i] {
			right = append(right, look.Cell{Text: n, Width: numberWidth + 1, Right: true, Role: role})
			free -= numberWidth + 1
		}
	}
	cells := []look.Cell{{Text: name, Width: max(1, free), Role: role}}
	if free > 30 {
		cells = []look.Cell{{Text: name, Width: free - serviceWidth - 1, Role: role}, {Text: " "}, {Text: service, Width: serviceWidth, Role: role}}
	}
	return l.Line(selected, append(cells, right...)...)
}

// peer is the other end, with an arrow from the client to the server.
func peer(t *digest.Talk, r *digest.Row) string {
	client, server := history.EndKey(t.Client.Endpoint()), history.EndKey(t.Server.Endpoint())
	switch {
	case client == r.Key && server != r.Key && r.Key != history.External:
		return "→ " + t.Server.Name
	case server == r.Key && client != r.Key && r.Key != history.External:
		return "← " + t.Client.Name
	}
	return t.Client.Name + " → " + t.Server.Name
}

func requestP99(t *digest.Talk) string {
	if t.Request == nil {
		return "-"
	}
	return duration(t.Request.Total.P99Ns)
}

func responseP99(t *digest.Talk) string {
	if t.Response == nil {
		return "-"
	}
	return duration(t.Response.Total.P99Ns)
}

// events are what went wrong in the conversation, its slowest exchanges, and its
// slowest packets.
func (s *Screen) events(l *look.Look, width int) []string {
	t := s.talk()
	snap := &s.d.Frame.Snapshot
	out := s.dropped(l, width, t)
	sides := s.d.Sides(t)
	for _, x := range sides {
		if n := x.Retransmits.Total; n > 0 {
			out = append(out, l.Line(false, look.Cell{Width: width, Role: look.Warn, Text: fmt.Sprintf(
				"  %s sent %s segments again%s: %s", x.From.Name, human.Count(n), s.d.Last(x.LastRetransmit), digest.Kinds(x.Retransmits.RetransmitKinds)+digest.LostAt(&x.Retransmits))}))
		}
	}
	for _, x := range sides {
		if c := x.Connects; c != nil && c.Failed() > 0 {
			out = append(out, l.Line(false, look.Cell{Width: width, Role: look.Bad, Text: fmt.Sprintf(
				"  %s of %s connects of %s failed: %s", human.Count(c.Failed()), human.Count(c.Total()), x.From.Name, digest.Failures(c))}))
		}
		for _, text := range s.resets(x, len(sides) == 1) {
			out = append(out, l.Line(false, look.Cell{Width: width, Role: look.Warn, Text: "  TCP resets (RST) " + text}))
		}
	}
	out = append(out, s.slowAnswers(l, width, t)...)
	for i := range snap.Slowest {
		x := &snap.Slowest[i]
		if len(out) >= maxEvents || !t.Has(&x.From, &x.To, x.Proto, x.Port) {
			continue
		}
		hop, where, ns := "", "", int64(-1)
		for _, h := range x.Hops {
			if h.Ns > ns {
				hop, where, ns = h.Hop, h.Where, h.Ns
			}
		}
		out = append(out, l.Line(false, look.Cell{Width: width, Role: look.Plain, Text: fmt.Sprintf(
			"  slow packet %s at %s: %s of it in %s @ %s", human.Duration(x.TotalNs),
			x.At.In(s.location()).Format("15:04:05.000"), human.Duration(ns), hop, where)}))
	}
	if len(out) > 0 {
		out = append([]string{""}, out...)
	}
	return out
}

// dropped packets of the conversation, and those of the end that belong to none: where
// all of them die there is none.
func (s *Screen) dropped(l *look.Look, width int, t *digest.Talk) (out []string) {
	r := s.row()
	all := s.d.Frame.Snapshot.Drops
	for i := range all {
		d := &all[i]
		whose := ""
		if !t.Has(&d.From, &d.To, d.Proto, d.Port) {
			if history.EndKey(digest.DiedAt(d).Endpoint()) != r.Key || s.ofTalks(d) {
				continue
			}
			whose = fmt.Sprintf(", %s → %s %s", d.From.Name, d.To.Name, digest.Service(d.Proto, d.Port))
		}
		if len(out) < maxEvents {
			out = append(out, l.Line(false, look.Cell{Width: width, Role: look.Bad, Text: fmt.Sprintf(
				"  dropped %s%s%s: %s in %s @ %s (%s)", human.Count(d.Count), s.d.Last(d.LastAt), whose, d.Reason, d.Hop, d.Where, d.Location)}))
		}
	}
	return out
}

// ofTalks says that the packets are of a conversation in the list.
func (s *Screen) ofTalks(d *model.Drop) bool {
	return slices.ContainsFunc(s.row().Talks, func(i int) bool { return s.d.Talks[i].Has(&d.From, &d.To, d.Proto, d.Port) })
}

// resets of a side are segments: one connection may get several. Those received
// are told where nothing is known of the other side, which sent them.
func (s *Screen) resets(x *model.TCP, alone bool) (out []string) {
	if x.Resets == nil {
		return nil
	}
	if n := x.Resets.Sent; n > 0 {
		out = append(out, fmt.Sprintf("sent by %s: %s%s", x.From.Name, human.Count(n), s.d.Last(x.LastReset)))
	}
	if n := x.Resets.Received; n > 0 && alone {
		out = append(out, fmt.Sprintf("received by %s: %s", x.From.Name, human.Count(n)))
	}
	return out
}

// slowAnswers are the slowest exchanges of the conversation.
func (s *Screen) slowAnswers(l *look.Look, width int, t *digest.Talk) (out []string) {
	x := s.d.Exchange(t)
	if x == nil {
		return nil
	}
	for i := range x.Slowest {
		slow := &x.Slowest[i]
		out = append(out, l.Line(false, look.Cell{Width: width, Role: look.Plain, Text: fmt.Sprintf(
			"  slow answer %s at %s: %s", human.Duration(slow.TotalNs), slow.At.In(s.location()).Format("15:04:05.000"), slow.Split())}))
	}
	return out
}

// location is the one of the frame's own time.
func (s *Screen) location() *time.Location { return s.d.Frame.At.Location() }
