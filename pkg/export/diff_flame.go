package export

import (
	"fmt"
	"io"

	"github.com/hopscope/hopscope/pkg/diff"
	"github.com/hopscope/hopscope/pkg/export/flame"
	"github.com/hopscope/hopscope/pkg/model"
	"github.com/hopscope/hopscope/pkg/model/human"
)

// The measures of a differential flame: of the mean packet, so that captures
// of different length and load can be compared.
const (
	measureBefore = iota
	measureAfter
)

// The views of a differential flame by ID.
const (
	ViewAfter  = "packet-after"
	ViewBefore = "packet-before" // shows what vanished
)

// DiffFlameHTML writes a page with the differential flame: red is slower, blue
// is faster.
func DiffFlameHTML(w io.Writer, r *diff.Result) error { return flame.HTML(w, diffTree(r)) }

// DiffFlameSVG writes the differential flame as a picture, as wide as the later
// capture.
func DiffFlameSVG(w io.Writer, r *diff.Result) error {
	t := diffTree(r)
	return flame.SVG(w, t, t.Views[0])
}

// diffTree has the paths that both captures have.
func diffTree(r *diff.Result) *flame.Tree {
	t := &flame.Tree{
		Title: "hopscope diff, " + r.Before.Host + " → " + r.After.Host,
		Notes: []string{
			captureNote("before", r.Before), captureNote("after", r.After), diffVerdict(r),
		},
		Views: []flame.View{
			{ID: ViewAfter, Name: "per packet, after", Value: measureAfter, Against: measureBefore, Slower: 1},
			{ID: ViewBefore, Name: "per packet, before", Value: measureBefore, Against: measureAfter, Slower: -1},
		},
		Root: flame.NewFrame(flame.KindRoot, "all"),
	}
	labels := diffLabels(r.Paths)
	for i := range r.Paths {
		p := &r.Paths[i]
		addDiffPath(t.Root, p, labels[diffFlow(p.ID)])
	}
	return t
}

func captureNote(name string, c diff.Capture) string {
	return fmt.Sprintf("%s: %s, %s, Linux %s, %s packets tracked", name,
		c.StartedAt.UTC().Format("2006-01-02 15:04:05 UTC"), human.Duration(c.DurationNs), c.Kernel, human.Count(c.Tracked))
}

func addDiffPath(root *flame.Frame, p *diff.Path, label string) {
	f := diffFlow(p.ID)
	path := root.Child(flame.KindContainer, f.owner().Name).Child(flame.KindPath, label)
	path.Ends = f.containers()
	direction := path.Child(flame.KindDirection, p.Direction)
	direction.Details = diffRows(p.Before, p.After)
	var sums, edges [2]uint64
	for i := range p.Hops {
		h := &p.Hops[i]
		sums[0] += h.Before.SumNs
		sums[1] += h.After.SumNs
		next := [2]uint64{perPacket(sums[0], p.Before.Count), perPacket(sums[1], p.After.Count)}
		leaf := segment(direction, "in "+h.Namespace).Child(flame.KindHop, h.Hop+" @ "+h.Where)
		leaf.Details = diffRows(h.Before, h.After)
		leaf.Add(next[0]-edges[0], next[1]-edges[1])
		edges = next
	}
}

// diffFlow is a path as flames arrange it.
func diffFlow(id diff.ID) flow {
	f := flow{
		client: end{Kind: id.From.Kind, Name: id.From.Name}, server: end{Kind: id.To.Kind, Name: id.To.Name},
		network: id.Network, proto: id.Proto, nat: id.NAT, port: int(id.Port), publishedPort: id.PublishedPort,
	}
	if id.Direction == "response" {
		f.client, f.server = f.server, f.client
	}
	return f
}

func diffLabels(paths []diff.Path) map[flow]string {
	flows := make([]flow, len(paths))
	for i := range paths {
		flows[i] = diffFlow(paths[i].ID)
	}
	return labelsOf(flows)
}

// diffRows is two distributions for the eye.
func diffRows(b, a model.Dist) [][]string {
	out := [][]string{{"", "before", "after", "change"}, {"packets", human.Count(b.Count), human.Count(a.Count), ""}}
	for _, row := range []struct {
		name          string
		before, after *int64
	}{
		{"mean", b.MeanNs, a.MeanNs}, {"p50", b.P50Ns, a.P50Ns}, {"p90", b.P90Ns, a.P90Ns},
		{"p95", b.P95Ns, a.P95Ns}, {"p99", b.P99Ns, a.P99Ns}, {"max", b.MaxNs, a.MaxNs},
	} {
		change := ""
		if row.before != nil && row.after != nil {
			change = relative(*row.before, *row.after)
		}
		out = append(out, []string{row.name, durationOf(row.before), durationOf(row.after), change})
	}
	return out
}
