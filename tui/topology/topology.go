// Package topology shows networks as a tree: which container is in which
// network by which device, and what packets meet on the way.
package topology

import (
	"cmp"
	"slices"
	"strings"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"

	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/model"
	"github.com/hopscope/hopscope/tui/digest"
	"github.com/hopscope/hopscope/tui/keys"
	"github.com/hopscope/hopscope/tui/list"
	"github.com/hopscope/hopscope/tui/screen"
)

// Screen is the map.
type Screen struct {
	keys   keys.Map
	d      *digest.Digest
	list   list.List[string]
	filter string
	rows   []row
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
	load  digest.Load
	dim   bool // a peer of what is selected
}

// New makes the screen.
func New(k keys.Map) *Screen { return &Screen{keys: k} }

// Set gives the data to show. Data without the places made is passed over: that
// takes all hops of all paths, for which no key is to wait.
func (s *Screen) Set(d *digest.Digest) {
	if !d.Placed() {
		return
	}
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
	case s.list.Press(msg, s.keys):
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
	if _, again := s.list.Click(line); again {
		return s.open()
	}
	return screen.Action{}
}

func (s *Screen) open() screen.Action {
	if len(s.rows) == 0 || s.rows[s.list.At()].end == "" {
		return screen.Action{}
	}
	return screen.Action{Do: screen.Container, End: s.rows[s.list.At()].end}
}

func (s *Screen) keyAt(i int) string { return s.rows[i].key }

// tree collects the rows of one branch, so that a filter can leave it out.
type tree struct {
	rows   []row
	loads  map[string]digest.Load
	placed map[string]bool
}

func (s *Screen) arrange() {
	s.rows = s.rows[:0]
	if s.d == nil {
		return
	}
	t := &tree{placed: map[string]bool{}, loads: s.d.Places()}
	for _, n := range networks(s.d) {
		t.network(n)
	}
	t.translations(s.d)
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
	c    *model.Container
	leg  *model.Network
	peer bool
}

// networks leaves out containers that are not selected and have no traffic with
// those that are.
func networks(d *digest.Digest) []network {
	snap := &d.Frame.Snapshot
	index := map[string]int{}
	var out []network
	for i := range snap.Containers {
		c := &snap.Containers[i]
		row := d.Row(c.ID)
		if row == nil {
			continue
		}
		for k := range c.Networks {
			leg := &c.Networks[k]
			at, ok := index[leg.Name]
			if !ok {
				at = len(out)
				index[leg.Name] = at
				out = append(out, network{name: leg.Name, driver: leg.Driver})
			}
			out[at].members = append(out[at].members, member{c, leg, row.Peer})
		}
	}
	slices.SortFunc(out, func(x, y network) int { return cmp.Compare(x.name, y.name) })
	return out
}

// defaultBridge is the device of the network "bridge", unless dockerd(8) was told
// another one: that one is then among the host's devices.
const defaultBridge = "docker0"

func (t *tree) network(n network) {
	bridge := inventory.Network{Name: n.name, Bridge: defaultBridge}.Where()
	t.placed[bridge] = true
	t.rows = append(t.rows, row{
		key: "network " + n.name, name: n.name, about: n.driver + " network", load: t.loads[bridge],
	})
	slices.SortFunc(n.members, func(x, y member) int { return cmp.Compare(x.c.Name, y.c.Name) })
	for i, m := range n.members {
		about := m.c.State
		if m.leg.IP != nil {
			about = *m.leg.IP
		}
		dead := m.c.State != "" && m.c.State != "running"
		switch {
		case m.peer:
			about += "  (peer)"
		case dead && m.leg.IP != nil:
			about += "  (" + m.c.State + ")"
		}
		t.rows = append(t.rows, row{
			key: n.name + " " + m.c.ID, depth: 1, last: i == len(n.members)-1,
			name: m.c.Name, about: about, end: m.c.ID, dim: m.peer || dead,
		})
		t.places(i == len(n.members)-1, m.c.ID, m.leg.Interface+" of "+m.c.Name,
			"veth of "+m.c.Name, "veth of "+m.c.Name+" ("+n.name+")") // with its network where it has several
	}
}

// places adds those places below the row before them at which packets were
// seen, each once.
func (t *tree) places(under bool, end string, names ...string) {
	for _, where := range names {
		l, ok := t.loads[where]
		if !ok || t.placed[where] {
			continue
		}
		t.placed[where] = true
		t.rows = append(t.rows, row{
			key: where, depth: 2, under: under, name: where, load: l, end: end,
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
		return cmp.Or(cmp.Compare(t.loads[y].Packets, t.loads[x].Packets), cmp.Compare(x, y))
	})
	t.rows = append(t.rows, row{key: "host", name: "this host", about: "bridges, netfilter, devices"})
	for i, where := range rest {
		t.rows = append(t.rows, row{
			key: where, depth: 1, last: i == len(rest)-1, name: where, about: aboutPlace(where), load: t.loads[where],
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
