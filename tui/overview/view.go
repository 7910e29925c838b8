package overview

import (
	"fmt"
	"strings"

	"github.com/hopscope/hopscope/pkg/model"
	"github.com/hopscope/hopscope/pkg/model/human"
	"github.com/hopscope/hopscope/tui/digest"
	"github.com/hopscope/hopscope/tui/look"
)

// column is one of the list's columns.
type column struct {
	title string
	width int // 0: shares what is free
	from  int // columns of screen from which on it is shown
	to    int // and up to which; 0: all
	right bool
	cell  func(s *Screen, e *entry) (string, look.Role)
}

const (
	nameColumn  = "name"
	trendColumn = "p99 by second"
	// shortestTrend is wide enough for the column's title.
	shortestTrend = len(trendColumn) + 1
	hopColumn     = "slowest hop"
	// splitFrom is how wide a screen has to be to tell packets by direction.
	splitFrom = 172
)

// allColumns in the order of the screen.
func allColumns() []column {
	return []column{
		{title: nameColumn, cell: name},
		{title: "p99", width: 8, from: 24, right: true, cell: p99},
		{title: "p50", width: 8, from: 104, right: true, cell: p50},
		{title: trendColumn, width: 22, from: 120, cell: trend},
		{title: hopColumn, from: 52, cell: hop},
		{title: "tail", width: 7, from: 52, right: true, cell: share},
		{title: "app p99", width: 8, from: 74, right: true, cell: app},
		{title: "drops/s", width: 8, from: 36, right: true, cell: drops},
		{title: "retr/s", width: 8, from: 66, right: true, cell: retransmits},
		{title: "pkts/s", width: 8, from: 92, to: splitFrom - 1, right: true, cell: rate},
		{title: "rtt p50", width: 9, from: 138, right: true, cell: rtt},
		{title: "cpu held", width: 9, from: 148, right: true, cell: throttled},
		{title: "pkts in", width: 8, from: splitFrom, right: true, cell: packetsIn},
		{title: "pkts out", width: 9, from: splitFrom, right: true, cell: packetsOut},
		{title: "in/s", width: 9, from: 160, right: true, cell: received},
		{title: "out/s", width: 9, from: 160, right: true, cell: sent},
		{title: "service", width: 14, from: 186, cell: service},
		{title: "network", width: 18, from: 200, cell: network},
	}
}

// View paints the findings and the list.
func (s *Screen) View(l *look.Look, width, height int) []string {
	if s.d == nil {
		return []string{l.Paint(look.Dim, " waiting for the first packets ...")}
	}
	if s.reading {
		return s.read(l, width, height)
	}
	lines := s.findings(l, width, height)
	lines = append(lines, l.Line(false, look.Cell{Text: " " + s.about(), Width: width, Role: look.Dim}))
	shown := s.columns(width)
	lines = append(lines, s.heading(l, shown))
	lines = s.list.Paint(lines, height-len(lines), func(i int) string { return s.line(l, shown, i) })
	if len(s.entries) == 0 {
		lines = append(lines, l.Paint(look.Plain, "  "+s.nothing()))
	}
	return lines
}

// measure finds the widths of the longest name and the longest hop.
func (s *Screen) measure() {
	s.longestName, s.longestHop, s.longestState = 0, 0, 0
	for i := range s.entries {
		e := &s.entries[i]
		text, _ := name(s, e)
		s.longestState = max(s.longestState, look.Width(text))
		if e.row.Dead {
			text = s.buried(e)
		}
		s.longestName = max(s.longestName, look.Width(text))
		if h := e.row.Hop; h != nil {
			s.longestHop = max(s.longestHop, look.Width(h.Hop)+3+look.Width(h.Where))
		}
	}
}

// columns chooses the columns that fit, and gives what is free to the
// names, as much as they need up to three fifths or to what the hop leaves, and
// the hop. Where that is too little for the hop the trend gets shorter.
func (s *Screen) columns(width int) []column {
	longest, longestHop := s.longestName, s.longestHop
	var out []column
	free := width - 2
	for _, c := range allColumns() {
		if width >= c.from && (c.to == 0 || width <= c.to) {
			out = append(out, c)
			free -= c.width
		}
	}
	for i := range out {
		if missing := longestHop + 2 - (free - min(longest+2, free*3/5)); out[i].title == trendColumn && missing > 0 {
			missing = min(missing, out[i].width-shortestTrend)
			out[i].width -= missing
			free += missing
		}
	}
	rest := free
	for i := range out {
		if out[i].title == hopColumn {
			out[i].width = max(0, free-min(longest+2, max(free*3/5, free-longestHop-2)))
			if spare := out[i].width - longestHop - 2; spare > 0 {
				out[i].width -= min(spare, s.longestState-longest)
			}
			rest -= out[i].width
		}
	}
	out[0].width = max(1, rest)
	return out
}

func (s *Screen) about() string {
	parts := []string{fmt.Sprintf("%s, %s", count(s.ends(), "endpoint"), s.order)}
	switch s.group {
	case byService:
		parts = append(parts, "by service")
	case byProject:
		parts = append(parts, "by project")
	}
	if s.filter != "" {
		parts = append(parts, fmt.Sprintf("only %q", s.filter))
	}
	switch n := len(s.all()); n {
	case 0:
	case 1:
		parts = append(parts, s.keys.Findings.Help().Key+" reads the finding whole")
	default:
		parts = append(parts, fmt.Sprintf("%s reads all %d findings", s.keys.Findings.Help().Key, n))
	}
	return strings.Join(parts, " · ")
}

// count is so many of something: "1 endpoint", "7 endpoints".
func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return human.Count(uint64(n)) + " " + what
}

func (s *Screen) ends() int {
	n := 0
	for i := range s.entries {
		if s.entries[i].members == 0 {
			n++
		}
	}
	return n
}

func (s *Screen) nothing() string {
	if s.filter != "" {
		return fmt.Sprintf("nothing has %q in its name, service, project, network or image; esc shows all", s.filter)
	}
	return "no container yet, and no packet in this window"
}

func (s *Screen) heading(l *look.Look, shown []column) string {
	cells := []look.Cell{{Text: "  "}}
	for _, c := range shown {
		title := c.title
		if !c.right {
			title = " " + title
		}
		cells = append(cells, look.Cell{Text: title, Width: c.width, Right: c.right, Role: look.Title})
	}
	return l.Line(false, cells...)
}

func (s *Screen) line(l *look.Look, shown []column, i int) string {
	e := &s.entries[i]
	selected := i == s.list.At()
	mark := "  "
	if selected {
		mark = "> "
	}
	cells := []look.Cell{{Text: mark}}
	for _, c := range shown {
		text, role := c.cell(s, e)
		switch {
		case c.title == nameColumn && e.row.Dead && look.Width(text) > c.width-2:
			text = s.buried(e)
		case c.title == trendColumn && e.members == 0:
			text = look.Spark(e.row.Trend, c.width-2)
		case c.title == hopColumn && look.Width(text) > c.width-2: // it can do without its own name
			text = strings.TrimSuffix(text, " of "+e.row.Name)
		}
		switch {
		case e.row.Dead, e.row.Peer && e.members == 0:
			role = look.Dim
		case e.members > 0 && role == look.Plain:
			role = look.Title
		}
		width := c.width
		if !c.right { // a blank before the next column, and one before text that follows a number
			text, width = " "+text, c.width-1
			cells = append(cells, look.Cell{Text: text, Width: width, Role: role}, look.Cell{Text: " "})
			continue
		}
		cells = append(cells, look.Cell{Text: text, Width: width, Right: true, Role: role})
	}
	return l.Line(selected, cells...)
}

func name(_ *Screen, e *entry) (string, look.Role) {
	n := e.row.Name
	switch {
	case e.members > 0:
		n = "▾ " + n
	case e.inside:
		n = "  " + n
	}
	switch {
	case e.row.Dead:
		n += " (" + e.row.State + ")"
	case e.row.Peer:
		n += " (peer)"
	}
	return n, look.Plain
}

// duration is "-" where nothing was measured.
func duration(ns int64) string {
	if ns == digest.Unknown {
		return "-"
	}
	return human.Duration(ns)
}

func p99(_ *Screen, e *entry) (string, look.Role) {
	return duration(e.row.P99), look.Latency(e.row.P99)
}

func app(_ *Screen, e *entry) (string, look.Role) {
	if e.row.App == digest.Unknown {
		return "-", look.Dim
	}
	return human.Duration(e.row.App), look.Plain
}

func rtt(_ *Screen, e *entry) (string, look.Role) { return duration(e.row.RTT), look.Plain }

// throttled is the share of the time in which the CPU limit held it back: of
// all its threads together, hence it may be more than all.
func throttled(_ *Screen, e *entry) (string, look.Role) {
	switch t := e.row.Throttled; {
	case t == nil:
		return "-", look.Dim
	case *t == 0:
		return "0", look.Dim
	case *t >= 0.05:
		return human.Percent(*t), look.Warn
	default:
		return human.Percent(*t), look.Plain
	}
}

func p50(_ *Screen, e *entry) (string, look.Role) { return duration(e.row.P50), look.Plain }

func trend(*Screen, *entry) (string, look.Role) {
	return "", look.Fill // line draws it as wide as its column
}

// buried is the name of who does not run any more, in less room.
func (s *Screen) buried(e *entry) string {
	text, _ := name(s, e)
	return "† " + strings.TrimSuffix(text, " ("+e.row.State+")")
}

func hop(_ *Screen, e *entry) (string, look.Role) {
	switch {
	case e.row.Hop == nil && e.row.Dead:
		return e.row.State, look.Dim
	case e.row.Hop == nil:
		return "-", look.Dim
	}
	return e.row.Hop.Hop + " @ " + e.row.Hop.Where, look.Plain
}

func share(_ *Screen, e *entry) (string, look.Role) {
	if e.row.Hop == nil {
		return "", look.Plain
	}
	return human.Percent(e.row.Share), look.Plain
}

func drops(s *Screen, e *entry) (string, look.Role) {
	if e.row.Drops == 0 {
		return "0", look.Dim
	}
	return s.d.PerSecond(e.row.Drops), look.Bad
}

func retransmits(s *Screen, e *entry) (string, look.Role) {
	if e.row.Retrans == 0 {
		return "0", look.Dim
	}
	return s.d.PerSecond(e.row.Retrans), look.Warn
}

func rate(s *Screen, e *entry) (string, look.Role)       { return packetsRate(s, e.row.Packets()) }
func packetsIn(s *Screen, e *entry) (string, look.Role)  { return packetsRate(s, e.row.RX.Packets) }
func packetsOut(s *Screen, e *entry) (string, look.Role) { return packetsRate(s, e.row.TX.Packets) }

func packetsRate(s *Screen, n uint64) (string, look.Role) {
	if n == 0 {
		return "0", look.Dim
	}
	return s.d.PerSecond(n), look.Plain
}

func received(s *Screen, e *entry) (string, look.Role) { return bytesRate(s, e.row.RX) }
func sent(s *Screen, e *entry) (string, look.Role)     { return bytesRate(s, e.row.TX) }

func bytesRate(s *Screen, c model.PacketCount) (string, look.Role) {
	if c.Bytes == 0 || s.d.Window <= 0 {
		return "0", look.Dim
	}
	return human.Bytes(uint64(float64(c.Bytes) / s.d.Window.Seconds())), look.Plain
}

func service(_ *Screen, e *entry) (string, look.Role) {
	if e.row.Service == "" {
		return e.row.Project, look.Dim
	}
	return e.row.Service, look.Dim
}

func network(_ *Screen, e *entry) (string, look.Role) {
	if e.row.Networks == "" {
		return e.row.Drivers, look.Dim
	}
	return e.row.Networks + " (" + e.row.Drivers + ")", look.Dim
}
