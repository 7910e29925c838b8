// Package drops is the screen of packets that were lost and of those that TCP
// sent again: how many, where, of whom, and what that means.
package drops

import (
	"cmp"
	"slices"
	"strings"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"

	"github.com/hopscope/hopscope/tui/digest"
	"github.com/hopscope/hopscope/tui/keys"
	"github.com/hopscope/hopscope/tui/list"
	"github.com/hopscope/hopscope/tui/screen"
)

// grouping is what events are added up by.
type grouping uint8

const (
	byFlow grouping = iota
	byReason
	byHop
	byContainer
	groupings
)

func (g grouping) String() string {
	return [...]string{"by reason, place and flow", "by reason", "by hop", "by container"}[g]
}

// Screen lists drops, and below them retransmissions.
type Screen struct {
	keys   keys.Map
	d      *digest.Digest
	list   list.List[string]
	group  grouping
	filter string
	rows   []row
	detail bool
	// Widths of the longest reason, place and flow.
	longest, longestPlace, longestFlow int
}

// row is one line: an event, or several of one group.
type row struct {
	event
	key   string
	sum   uint64
	flows int
}

// New makes the screen.
func New(k keys.Map) *Screen { return &Screen{keys: k} }

// Set gives the data to show.
func (s *Screen) Set(d *digest.Digest) {
	s.d = d
	s.arrange()
}

// Filter shows only the events that have the text in reason, place or ends.
func (s *Screen) Filter(text string) {
	s.filter = strings.ToLower(text)
	s.arrange()
}

// Keys are the screen's own keys.
func (s *Screen) Keys() []key.Binding {
	k := s.keys
	k.Open.SetHelp("enter", "explain")
	return []key.Binding{k.Open, k.Back, k.Filter, k.Group}
}

// Press handles a key.
func (s *Screen) Press(msg tea.KeyMsg) (screen.Action, bool) {
	k := s.keys
	switch {
	case s.list.Press(msg, k):
	case key.Matches(msg, k.Group):
		s.group = (s.group + 1) % groupings
		s.arrange()
	case key.Matches(msg, k.Open):
		s.detail = !s.detail
	case key.Matches(msg, k.Back):
		if s.detail {
			s.detail = false
			return screen.Action{}, true
		}
		return screen.Action{Do: screen.Back}, true
	default:
		return screen.Action{}, false
	}
	return screen.Action{}, true
}

// Click puts the cursor on a row, or explains the one under the cursor.
func (s *Screen) Click(line, _ int) screen.Action {
	if _, again := s.list.Click(line); again {
		s.detail = !s.detail
	}
	return screen.Action{}
}

func (s *Screen) keyAt(i int) string { return s.rows[i].key }

func (s *Screen) arrange() {
	s.rows = s.rows[:0]
	if s.d == nil {
		return
	}
	index := map[string]int{}
	for _, e := range events(&s.d.Frame.Snapshot) {
		if s.filter != "" && !strings.Contains(strings.ToLower(e.everything()), s.filter) {
			continue
		}
		k := s.keyOf(&e)
		at, ok := index[k]
		if !ok {
			at = len(s.rows)
			index[k] = at
			s.rows = append(s.rows, row{event: e, key: k})
		}
		r := &s.rows[at]
		r.sum += e.count
		r.flows++
		if e.count > r.count {
			r.event = e
		}
	}
	slices.SortStableFunc(s.rows, func(x, y row) int {
		return cmp.Or(cmp.Compare(x.order(), y.order()), cmp.Compare(y.sum, x.sum), cmp.Compare(x.key, y.key))
	})
	s.list.Settle(len(s.rows), s.keyAt)
}

// keyOf is the group of an event. Drops and retransmissions are never of one: the
// one is mostly what the other comes from.
func (s *Screen) keyOf(e *event) string {
	what := "dropped "
	if e.drop == nil {
		what = "sent again "
	}
	switch s.group {
	case byReason:
		return what + e.reason
	case byHop:
		return what + e.place
	case byContainer:
		return what + e.who
	}
	return what + e.everything()
}
