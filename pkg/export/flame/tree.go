// Package flame draws trees of time: frames below frames, each as wide as the
// time of what is in it, children from left to right in the order in which
// packets meet them. It knows nothing of where the time comes from.
package flame

import (
	"github.com/hopscope/hopscope/pkg/printable"
)

// Kind says what a frame stands for.
type Kind string

// The kinds, from the root to the leaves.
const (
	KindRoot      Kind = "root"
	KindContainer Kind = "container" // or another end, where none is a container
	KindPath      Kind = "path"
	KindDirection Kind = "direction"
	KindSegment   Kind = "segment" // a network namespace
	KindHop       Kind = "hop"
)

// Tree is what is drawn. Every leaf has one value for each measure that a view
// uses; a frame's value is the sum of its leaves.
type Tree struct {
	Title string
	Notes []string // lines below the title
	Views []View   // the first is shown first
	Root  *Frame
}

// View is one way to look at a tree: the index of the measure that makes the
// widths, and the one that it is compared with for the colour, -1 for none.
// Slower is the sign of a change that is painted red: 1 where Value is the
// later one of the two.
type View struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Value   int    `json:"value"`
	Against int    `json:"against"`
	Slower  int    `json:"slower"`
}

// Frame is one box. The short JSON names are those of the page's script.
type Frame struct {
	Name     string     `json:"n"`
	Kind     Kind       `json:"k"`
	Hue      int        `json:"h,omitempty"` // color of a hop, 1 to 10
	Ends     []string   `json:"e,omitempty"` // of a path: the containers at its ends
	Values   []uint64   `json:"v,omitempty"` // of a leaf: ns
	Details  [][]string `json:"d,omitempty"` // rows of a table, shown on hover
	Children []*Frame   `json:"c,omitempty"`
}

// NewFrame makes a frame, its name cleaned of what is no text.
func NewFrame(kind Kind, name string) *Frame {
	f := &Frame{Name: printable.Clean(name), Kind: kind}
	if kind == KindHop {
		f.Hue = hueOf(f.Name)
	}
	return f
}

// Child is the child of that kind and name, which is added if it is not there.
func (f *Frame) Child(kind Kind, name string) *Frame {
	name = printable.Clean(name)
	for _, c := range f.Children {
		if c.Kind == kind && c.Name == name {
			return c
		}
	}
	c := NewFrame(kind, name)
	f.Children = append(f.Children, c)
	return c
}

// Add adds to the values of a leaf.
func (f *Frame) Add(values ...uint64) {
	for len(f.Values) < len(values) {
		f.Values = append(f.Values, 0)
	}
	for i, v := range values {
		f.Values[i] += v
	}
}

// Sum is the value of a measure over all leaves below.
func (f *Frame) Sum(measure int) uint64 {
	if len(f.Children) == 0 {
		if measure < 0 || measure >= len(f.Values) {
			return 0
		}
		return f.Values[measure]
	}
	var sum uint64
	for _, c := range f.Children {
		sum += c.Sum(measure)
	}
	return sum
}

// View is the one of that ID, or the first where the ID is empty.
func (t *Tree) View(id string) (View, bool) {
	for _, v := range t.Views {
		if v.ID == id || id == "" {
			return v, true
		}
	}
	return View{}, false
}
