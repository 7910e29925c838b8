package export

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/hopscope/hopscope/pkg/export/flame"
	"github.com/hopscope/hopscope/pkg/model"
	"github.com/hopscope/hopscope/pkg/model/human"
)

// The measures of a snapshot's flame. Total and tail are exact: Σ ns × weight.
const (
	measureTotal = iota
	measurePacket
	measureTail
	measurePassages // how many packets passed the hop; no view
)

// The views of a snapshot's flame by ID.
const (
	ViewTotal  = "total"  // all of the packets' time
	ViewPacket = "packet" // the mean packet of each path
	ViewTail   = "tail"   // the journeys at or beyond their path's p99
)

// FlameViews are the IDs of the views.
func FlameViews() []string { return []string{ViewTotal, ViewPacket, ViewTail} }

// FlameOptions say how a flame is drawn.
type FlameOptions struct {
	View string // the one that is drawn, or shown first; default ViewTotal
}

// FlameHTML writes a page with the flame of a snapshot, interactive and
// self-contained.
func FlameHTML(w io.Writer, s model.Snapshot, o FlameOptions) error {
	t := flameTree(s)
	v, err := chosenView(t, o.View)
	if err != nil {
		return err
	}
	for i := range t.Views {
		if t.Views[i].ID == v.ID {
			t.Views[0], t.Views[i] = t.Views[i], t.Views[0]
		}
	}
	return flame.HTML(w, t)
}

// FlameSVG writes the flame of a snapshot as a picture.
func FlameSVG(w io.Writer, s model.Snapshot, o FlameOptions) error {
	t := flameTree(s)
	v, err := chosenView(t, o.View)
	if err != nil {
		return err
	}
	return flame.SVG(w, t, v)
}

// Folded writes a snapshot as folded stacks, their values in ns: container;
// path; direction; namespace; hop @ place.
func Folded(w io.Writer, s model.Snapshot) error {
	return flame.Folded(w, flameTree(s).Stacks(), measureTotal)
}

func chosenView(t *flame.Tree, id string) (flame.View, error) {
	v, ok := t.View(id)
	if !ok {
		return v, fmt.Errorf("flame view %q is none of %s", id, strings.Join(FlameViews(), ", "))
	}
	return v, nil
}

// flameTree arranges the hops of all paths by container, path, direction and
// namespace. Both directions of a path stand together, below its client.
func flameTree(s model.Snapshot) *flame.Tree {
	t := &flame.Tree{
		Title: "hopscope " + s.Host + ", " + s.StartedAt.UTC().Format("2006-01-02 15:04:05 UTC") + ", " + human.Duration(s.DurationNs),
		Views: []flame.View{
			{ID: ViewTotal, Name: "total time", Value: measureTotal, Against: -1},
			{ID: ViewPacket, Name: "per packet", Value: measurePacket, Against: -1},
			{ID: ViewTail, Name: "tail, from p99", Value: measureTail, Against: -1},
		},
		Root: flame.NewFrame(flame.KindRoot, "all"),
	}
	t.Notes = append(t.Notes, fmt.Sprintf("hopscope %s, Linux %s: %s packets tracked, %s lost by the tracer; %s",
		s.ToolVersion, s.Kernel, human.Count(s.Accounting.Tracked), human.Count(total(s.Accounting.Lost)),
		sampled(s.Accounting.SampleRate)))
	labels := flowLabels(s.Paths)
	for i := range s.Paths {
		addPath(t.Root, &s.Paths[i], labels[flowOf(&s.Paths[i])])
	}
	return t
}

func addPath(root *flame.Frame, p *model.Path, label string) {
	f := flowOf(p)
	path := root.Child(flame.KindContainer, f.owner().Name).Child(flame.KindPath, label)
	path.Ends = f.containers()
	direction := path.Child(flame.KindDirection, p.Direction)
	direction.Details = distRows(p.Total)
	var sum, edge uint64
	for i := range p.Hops {
		h := &p.Hops[i]
		sum += h.Dist.SumNs
		next := perPacket(sum, p.Journeys)
		leaf := segment(direction, "in "+h.Namespace).Child(flame.KindHop, h.Hop+" @ "+h.Where)
		if leaf.Values == nil {
			leaf.Details = distRows(h.Dist)
		} else {
			leaf.Details = nil // two devices of one name: their percentiles do not add up
		}
		leaf.Add(h.Dist.SumNs, next-edge, h.TailNs, h.Dist.Count)
		edge = next
	}
}

// segment is the last one, if it has that name, or a new one: a packet that
// comes back to a namespace is in a segment of its own, so that the frames
// stand in the packet's order. The second visit is told by its number.
func segment(direction *flame.Frame, name string) *flame.Frame {
	visits := 0
	for _, c := range direction.Children {
		if c.Name == name || strings.HasPrefix(c.Name, name+" (") {
			visits++
		}
	}
	if n := len(direction.Children); n > 0 && visits > 0 {
		if last := direction.Children[n-1]; last.Name == name || last.Name == visit(name, visits) {
			return last
		}
	}
	return direction.Child(flame.KindSegment, visit(name, visits+1))
}

func visit(name string, n int) string {
	if n < 2 {
		return name
	}
	return name + " (" + strconv.Itoa(n) + ")"
}

// perPacket is rounded to 1 ns; hops take the difference of two running sums,
// so that they add up to the rounded mean of their path.
func perPacket(sum, journeys uint64) uint64 {
	if journeys == 0 {
		return 0
	}
	return (sum + journeys/2) / journeys
}

// distRows is a distribution for the eye.
func distRows(d model.Dist) [][]string {
	out := [][]string{{"packets", human.Count(d.Count)}}
	if d.Samples != d.Count {
		out = append(out, []string{"measured", human.Count(d.Samples)})
	}
	for _, row := range []struct {
		name string
		ns   *int64
	}{
		{"min", d.MinNs}, {"mean", d.MeanNs}, {"p50", d.P50Ns}, {"p90", d.P90Ns},
		{"p95", d.P95Ns}, {"p99", d.P99Ns}, {"p99.9", d.P999Ns}, {"max", d.MaxNs},
	} {
		out = append(out, []string{row.name, durationOf(row.ns)})
	}
	return out
}
