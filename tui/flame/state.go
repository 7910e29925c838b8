package flame

import (
	"slices"
	"strings"
)

// State is where somebody is in a graph: by names, so that it stays there when
// the data changes. The zero value is at the root.
type State struct {
	Cursor, Zoom []string
}

// Settle leaves only names that the graph has.
func (s *State) Settle(root *Node) {
	_, n := root.Find(s.Zoom)
	s.Zoom = s.Zoom[:n]
	_, n = root.Find(s.Cursor)
	s.Cursor = s.Cursor[:n]
	if !under(s.Cursor, s.Zoom) {
		s.Cursor = slices.Clone(s.Zoom)
	}
}

// under reports whether a path leads through another.
func under(path, through []string) bool {
	return len(path) >= len(through) && slices.Equal(path[:len(through)], through)
}

// Out goes to the parent.
func (s *State) Out() {
	if len(s.Cursor) > len(s.Zoom) {
		s.Cursor = s.Cursor[:len(s.Cursor)-1]
	}
}

// In goes to the largest child.
func (s *State) In(root *Node) {
	n, _ := root.Find(s.Cursor)
	var largest *Node
	for _, c := range n.Kids() {
		if largest == nil || c.Value > largest.Value {
			largest = c
		}
	}
	if largest != nil {
		s.Cursor = append(slices.Clip(s.Cursor), largest.Name)
	}
}

// Sideways goes to the next box to the right (1) or left (-1) on the same
// level, of those that are in sight.
func (s *State) Sideways(boxes []Box, by int) {
	var level []Box
	for _, b := range boxes {
		if b.Level == len(s.Cursor) {
			level = append(level, b)
		}
	}
	at := slices.IndexFunc(level, func(b Box) bool { return slices.Equal(b.Path, s.Cursor) })
	if next := at + by; len(level) > 0 && next >= 0 && next < len(level) {
		s.Cursor = slices.Clone(level[next].Path)
	}
}

// ZoomIn makes the box under the cursor the whole width.
func (s *State) ZoomIn() { s.Zoom = slices.Clone(s.Cursor) }

// ZoomOut undoes one level; false when there is none.
func (s *State) ZoomOut() bool {
	if len(s.Zoom) == 0 {
		return false
	}
	s.Zoom = s.Zoom[:len(s.Zoom)-1]
	return true
}

// Matched is the value of the nodes whose name has the text in it, in lower
// case; what is below a match is part of it.
func Matched(n *Node, text string) float64 {
	if strings.Contains(strings.ToLower(n.Name), text) {
		return n.Value
	}
	sum := 0.0
	for _, c := range n.Kids() {
		sum += Matched(c, text)
	}
	return sum
}
