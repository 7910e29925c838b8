// Package topology shows networks as a tree: which container is in which
// network by which device, and what packets meet on the way.
package topology

import (
	"cmp"
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

// Screen is the map.
type Screen struct {
	keys    keys.Map
	d       *digest.Digest
	list    list.List[string]
	filter  string
	rows    []row
	firstAt int
	from    int
}

// row is one line of the tree.
type row struct {
	key   string
	depth int
	last  bool // of its parent
	under bool // its parent is the last one
	name  string
	about string
	end   string // key of the container, "" for what is none
	load  load
	drops uint64
}

// load is what packets met at one place.
type load struct {
	packets uint64
	ns      float64 // Σ over all packets
	p99     int64
}

// New makes the screen.
func New(k keys.Map) *Screen { return &Screen{keys: k} }

// Set gives the data to show.
func (s *Screen) Set(d *digest.Digest) {
	s.d = d
	s.arrange()
}

// Filter shows only the branches that have the text in them.
func (s *Screen) Filter(text string) {
	s.filter = strings.ToLower(text)
	s.arrange()
}

// Keys are the screen's own keys.
func (s *Screen) Keys() []key.Binding {
	return []key.Binding{s.keys.Open, s.keys.Back, s.keys.Filter}
}

// Press handles a key.
func (s *Screen) Press(msg tea.KeyMsg) (screen.Action, bool) {
	switch {
	case s.list.Press(msg, s.keys, len(s.rows), s.keyAt):
	case key.Matches(msg, s.keys.Open):
		return s.open(), true
	case key.Matches(msg, s.keys.Back):
		return screen.Action{Do: screen.Back}, true
	default:
		return screen.Action{}, false
	}
	return screen.Action{}, true
}

// Click puts the cursor on a line, or opens the container under the cursor.
func (s *Screen) Click(line, _ int) screen.Action {
	at := s.from + line - s.firstAt
	if line < s.firstAt || at >= len(s.rows) {
		return screen.Action{}
	}
	if at == s.list.At() {
		return s.open()
	}
	s.list.To(at, len(s.rows), s.keyAt)
	return screen.Action{}
}

func (s *Screen) open() screen.Action {
	if len(s.rows) == 0 || s.rows[s.list.At()].end == "" {
		return screen.Action{}
	}
	return screen.Action{Do: screen.Container, End: s.rows[s.list.At()].end}
}

func (s *Screen) keyAt(i int) string { return s.rows[i].key }

// places sums up what packets met, by place.
func places(snap *model.Snapshot) (map[string]load, map[string]uint64) {
	loads := map[string]load{}
	here := map[string]uint64{} // most packets of one hop at a place, of one path
	for i := range snap.Paths {
		p := &snap.Paths[i]
		clear(here)
		for k := range p.Hops {
			h := &p.Hops[k]
			l := loads[h.Where]
			if h.Dist.MeanNs != nil {
				l.ns += float64(*h.Dist.MeanNs) * float64(h.Dist.Count)
				l.p99 = max(l.p99, *h.Dist.P99Ns)
			}
			if more := h.Dist.Count; more > here[h.Where] {
				l.packets += more - here[h.Where]
				here[h.Where] = more
			}
			loads[h.Where] = l
		}
	}
	drops := map[string]uint64{}
	for i := range snap.Drops {
		drops[snap.Drops[i].Where] += snap.Drops[i].Count
	}
	for where := range drops {
		if _, ok := loads[where]; !ok {
			loads[where] = load{} // a place where everything dies
		}
	}
	return loads, drops
}

// tree collects the rows of one branch, so that a filter can leave it out.
type tree struct {
	rows   []row
	loads  map[string]load
	drops  map[string]uint64
	placed map[string]bool
}

func (s *Screen) arrange() {
	s.rows = s.rows[:0]
	if s.d == nil {
		return
	}
	snap := &s.d.Frame.Snapshot
	t := &tree{placed: map[string]bool{}}
	t.loads, t.drops = places(snap)
	for _, n := range networks(snap) {
		t.network(n)
	}
	t.host()
	s.rows = t.filtered(s.filter)
	s.list.Settle(len(s.rows), s.keyAt)
}

// network is one Docker network with its members.
type network struct {
	name, driver string
	members      []member
}

type member struct {
	c   *model.Container
	leg *model.Network
}

func networks(snap *model.Snapshot) []network {
	index := map[string]int{}
	var out []network
	for i := range snap.Containers {
		c := &snap.Containers[i]
		for k := range c.Networks {
			leg := &c.Networks[k]
			at, ok := index[leg.Name]
			if !ok {
				at = len(out)
				index[leg.Name] = at
				out = append(out, network{name: leg.Name, driver: leg.Driver})
			}
			out[at].members = append(out[at].members, member{c, leg})
		}
	}
	slices.SortFunc(out, func(x, y network) int { return cmp.Compare(x.name, y.name) })
	return out
}

func (t *tree) network(n network) {
	t.rows = append(t.rows, row{key: "network " + n.name, name: n.name, about: n.driver + " network"})
	slices.SortFunc(n.members, func(x, y member) int { return cmp.Compare(x.c.Name, y.c.Name) })
	for i, m := range n.members {
		about := m.c.State
		if m.leg.IP != nil {
			about = *m.leg.IP
		}
		t.rows = append(t.rows, row{
			key: n.name + " " + m.c.ID, depth: 1, last: i == len(n.members)-1,
			name: m.c.Name, about: about, end: m.c.ID,
		})
		t.places(i == len(n.members)-1, m.c.ID, m.leg.Interface+" of "+m.c.Name, "veth of "+m.c.Name)
	}
}

// places adds those places below the row before them at which packets were
// seen. A container in two networks has two cables of one name: it is told
// once.
func (t *tree) places(under bool, end string, names ...string) {
	for _, where := range names {
		l, ok := t.loads[where]
		if !ok || t.placed[where] {
			continue
		}
		t.placed[where] = true
		t.rows = append(t.rows, row{
			key: where, depth: 2, under: under, name: where, load: l, drops: t.drops[where], end: end,
		})
	}
	if r := &t.rows[len(t.rows)-1]; r.depth == 2 {
		r.last = true
	}
}

// host has all other places: bridges, netfilter, NICs.
func (t *tree) host() {
	var rest []string
	for where := range t.loads {
		if !t.placed[where] {
			rest = append(rest, where)
		}
	}
	if len(rest) == 0 {
		return
	}
	slices.SortFunc(rest, func(x, y string) int {
		return cmp.Or(cmp.Compare(t.loads[y].packets, t.loads[x].packets), cmp.Compare(x, y))
	})
	t.rows = append(t.rows, row{key: "host", name: "this host", about: "bridges, netfilter, devices"})
	for i, where := range rest {
		t.rows = append(t.rows, row{
			key: where, depth: 1, last: i == len(rest)-1, name: where, about: aboutPlace(where), load: t.loads[where], drops: t.drops[where],
		})
	}
}

// aboutPlace says what a bare name stands for.
func aboutPlace(where string) string {
	if where == "host" {
		return "netfilter, routing"
	}
	return ""
}

// filtered keeps the rows with the text in them, what is above them, and what
// is below.
func (t *tree) filtered(text string) []row {
	if text == "" {
		return t.rows
	}
	keep := make([]bool, len(t.rows))
	for i := range t.rows {
		if !strings.Contains(strings.ToLower(t.rows[i].name+" "+t.rows[i].about), text) {
			continue
		}
		keep[i] = true
		for k, depth := i-1, t.rows[i].depth; k >= 0 && depth > 0; k-- {
			if t.rows[k].depth < depth {
				keep[k], depth = true, t.rows[k].depth
			}
		}
		for k := i + 1; k < len(t.rows) && t.rows[k].depth > t.rows[i].depth; k++ {
			keep[k] = true
		}
	}
	var out []row
	for i, r := range t.rows {
		if keep[i] {
			out = append(out, r)
		}
	}
	return out
}
