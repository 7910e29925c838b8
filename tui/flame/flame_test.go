package flame

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

func random(r *rand.Rand, depth int) *Node {
	n := &Node{Name: "root"}
	if depth == 0 {
		n.Value = r.ExpFloat64()
		return n
	}
	for i := range 1 + r.IntN(6) {
		c := random(r, depth-1)
		c.Name = fmt.Sprint("n", i)
		n.Children = append(n.Children, c)
	}
	return n
}

// TestBoxesFillTheirParents checks on random trees that the boxes of a level
// join, and that children cover exactly the columns of their parent as long as
// none of them is too narrow to be seen.
func TestBoxesFillTheirParents(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 300 {
		root := random(r, 4)
		root.Sum(true)
		width := 1 + r.IntN(300)
		boxes := Layout(root, nil, width, 10)
		covered := map[string]int{}
		for i, b := range boxes {
			if b.X < 0 || b.W <= 0 || b.X+b.W > width {
				t.Fatalf("a box from %d, %d wide, in %d columns", b.X, b.W, width)
			}
			if b.Level > 0 {
				covered[fmt.Sprint(b.Path[:b.Level-1])] += b.W
			}
			for _, o := range boxes[:i] {
				if o.Level == b.Level && o.X < b.X+b.W && b.X < o.X+o.W {
					t.Fatalf("%v and %v overlap", o.Path, b.Path)
				}
			}
		}
		for _, b := range boxes {
			if len(b.Node.Children) > 0 && covered[fmt.Sprint(b.Path)] != b.W {
				t.Fatalf("the children of %v cover %d of %d columns", b.Path, covered[fmt.Sprint(b.Path)], b.W)
			}
		}
	}
}

func tree() *Node {
	root := &Node{Name: "all"}
	web := root.Child("web")
	web.Child("x").Value = 10
	web.Child("y").Value = 30
	root.Child("api").Child("z").Value = 60
	root.Sum(true)
	return root
}

func TestSumSortsAllButTheLeaves(t *testing.T) {
	root := tree()
	if root.Value != 100 || root.Children[0].Name != "api" || root.Children[1].Children[0].Name != "x" {
		t.Errorf("got %+v", root)
	}
}

func TestZoom(t *testing.T) {
	boxes := Layout(tree(), []string{"web"}, 40, 10)
	want := []Box{
		{Level: 0, X: 0, W: 40}, {Level: 1, X: 0, W: 40, Path: []string{"web"}},
		{Level: 2, X: 0, W: 10, Path: []string{"web", "x"}}, {Level: 2, X: 10, W: 30, Path: []string{"web", "y"}},
	}
	if len(boxes) != len(want) {
		t.Fatalf("%d boxes", len(boxes))
	}
	for i, b := range boxes {
		if b.X != want[i].X || b.W != want[i].W || b.Level != want[i].Level || !slices.Equal(b.Path, want[i].Path) {
			t.Errorf("box %d is %+v, want %+v", i, b, want[i])
		}
	}
}

func TestStateFollowsNames(t *testing.T) {
	root := tree()
	var s State
	s.In(root)
	s.In(root)
	if !slices.Equal(s.Cursor, []string{"api", "z"}) {
		t.Fatalf("the cursor is at %v", s.Cursor)
	}
	s.Out()
	s.Sideways(Layout(root, s.Zoom, 100, 10), 1)
	s.ZoomIn()
	s.In(root)
	if !slices.Equal(s.Cursor, []string{"web", "y"}) || !slices.Equal(s.Zoom, []string{"web"}) {
		t.Fatalf("the cursor is at %v in %v", s.Cursor, s.Zoom)
	}
	root.Child("web").Children[1].Name = "gone"
	s.Settle(root)
	if !slices.Equal(s.Cursor, []string{"web"}) || !slices.Equal(s.Zoom, []string{"web"}) {
		t.Errorf("without y the cursor is at %v in %v", s.Cursor, s.Zoom)
	}
	s.Settle(&Node{Name: "all"})
	if len(s.Cursor)+len(s.Zoom) != 0 || s.ZoomOut() {
		t.Errorf("without anything the cursor is at %v in %v", s.Cursor, s.Zoom)
	}
}

func TestMatched(t *testing.T) {
	root := tree()
	for text, want := range map[string]float64{"web": 40, "y": 30, "e": 40, "": 100, "none": 0} {
		if got := Matched(root, text); got != want {
			t.Errorf("%q matches %v, want %v", text, got, want)
		}
	}
}
