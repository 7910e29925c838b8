// Package flamescreen shows latency as an icicle: container, conversation,
// direction, segment, hop.
package flamescreen

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"

	"github.com/hopscope/hopscope/pkg/history"
	"github.com/hopscope/hopscope/pkg/model"
	"github.com/hopscope/hopscope/tui/digest"
	"github.com/hopscope/hopscope/tui/flame"
	"github.com/hopscope/hopscope/tui/keys"
	"github.com/hopscope/hopscope/tui/screen"
)

// levels of the graph, with the root.
const levels = 6

// mode is what the width of a box means.
type mode uint8

const (
	total mode = iota
	perPacket
	tail
	modes
)

func (m mode) String() string {
	return [...]string{
		"time of all packets", "mean packet of each path", "p99 of each path, by its slowest packets' hops",
	}[m]
}

// Screen is the flame graph.
type Screen struct {
	keys   keys.Map
	d      *digest.Digest
	root   *flame.Node
	state  flame.State
	mode   mode
	search string
	found  float64     // value of what matches the search
	boxes  []flame.Box // of the last view
	tall   int         // lines of a box in the last view
}

// New makes the screen.
func New(k keys.Map) *Screen { return &Screen{keys: k, root: &flame.Node{Name: "all"}} }

// Set gives the data to show.
func (s *Screen) Set(d *digest.Digest) {
	s.d = d
	s.root = graph(d, s.mode)
	s.state.Settle(s.root)
	s.find()
}

// find sums up what matches the search.
func (s *Screen) find() {
	s.found = 0
	if s.search != "" {
		s.found = flame.Matched(s.root, s.search)
	}
}

// Filter marks the boxes that have the text in their name.
func (s *Screen) Filter(text string) {
	s.search = strings.ToLower(text)
	s.find()
}

// Keys are the screen's own keys.
func (s *Screen) Keys() []key.Binding {
	k := s.keys
	k.Up.SetHelp("↑/k", "parent")
	k.Down.SetHelp("↓/j", "child")
	k.Left.SetHelp("←/→", "sibling")
	k.Open.SetHelp("enter", "zoom")
	k.Back.SetHelp("esc", "zoom out")
	k.Mode.SetHelp("W", "total/mean/tail")
	k.Filter.SetHelp("/", "search")
	return []key.Binding{k.Up, k.Down, k.Left, k.Open, k.Back, k.Mode, k.Filter}
}

// Press handles a key.
func (s *Screen) Press(msg tea.KeyMsg) (screen.Action, bool) {
	k := s.keys
	switch {
	case key.Matches(msg, k.Up):
		s.state.Out()
	case key.Matches(msg, k.Down):
		s.state.In(s.root)
	case key.Matches(msg, k.Left):
		s.state.Sideways(s.boxes, -1)
	case key.Matches(msg, k.Right):
		s.state.Sideways(s.boxes, 1)
	case key.Matches(msg, k.Open):
		s.state.ZoomIn()
	case key.Matches(msg, k.Mode):
		s.mode = (s.mode + 1) % modes
		if s.d != nil {
			s.Set(s.d)
		}
	case key.Matches(msg, k.Back):
		if !s.state.ZoomOut() {
			return screen.Action{Do: screen.Back}, true
		}
	default:
		return screen.Action{}, false
	}
	return screen.Action{}, true
}

// Click goes to a box, or zooms into the one under the cursor.
func (s *Screen) Click(line, column int) screen.Action {
	for _, b := range s.boxes {
		top := 1 + b.Level*s.tall
		if line < top || line >= top+s.tall || column < b.X || column >= b.X+b.W {
			continue
		}
		if slices.Equal(b.Path, s.state.Cursor) {
			s.state.ZoomIn()
		}
		s.state.Cursor = b.Path
	}
	return screen.Action{}
}

// graph makes the nodes of a digest. Each path is in it once, under its client
// where that is a container, so that the root is the sum of all. What an end or a
// direction is made of grows when it is looked at.
func graph(d *digest.Digest, m mode) *flame.Node {
	root := &flame.Node{Name: "all"}
	owners := map[string]*owner{}
	for i := range d.Talks {
		t := &d.Talks[i]
		name := endName(ownerOf(t))
		at := owners[name]
		if at == nil {
			at = &owner{node: &flame.Node{Name: name}}
			at.node.Grow = func(n *flame.Node) { at.grow(d, m) }
			owners[name] = at
			root.Children = append(root.Children, at.node)
		}
		at.talks = append(at.talks, t)
		for _, p := range []*model.Path{t.Request, t.Response} {
			if p != nil {
				w := weight(p, m)
				at.node.Value += w
				root.Value += w
			}
		}
	}
	slices.SortStableFunc(root.Children, func(x, y *flame.Node) int { return cmp.Compare(y.Value, x.Value) })
	return root
}

// owner is whose conversations stand together.
type owner struct {
	node  *flame.Node
	talks []*digest.Talk
}

// ownerOf is the client, where that is a container or no end is.
func ownerOf(t *digest.Talk) *model.End {
	if t.Client.Kind != "container" && t.Server.Kind == "container" {
		return t.Server
	}
	return t.Client
}

// grow makes the conversations, those that took most first.
func (o *owner) grow(d *digest.Digest, m mode) {
	for _, t := range o.talks {
		other, arrow := t.Server, "→ "
		if ownerOf(t) == t.Server {
			other, arrow = t.Client, "← "
		}
		talk := o.node.Child(arrow + endName(other) + " " + digest.Service(t.Worst.Proto, t.Worst.Port))
		for _, p := range t.Paths() {
			addPath(d, talk.Child(p.Direction), p, m)
		}
	}
	o.node.Sum(true)
}

func endName(e *model.End) string {
	if k := history.EndKey(e.Endpoint()); k == history.External || k == history.Unattributed {
		return k
	}
	return e.Name
}

// addPath adds a path to a direction: several have one name where many
// addresses are told as one end, or a port is published twice.
func addPath(d *digest.Digest, n *flame.Node, p *model.Path, m mode) {
	whole := weight(p, m)
	n.Value += whole
	before := n.Grow
	n.Grow = func(n *flame.Node) {
		if before != nil {
			before(n)
		}
		hops := d.Hops(p)
		for i := range hops {
			h := &hops[i]
			share := h.Share
			if m == tail {
				share = h.TailShare
			}
			segment := n.Child("in " + h.Namespace) // as the flame graph of the command line has it
			segment.Child(h.Hop + " @ " + h.Where).Value += share * whole
			segment.Value += share * whole
		}
	}
}

// weight of a path in ns.
func weight(p *model.Path, m mode) float64 {
	if p.Total.MeanNs == nil || p.Total.P99Ns == nil {
		return 0
	}
	switch m {
	case perPacket:
		return float64(*p.Total.MeanNs)
	case tail:
		return float64(*p.Total.P99Ns)
	}
	return float64(*p.Total.MeanNs) * float64(p.Journeys)
}

// describe is the box under the cursor in words.
func (s *Screen) describe() string {
	n, _ := s.root.Find(s.state.Cursor)
	name := "all"
	if len(s.state.Cursor) > 0 {
		name = strings.Join(s.state.Cursor, " › ")
	}
	return fmt.Sprintf("%s  %s, %s of all", name, s.value(n.Value), percentOf(n.Value, s.root.Value))
}
