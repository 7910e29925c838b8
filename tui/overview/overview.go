// Package overview is the first screen: a row for each container and other end,
// worst first, with findings on top.
package overview

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"

	"github.com/hopscope/hopscope/tui/digest"
	"github.com/hopscope/hopscope/tui/keys"
	"github.com/hopscope/hopscope/tui/list"
	"github.com/hopscope/hopscope/tui/screen"
)

// order is what rows are sorted by.
type order uint8

const (
	byP99 order = iota
	byDrops
	byPackets
	byName
	orders
)

func (o order) String() string {
	return [...]string{"worst p99 first", "most drops first", "most packets first", "by name"}[o]
}

// grouping is what rows are put together by.
type grouping uint8

const (
	ungrouped grouping = iota
	byService
	byProject
	groupings
)

// Screen is the overview.
type Screen struct {
	keys    keys.Map
	d       *digest.Digest
	list    list.List[string]
	order   order
	group   grouping
	filter  string
	entries []entry

	reading   bool // the findings, instead of the list
	found     list.List[string]
	findingAt []int // of each line above the list, in the last view

	longestName, longestHop, longestState int // widths; that of a name with its state
}

// entry is a line of the list: an end, or the head of a group of them.
type entry struct {
	row     *digest.Row
	members int    // of a group; 0 for an end
	key     string // identity for the cursor
	inside  bool   // of a group
}

// New makes the screen.
func New(k keys.Map) *Screen { return &Screen{keys: k} }

// Set gives the data to show.
func (s *Screen) Set(d *digest.Digest) {
	s.d = d
	s.arrange()
	s.found.Settle(len(s.all()), s.findingKey)
}

// Filter shows only the rows that have the text in them.
func (s *Screen) Filter(text string) {
	s.filter = strings.ToLower(text)
	s.arrange()
}

// Keys are the screen's own keys.
func (s *Screen) Keys() []key.Binding {
	k := s.keys
	if s.reading {
		k.Findings.SetHelp("f", "back to the list")
		return []key.Binding{k.Findings, k.Up, k.Down}
	}
	return []key.Binding{k.Open, k.Findings, k.Filter, k.Sort, k.Group}
}

// Press handles a key.
func (s *Screen) Press(msg tea.KeyMsg) (screen.Action, bool) {
	switch {
	case s.reading:
		return s.pressReading(msg)
	case key.Matches(msg, s.keys.Findings):
		s.reading = true
	case s.list.Press(msg, s.keys):
	case key.Matches(msg, s.keys.Sort):
		s.order = (s.order + 1) % orders
		s.arrange()
	case key.Matches(msg, s.keys.Group):
		s.group = (s.group + 1) % groupings
		s.arrange()
	case key.Matches(msg, s.keys.Open):
		return s.open(), true
	default:
		return screen.Action{}, false
	}
	return screen.Action{}, true
}

// Click puts the cursor on a row, or opens the one under the cursor.
func (s *Screen) Click(line, _ int) screen.Action {
	if s.clickFinding(line) {
		return screen.Action{}
	}
	if _, again := s.list.Click(line); again {
		return s.open()
	}
	return screen.Action{}
}

func (s *Screen) open() screen.Action {
	if len(s.entries) == 0 {
		return screen.Action{}
	}
	return screen.Action{Do: screen.Container, End: s.entries[s.list.At()].row.Key}
}

func (s *Screen) keyAt(i int) string { return s.entries[i].key }

// arrange makes the lines of the list: filtered, sorted, grouped.
func (s *Screen) arrange() {
	s.entries = s.entries[:0]
	if s.d == nil {
		return
	}
	rows := make([]*digest.Row, 0, len(s.d.Rows))
	for i := range s.d.Rows {
		if r := &s.d.Rows[i]; s.filter == "" || r.Matches(s.filter) {
			rows = append(rows, r)
		}
	}
	slices.SortFunc(rows, s.compare)
	if s.group == ungrouped {
		for _, r := range rows {
			s.entries = append(s.entries, entry{row: r, key: r.Key})
		}
	} else {
		s.arrangeGroups(rows)
	}
	s.measure()
	s.list.Settle(len(s.entries), s.keyAt)
}

// arrangeGroups puts the members below the head of their group. Groups stand in
// the order of their first member.
func (s *Screen) arrangeGroups(rows []*digest.Row) {
	var names []string
	members := map[string][]*digest.Row{}
	for _, r := range rows {
		name := s.groupOf(r)
		if members[name] == nil {
			names = append(names, name)
		}
		members[name] = append(members[name], r)
	}
	for _, name := range names {
		m := members[name]
		s.entries = append(s.entries, entry{row: sum(name, m), members: len(m), key: "group " + name})
		for _, r := range m {
			s.entries = append(s.entries, entry{row: r, key: r.Key, inside: true})
		}
	}
}

func (s *Screen) groupOf(r *digest.Row) string {
	name, what := r.Service, "service"
	if s.group == byProject {
		name, what = r.Project, "project"
	}
	if name == "" {
		return "no " + what
	}
	return name
}

// sum is a group as a row. Times are those of its worst member, to which it
// leads; counts are added up.
func sum(name string, members []*digest.Row) *digest.Row {
	out := *members[0]
	app := out.App
	for _, r := range members[1:] {
		app = max(app, r.App)
		if r.P99 > out.P99 {
			tx, rx, drops, retrans := out.TX, out.RX, out.Drops, out.Retrans
			out = *r
			out.TX, out.RX, out.Drops, out.Retrans = tx, rx, drops, retrans
		}
		out.TX.Packets += r.TX.Packets
		out.TX.Bytes += r.TX.Bytes
		out.RX.Packets += r.RX.Packets
		out.RX.Bytes += r.RX.Bytes
		out.Drops += r.Drops
		out.Retrans += r.Retrans
	}
	out.App = app
	out.Name, out.Dead = fmt.Sprintf("%s (%d)", name, len(members)), false
	return &out
}

func (s *Screen) compare(x, y *digest.Row) int {
	if x.Peer != y.Peer {
		return digest.WorseFirst(x, y)
	}
	switch s.order {
	case byDrops:
		if c := cmp.Compare(y.Drops, x.Drops); c != 0 {
			return c
		}
	case byPackets:
		if c := cmp.Compare(y.Packets(), x.Packets()); c != 0 {
			return c
		}
	case byName:
		if c := cmp.Compare(x.Name, y.Name); c != 0 {
			return c
		}
	}
	return digest.WorseFirst(x, y)
}
