// Package container is the screen of one end: with whom it talks, and for the
// chosen conversation where the time goes, hop by hop in both directions.
package container

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"

	"github.com/hopscope/hopscope/pkg/history"
	"github.com/hopscope/hopscope/tui/digest"
	"github.com/hopscope/hopscope/tui/keys"
	"github.com/hopscope/hopscope/tui/list"
	"github.com/hopscope/hopscope/tui/screen"
)

// mode is what the waterfall shows of each hop.
type mode uint8

const (
	mean mode = iota // adds up to the path's mean
	p50
	p99
	modes
)

func (m mode) String() string {
	return [...]string{
		"mean (adds up), whisker p99", "p50 (does not add up)", "p99 (does not add up)",
	}[m]
}

// Screen shows one end.
type Screen struct {
	keys      keys.Map
	d         *digest.Digest
	end       string // key of the row; "" for the worst one
	filter    string
	byPackets bool
	talks     []int // indices into the digest's, as listed
	list      list.List[digest.TalkKey]
	lines     []line // of the waterfall
	hops      list.List[lineKey]
	inHops    bool // the waterfall has the cursor
	mode      mode
	hopsAt    int // line of the waterfall's heading in the last view
}

// New makes the screen.
func New(k keys.Map) *Screen { return &Screen{keys: k} }

// Show chooses the end to show.
func (s *Screen) Show(end string) {
	if end != s.end {
		s.list, s.hops, s.inHops, s.filter = list.List[digest.TalkKey]{}, list.List[lineKey]{}, false, ""
	}
	s.end = end
	s.arrange()
}

// Set gives the data to show.
func (s *Screen) Set(d *digest.Digest) {
	s.d = d
	s.arrange()
}

// Filter shows only the conversations with ends of such a name.
func (s *Screen) Filter(text string) {
	s.filter = strings.ToLower(text)
	s.arrange()
}

// Keys are the screen's own keys.
func (s *Screen) Keys() []key.Binding {
	k := s.keys
	k.Tab.SetHelp("tab", "list/hops")
	k.Mode.SetHelp("W", "mean/p50/p99")
	k.Left.SetHelp("←/→", "other container")
	k.Open.SetHelp("enter", "its hops")
	if s.inHops {
		k.Open.SetHelp("enter", "heat map")
		k.Open.SetEnabled(s.lines[s.hops.At()].path != nil) // there is none of exchanges
		return []key.Binding{k.Open, k.Back, k.Mode, k.Tab, k.Left}
	}
	return []key.Binding{k.Open, k.Back, k.Mode, k.Tab, k.Left, k.Filter, k.Sort}
}

// Press handles a key.
func (s *Screen) Press(msg tea.KeyMsg) (screen.Action, bool) {
	k := s.keys
	switch {
	case s.inHops && s.hops.Press(msg, k):
	case !s.inHops && s.list.Press(msg, k):
		s.fall()
	case key.Matches(msg, k.Tab):
		s.inHops = !s.inHops && len(s.lines) > 0
	case key.Matches(msg, k.Mode):
		s.mode = (s.mode + 1) % modes
	case key.Matches(msg, k.Left):
		s.step(-1)
	case key.Matches(msg, k.Right):
		s.step(1)
	case key.Matches(msg, k.Sort) && !s.inHops:
		s.byPackets = !s.byPackets
		s.arrange()
	case key.Matches(msg, k.Open):
		return s.open(), true
	case key.Matches(msg, k.Back):
		if s.inHops {
			s.inHops = false
			return screen.Action{}, true
		}
		return screen.Action{Do: screen.Back}, true
	default:
		return screen.Action{}, false
	}
	return screen.Action{}, true
}

// Click chooses a conversation or a hop, or opens the one under the cursor.
func (s *Screen) Click(at, _ int) screen.Action {
	if hit, again := s.hops.Click(at - s.hopsAt); hit {
		if s.inHops && again {
			return s.open()
		}
		s.inHops = true
		return screen.Action{}
	}
	if hit, again := s.list.Click(at); hit {
		s.inHops = s.inHops || again
		s.fall()
	}
	return screen.Action{}
}

// open goes to the hops, and from there to the heat map of one of them.
func (s *Screen) open() screen.Action {
	if len(s.lines) == 0 {
		return screen.Action{}
	}
	if !s.inHops {
		s.inHops = true
		return screen.Action{}
	}
	x := s.lines[s.hops.At()]
	if x.path == nil {
		return screen.Action{}
	}
	q := &history.HeatQuery{Path: x.path.ID()}
	title := fmt.Sprintf("%s → %s %s %s", x.path.From.Name, x.path.To.Name, digest.Service(x.path.Proto, x.path.Port), x.path.Direction)
	if x.hop != nil {
		q.Hop, q.Where = x.hop.Hop, x.hop.Where
		title = q.Hop + " @ " + q.Where + ", " + title
	}
	return screen.Action{Do: screen.Heat, Heat: q, Title: title}
}

func (s *Screen) talkKeyAt(i int) digest.TalkKey { return s.d.Talks[s.talks[i]].Key() }
func (s *Screen) lineKeyAt(i int) lineKey        { return s.lines[i].key() }

// row is the end that is shown, nil if there is nothing at all.
func (s *Screen) row() *digest.Row {
	if s.d == nil {
		return nil
	}
	if s.end != "" {
		return s.d.Row(s.end)
	}
	var worst *digest.Row
	for i := range s.d.Rows {
		if r := &s.d.Rows[i]; worst == nil || digest.WorseFirst(r, worst) < 0 {
			worst = r
		}
	}
	return worst
}

// step goes to the next end by name.
func (s *Screen) step(by int) {
	now := s.row()
	if now == nil {
		return
	}
	order := make([]*digest.Row, len(s.d.Rows))
	for i := range s.d.Rows {
		order[i] = &s.d.Rows[i]
	}
	slices.SortFunc(order, func(x, y *digest.Row) int {
		return cmp.Or(cmp.Compare(x.Name, y.Name), cmp.Compare(x.Key, y.Key))
	})
	at := slices.Index(order, now)
	s.Show(order[(at+by+len(order))%len(order)].Key)
}

// arrange lists the conversations of the end, which may be gone from what is seen.
func (s *Screen) arrange() {
	s.talks = s.talks[:0]
	var all []int
	if r := s.row(); r != nil {
		all = r.Talks
	}
	for _, i := range all {
		t := &s.d.Talks[i]
		if s.filter == "" || strings.Contains(strings.ToLower(t.Client.Name+"\n"+t.Server.Name+"\n"+digest.Service(t.Worst.Proto, t.Worst.Port)), s.filter) {
			s.talks = append(s.talks, i)
		}
	}
	slices.SortStableFunc(s.talks, func(x, y int) int { return s.compare(&s.d.Talks[x], &s.d.Talks[y]) })
	s.list.Settle(len(s.talks), s.talkKeyAt)
	s.fall()
}

func (s *Screen) compare(x, y *digest.Talk) int {
	if s.byPackets {
		return cmp.Compare(y.Packets(), x.Packets())
	}
	return cmp.Or(-compareBool(x.Sure(), y.Sure()), cmp.Compare(y.P99(), x.P99()))
}

func compareBool(x, y bool) int {
	switch {
	case x == y:
		return 0
	case x:
		return 1
	}
	return -1
}

// talk is the chosen conversation, nil without one.
func (s *Screen) talk() *digest.Talk {
	if len(s.talks) == 0 {
		return nil
	}
	return &s.d.Talks[s.talks[s.list.At()]]
}
