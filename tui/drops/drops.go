// Package drops is the screen of packets that were lost: how many, where, of
// whom, and what that means.
package drops

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"

	"github.com/hopscope/hopscope/pkg/model"
	"github.com/hopscope/hopscope/tui/digest"
	"github.com/hopscope/hopscope/tui/keys"
	"github.com/hopscope/hopscope/tui/list"
	"github.com/hopscope/hopscope/tui/screen"
)

// grouping is what drops are added up by.
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

// Screen lists drops.
type Screen struct {
	keys    keys.Map
	d       *digest.Digest
	list    list.List[string]
	group   grouping
	filter  string
	rows    []row
	detail  bool
	longest int // width of the longest reason
}

// row is one line: a drop, or several of one group.
type row struct {
	key   string
	drop  *model.Drop // the largest of the group
	count uint64
	flows int
}

// New makes the screen.
func New(k keys.Map) *Screen { return &Screen{keys: k} }

// Set gives the data to show.
func (s *Screen) Set(d *digest.Digest) {
	s.d = d
	s.arrange()
}

// Filter shows only the drops that have the text in reason, place or ends.
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

// Click puts the cursor on a drop, or explains the one under the cursor.
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
	all := s.d.Frame.Snapshot.Drops
	for i := range all {
		d := &all[i]
		if s.filter != "" && !strings.Contains(strings.ToLower(everything(d)), s.filter) {
			continue
		}
		k := s.keyOf(d)
		at, ok := index[k]
		if !ok {
			at = len(s.rows)
			index[k] = at
			s.rows = append(s.rows, row{key: k, drop: d})
		}
		r := &s.rows[at]
		r.count += d.Count
		r.flows++
		if d.Count > r.drop.Count {
			r.drop = d
		}
	}
	slices.SortStableFunc(s.rows, func(x, y row) int {
		return cmp.Or(cmp.Compare(y.count, x.count), cmp.Compare(x.key, y.key))
	})
	s.list.Settle(len(s.rows), s.keyAt)
}

func everything(d *model.Drop) string {
	return strings.Join([]string{d.Reason, place(d), d.Location, who(d), flow(d)}, "\n")
}

func (s *Screen) keyOf(d *model.Drop) string {
	switch s.group {
	case byReason:
		return d.Reason
	case byHop:
		return place(d)
	case byContainer:
		return who(d)
	}
	return everything(d)
}

func place(d *model.Drop) string { return d.Hop + " @ " + d.Where }

// who is the end that the packets count for.
func who(d *model.Drop) string { return digest.DiedAt(d).Name }

func flow(d *model.Drop) string {
	return fmt.Sprintf("%s → %s %s", d.From.Name, d.To.Name, digest.Service(d.Proto, d.Port))
}
