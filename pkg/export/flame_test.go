package export

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/hopscope/hopscope/pkg/export/flame"
	"github.com/hopscope/hopscope/pkg/model"
)

// badNames try to leave every format that they are written to.
var badNames = names{suffix: ";\x1b[2J\n</script><script>alert(1)</script>&amp;\"'\u202e 7"}

func written(t *testing.T, s model.Snapshot, write func(io.Writer, model.Snapshot) error) string {
	t.Helper()
	var out bytes.Buffer
	if err := write(&out, s); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func flameHTML(w io.Writer, s model.Snapshot) error { return FlameHTML(w, s, FlameOptions{}) }
func flameSVG(w io.Writer, s model.Snapshot) error  { return FlameSVG(w, s, FlameOptions{}) }

func folded(t *testing.T, text string) []flame.Stack {
	t.Helper()
	stacks, err := flame.ParseFolded(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return stacks
}

func TestFoldedGolden(t *testing.T) {
	golden(t, "folded.txt", written(t, slowShop().Snapshot(names{}, meta()), Folded))
}

// TestFlameSumsExactly holds every measure against the snapshot's own sums.
func TestFlameSumsExactly(t *testing.T) {
	for _, n := range []names{{}, badNames} {
		s := slowShop().Snapshot(n, meta())
		var total, tail, packet uint64
		for _, p := range s.Paths {
			total += p.Total.SumNs
			packet += uint64(math.Round(float64(p.Total.SumNs) / float64(p.Journeys)))
			for _, h := range p.Hops {
				tail += h.TailNs
			}
		}
		tree := flameTree(s)
		for measure, want := range map[int]uint64{measureTotal: total, measurePacket: packet, measureTail: tail} {
			if got := tree.Root.Sum(measure); got != want {
				t.Errorf("measure %d sums to %d, want %d", measure, got, want)
			}
		}
		var lines uint64
		for _, stack := range folded(t, written(t, s, Folded)) {
			lines += stack.Values[0]
			if len(stack.Frames) != 5 {
				t.Errorf("%d frames: %q", len(stack.Frames), stack.Frames)
			}
		}
		if lines != total {
			t.Errorf("folded lines sum to %d, want %d", lines, total)
		}
	}
}

// TestFlowsOfOneLabelStayApart has two paths that differ by network, and two
// that differ by container id alone.
func TestFlowsOfOneLabelStayApart(t *testing.T) {
	s := slowShop().Snapshot(names{}, meta())
	byNetwork, byID := s.Paths[0], s.Paths[0]
	byNetwork.Network = "backend"
	byID.From.ContainerID = ptr("another")
	s.Paths = append(s.Paths, byNetwork, byID)
	owner := flameTree(s).Root.Children[0]
	var got []string
	for _, p := range owner.Children {
		got = append(got, p.Name)
	}
	want := "web → api tcp/8080 on shop|web → api tcp/8080 on backend|web → api tcp/8080 on shop #2"
	if strings.Join(got, "|") != want {
		t.Errorf("paths %q, want %q", strings.Join(got, "|"), want)
	}
}

// TestSegmentsFollowThePacket has a packet that visits the host twice.
func TestSegmentsFollowThePacket(t *testing.T) {
	s := slowShop().Snapshot(names{}, meta())
	p := &s.Paths[0]
	for i, ns := range []string{"web", "host", "host", "vpn", "host", "host", "vpn", "vpn", "api", "api"} {
		p.Hops[i].Namespace = ns
	}
	var got []string
	for _, f := range flameTree(s).Root.Children[0].Children[0].Children[0].Children {
		got = append(got, f.Name)
	}
	if want := "in web|in host|in vpn|in host (2)|in vpn (2)|in api"; strings.Join(got, "|") != want {
		t.Errorf("segments %q, want %q", strings.Join(got, "|"), want)
	}
}

// TestSVG reads the picture back: the boxes of a row lie in order and join, and
// the hops' row is as wide as the root.
func TestSVG(t *testing.T) {
	for _, n := range []names{{}, badNames} {
		for _, view := range FlameViews() {
			s := slowShop().Snapshot(n, meta())
			text := written(t, s, func(w io.Writer, s model.Snapshot) error {
				return FlameSVG(w, s, FlameOptions{View: view})
			})
			checkRows(t, text)
			if strings.ContainsAny(text, "\x1b\u202e") || strings.Contains(text, "<script") {
				t.Error("a name reached the picture as it was")
			}
		}
	}
}

type svgRect struct {
	X     float64 `xml:"x,attr"`
	Y     float64 `xml:"y,attr"`
	Width float64 `xml:"width,attr"`
}

func checkRows(t *testing.T, text string) {
	t.Helper()
	var doc struct {
		Groups []struct {
			Title string  `xml:"title"`
			Rect  svgRect `xml:"rect"`
		} `xml:"g"`
	}
	if err := xml.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	rows := map[float64][]svgRect{}
	for _, g := range doc.Groups {
		if g.Title == "" {
			t.Error("a box without a title")
		}
		rows[g.Rect.Y] = append(rows[g.Rect.Y], g.Rect)
	}
	if len(rows) != 6 {
		t.Fatalf("%d rows, want 6", len(rows))
	}
	for y, boxes := range rows {
		at := boxes[0].X
		var width float64
		for _, b := range boxes {
			if b.X < at-0.002 {
				t.Errorf("row %v: box at %v begins before %v", y, b.X, at)
			}
			at = b.X + b.Width
			width += b.Width
		}
		if width < 1570 { // 1,580 less what is too narrow to be drawn
			t.Errorf("row %v is %v wide", y, width)
		}
	}
}

func TestHTMLHoldsItsData(t *testing.T) {
	for _, n := range []names{{}, badNames} {
		text := written(t, slowShop().Snapshot(n, meta()), flameHTML)
		if got := strings.Count(text, "</script>"); got != 2 {
			t.Errorf("%d scripts end, want 2: a name ended one", got)
		}
		_, rest, _ := strings.Cut(text, `id="data">`)
		data, _, _ := strings.Cut(rest, "</script>")
		var doc struct{ Root *flame.Frame }
		if err := json.Unmarshal([]byte(data), &doc); err != nil {
			t.Fatal(err)
		}
		if want := flameTree(slowShop().Snapshot(n, meta())).Root.Sum(measureTotal); doc.Root.Sum(measureTotal) != want {
			t.Errorf("the page's data sums to %d, want %d", doc.Root.Sum(measureTotal), want)
		}
		for _, link := range []string{"http:", "https:", "src=", "url(", "import"} {
			if strings.Contains(strings.ReplaceAll(text, "script-src", ""), link) {
				t.Errorf("the page refers to something outside: %q", link)
			}
		}
	}
}

func TestFlameOfNothing(t *testing.T) {
	s := model.New(model.Limits{}).Snapshot(names{}, model.Meta{Ended: "signal"})
	for name, write := range map[string]func(io.Writer, model.Snapshot) error{
		"html": flameHTML, "svg": flameSVG, "pprof": Pprof, "perfetto": Perfetto,
	} {
		if text := written(t, s, write); text == "" {
			t.Errorf("%s: nothing written", name)
		}
	}
	if text := written(t, s, Folded); text != "" {
		t.Errorf("folded: %q", text)
	}
}

func TestFlameErrors(t *testing.T) {
	s := slowShop().Snapshot(names{}, meta())
	for name, write := range map[string]func(io.Writer, model.Snapshot) error{
		"html": flameHTML, "svg": flameSVG, "pprof": Pprof, "perfetto": Perfetto, "folded": Folded,
	} {
		if err := write(brokenWriter{}, s); !errors.Is(err, os.ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := FlameSVG(io.Discard, s, FlameOptions{View: "nope"}); err == nil || !strings.Contains(err.Error(), "total, packet, tail") {
		t.Errorf("unknown view: %v", err)
	}
	for i, bad := range []string{"web", "web;x y", "web;x -1", "web 18446744073709551616"} {
		if _, err := flame.ParseFolded(strings.NewReader("a;b 1\n" + bad)); err == nil || !strings.Contains(err.Error(), "line 2") {
			t.Errorf("bad line %s: %v", strconv.Itoa(i), err)
		}
	}
}
