// Package flame lays out and navigates an icicle graph in terminal cells. It
// knows nothing of latency: nodes have names and values.
package flame

import (
	"math"
	"slices"
)

// Node is one box with those that it is made of. A node with children is worth
// what they are worth together.
type Node struct {
	Name     string
	Value    float64
	Children []*Node
	// Grow makes the children when they are first needed; nil when they are
	// there. Most boxes of a large graph are too narrow to ever need theirs.
	Grow func(n *Node)
}

// Kids are the children.
func (n *Node) Kids() []*Node {
	if grow := n.Grow; grow != nil {
		n.Grow = nil
		grow(n)
	}
	return n.Children
}

// Child finds the child of that name, or makes it.
func (n *Node) Child(name string) *Node {
	for _, c := range n.Children {
		if c.Name == name {
			return c
		}
	}
	c := &Node{Name: name}
	n.Children = append(n.Children, c)
	return c
}

// Sum sets the value of every node that has children, without growing any. With sorted the largest
// children of each node but the leaves' parents come first; leaves keep their
// order.
func (n *Node) Sum(sorted bool) float64 {
	if len(n.Children) == 0 {
		return n.Value
	}
	n.Value = 0
	leaves := false
	for _, c := range n.Children {
		n.Value += c.Sum(sorted)
		leaves = leaves || len(c.Children) == 0
	}
	if sorted && !leaves {
		slices.SortStableFunc(n.Children, func(x, y *Node) int {
			switch {
			case x.Value > y.Value:
				return -1
			case x.Value < y.Value:
				return 1
			}
			return 0
		})
	}
	return n.Value
}

// Find follows names down from the node as far as they lead.
func (n *Node) Find(path []string) (found *Node, depth int) {
	for depth < len(path) {
		i := slices.IndexFunc(n.Kids(), func(c *Node) bool { return c.Name == path[depth] })
		if i < 0 {
			break
		}
		n = n.Children[i]
		depth++
	}
	return n, depth
}

// Box is a node on screen.
type Box struct {
	Node  *Node
	Path  []string // names from the root, without the root's own
	Level int
	X, W  int // columns
}

// Layout places the nodes at or below the zoomed one into width columns; the
// nodes above it take the whole width. Edges are rounded from the sums of all
// values to the left, so that boxes join without a gap and fill their parent;
// what is narrower than a column may vanish.
func Layout(root *Node, zoom []string, width, levels int) []Box {
	var out []Box
	n := root
	out = append(out, Box{Node: n, X: 0, W: width})
	depth := 0
	for depth < len(zoom) {
		i := slices.IndexFunc(n.Kids(), func(c *Node) bool { return c.Name == zoom[depth] })
		if i < 0 {
			break
		}
		n = n.Children[i]
		depth++
		out = append(out, Box{Node: n, Path: slices.Clone(zoom[:depth]), Level: depth, W: width})
	}
	if n.Value <= 0 || width <= 0 {
		return out
	}
	at := layout{scale: float64(width) / n.Value, levels: levels, width: width}
	at.children(n, out[len(out)-1].Path, depth+1, 0, width)
	return append(out, at.boxes...)
}

type layout struct {
	scale  float64
	levels int
	width  int
	boxes  []Box
}

// children places what a node is made of between its own edges, which sums that
// were rounded otherwise could leave.
func (l *layout) children(n *Node, path []string, level int, begin float64, end int) {
	if level >= l.levels {
		return
	}
	for _, c := range n.Kids() {
		from, to := min(l.column(begin), end), min(l.column(begin+c.Value), end)
		if to > from {
			p := append(slices.Clip(path), c.Name)
			l.boxes = append(l.boxes, Box{Node: c, Path: p, Level: level, X: from, W: to - from})
			l.children(c, p, level+1, begin, to)
		}
		begin += c.Value
	}
}

func (l *layout) column(v float64) int {
	return min(int(math.Round(v*l.scale)), l.width)
}
