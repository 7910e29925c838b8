package export

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/hopscope/hopscope/pkg/diff"
	"github.com/hopscope/hopscope/pkg/dns"
	"github.com/hopscope/hopscope/pkg/journey"
	"github.com/hopscope/hopscope/pkg/model"
)

// shopSide is a capture of 2,000 requests and as many answers in 12 s. delay is
// added in the qdisc toward api; every drop-th request is dropped, 0 for none.
func shopSide(n names, delay time.Duration, drop int, server string) diff.Side {
	whole := model.New(model.Limits{})
	pieces := whole.Slices()
	add := func(j *journey.Journey, hops []journey.Hop, i int) {
		j.Start = uint64(i) * 6e6
		whole.Add(j, hops)
		pieces.Add(j, hops)
	}
	web, api := netip.MustParseAddrPort("10.0.0.2:40000"), netip.MustParseAddrPort(server)
	for i := range 2000 {
		hops := way(i, webNS, webEth, vethWeb, apiNS, apiEth, vethAPI)
		hops[5].Duration += delay + time.Duration(i%10)*delay/10
		j := trip(hops, journey.Tuple{Src: web, Dst: api}, 152)
		if drop > 0 && i%drop == 0 {
			j.Ending = journey.EndingDropped
			j.Stops[len(j.Stops)-1].Point = journey.PointFree
			d := model.DropCount{
				Reason: 8, Location: 1, Place: journey.Place{Netns: hostNS, Ifindex: vethAPI}, Point: journey.PointQueue,
				Born: webNS, Src: web.Addr(), Dst: api.Addr(), Port: api.Port(), Proto: journey.ProtoTCP, Count: 1,
			}
			whole.AddDrops(d)
			pieces.AddDrops(d)
			again := model.RetransmitCount{
				Netns: webNS, Local: web.Addr(), Remote: api.Addr(), Port: api.Port(), Segments: model.RetransmitKinds{RTO: 1},
			}
			whole.AddRetransmits(again)
			pieces.AddRetransmits(again)
		}
		add(j, hops, i)
		if i%4 == 0 {
			asked := lookup(i, 500*delay)
			whole.AddDNS(asked)
			pieces.AddDNS(asked)
		}
		hops = way(i, apiNS, apiEth, vethAPI, webNS, webEth, vethWeb)
		add(trip(hops, journey.Tuple{Src: api, Dst: web}, 1252), hops, i)
	}
	m := meta()
	m.Duration = 12 * time.Second
	return diff.Side{Snapshot: whole.Snapshot(n, m), Slices: pieces.Snapshots(n, m)}
}

// lookup is web's at Docker's name server: 1 ms, and what is added.
func lookup(i int, added time.Duration) dns.Lookup {
	return dns.Lookup{
		At: uint64(i) * 6e6, Netns: webNS, Local: netip.MustParseAddr("127.0.0.1"), Resolver: netip.MustParseAddr("127.0.0.11"),
		Outcome: dns.Answered, Sent: 1, LatencyNs: uint64(time.Millisecond + added),
	}
}

func slowerShop(n names) *diff.Result {
	return diff.Compare(shopSide(n, 0, 0, "10.0.0.3:8080"), shopSide(n, 4*time.Microsecond, 50, "10.0.0.3:8080"),
		diff.Options{FailOver: 0.2})
}

func diffWritten(t *testing.T, r *diff.Result, write func(io.Writer, *diff.Result) error) string {
	t.Helper()
	var out bytes.Buffer
	if err := write(&out, r); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func diffTable(o Options) func(io.Writer, *diff.Result) error {
	return func(w io.Writer, r *diff.Result) error { return DiffTable(w, r, o) }
}

func TestDiffTable(t *testing.T) {
	r := slowerShop(names{})
	text := diffWritten(t, r, diffTable(Options{Width: 100}))
	fits(t, text, 100)
	golden(t, "diff-100.txt", text)
	colored := diffWritten(t, r, diffTable(Options{Width: 100, Color: true}))
	if !strings.Contains(colored, "\x1b[1;31m  qdisc @ veth of shop/api") {
		t.Errorf("colors:\n%q", colored)
	}
}

func TestDiffTableResistsNames(t *testing.T) {
	bad := names{suffix: "\x1b[2J\r\n\u202e" + strings.Repeat("水", 40)}
	r := slowerShop(bad)
	other := diff.Compare(shopSide(bad, 0, 0, "10.0.0.3:8080"), shopSide(bad, 0, 0, "10.0.0.3:9090"), diff.Options{})
	for _, r := range []*diff.Result{r, other} {
		for _, width := range []int{80, 120} {
			text := diffWritten(t, r, diffTable(Options{Width: width}))
			fits(t, text, width)
			if strings.ContainsAny(text, "\x1b\r\u202e") {
				t.Errorf("a name reached the terminal as it was:\n%q", text)
			}
		}
	}
}

func TestDiffTableOfStrangers(t *testing.T) {
	r := diff.Compare(shopSide(names{}, 0, 0, "10.0.0.3:8080"), shopSide(names{}, 0, 0, "10.0.0.3:9090"), diff.Options{})
	text := diffWritten(t, r, diffTable(Options{}))
	for _, want := range []string{"no path in common", "APPEARED", "web → shop/api tcp/9090 request: 2,000 packets", "VANISHED", "tcp/8080"} {
		if !strings.Contains(text, want) {
			t.Errorf("want %q in:\n%s", want, text)
		}
	}
}

func TestDiffJSON(t *testing.T) {
	r := slowerShop(names{})
	var doc map[string]any
	if err := json.Unmarshal([]byte(diffWritten(t, r, DiffJSON)), &doc); err != nil {
		t.Fatal(err)
	}
	if doc["schema"] != "hopscope/diff/v1" || doc["regressed"] != true || doc["fail_over"] != 0.2 {
		t.Errorf("head of the document: %v %v %v", doc["schema"], doc["regressed"], doc["fail_over"])
	}
	path := doc["paths"].([]any)[0].(map[string]any)
	if path["port"] != 8080.0 || path["direction"] != "request" || len(path["hops"].([]any)) != 10 {
		t.Errorf("first path: %v", path)
	}
	for _, list := range []string{"paths", "drops", "dns", "appeared", "vanished"} {
		if _, ok := doc[list].([]any); !ok {
			t.Errorf("%s is no list", list)
		}
	}
}

// diffSchema is the contract of the comparison, and nothing beside it.
func diffSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	for _, name := range []string{"summary", "diff"} { // one refers to the other
		if err := c.AddResource("https://github.com/hopscope/hopscope/docs/"+name+".schema.json", strictDocument(t, name)); err != nil {
			t.Fatal(err)
		}
	}
	s, err := c.Compile("https://github.com/hopscope/hopscope/docs/diff.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestDiffJSONFollowsTheSchema(t *testing.T) {
	schema := diffSchema(t)
	same := shopSide(names{}, 0, 0, "10.0.0.3:8080")
	for name, r := range map[string]*diff.Result{
		"slower":    slowerShop(names{}),
		"equal":     diff.Compare(same, same, diff.Options{}),
		"strangers": diff.Compare(same, shopSide(names{}, 0, 0, "10.0.0.3:9090"), diff.Options{}),
		"empty":     diff.Compare(diff.Side{}, diff.Side{}, diff.Options{FailOver: 0.5}),
	} {
		if err := schema.Validate(parseJSON(t, diffWritten(t, r, DiffJSON))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestDiffSchemaRefuses makes sure that the validation above can fail.
func TestDiffSchemaRefuses(t *testing.T) {
	schema := diffSchema(t)
	first := func(v any) map[string]any { return v.([]any)[0].(map[string]any) }
	for name, spoil := range map[string]func(map[string]any){
		"other version":    func(d map[string]any) { d["schema"] = "hopscope/diff/v2" },
		"missing":          func(d map[string]any) { delete(d, "appeared") },
		"null list":        func(d map[string]any) { d["drops"] = nil },
		"unknown field":    func(d map[string]any) { first(d["paths"])["extra"] = 1 },
		"unknown quantile": func(d map[string]any) { first(first(d["paths"])["changes"])["quantile"] = "p42" },
		"half a DIST":      func(d map[string]any) { delete(first(d["paths"])["before"].(map[string]any), "p99_ns") },
		"p beyond 1":       func(d map[string]any) { first(d["drops"])["p"] = json.Number("1.5") },
	} {
		doc := parseJSON(t, diffWritten(t, slowerShop(names{}), DiffJSON)).(map[string]any)
		spoil(doc)
		if schema.Validate(doc) == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestDiffFlameSums holds the widths against the means of the paths.
func TestDiffFlameSums(t *testing.T) {
	r := slowerShop(names{})
	var before, after uint64
	for _, p := range r.Paths {
		before += uint64(math.Round(float64(p.Before.SumNs) / float64(p.Before.Count)))
		after += uint64(math.Round(float64(p.After.SumNs) / float64(p.After.Count)))
	}
	root := diffTree(r).Root
	if b, a := root.Sum(measureBefore), root.Sum(measureAfter); b != before || a != after {
		t.Errorf("flame of %d and %d ns, want %d and %d", b, a, before, after)
	}
}

func TestDiffFlameSVG(t *testing.T) {
	for _, n := range []names{{}, badNames} {
		text := diffWritten(t, slowerShop(n), DiffFlameSVG)
		var doc struct {
			Groups []struct {
				Title string `xml:"title"`
				Rects []struct {
					Class string `xml:"class,attr"`
				} `xml:"rect"`
			} `xml:"g"`
		}
		if err := xml.Unmarshal([]byte(text), &doc); err != nil {
			t.Fatal(err)
		}
		slower := 0
		for _, g := range doc.Groups {
			if len(g.Rects) == 2 && g.Rects[1].Class == "slower" && strings.HasPrefix(g.Title, "qdisc @ veth of") && strings.Contains(g.Title, "api") {
				slower++
			}
		}
		if slower != 1 {
			t.Errorf("%d boxes of the slower hop are red, want 1", slower)
		}
	}
}

func TestDiffFlamePage(t *testing.T) {
	b := openPage(t, diffWritten(t, slowerShop(names{}), DiffFlameHTML))
	b.picture("diff")
	color := func(name string) string {
		var out string
		b.run(chromedp.Evaluate(`(() => { for (const e of document.querySelectorAll(".frame"))
			if (e.textContent === "`+name+`") return e.style.background; return "none"; })()`, &out))
		return out
	}
	if got := color("qdisc @ veth of shop/api"); !strings.Contains(got, "--slower") {
		t.Errorf("the slower hop is painted %q", got)
	}
	if got := color("prerouting @ host"); got != "" {
		t.Errorf("an unchanged hop is painted %q", got)
	}
	b.clickFrame("qdisc @ veth of shop/api")
	b.wantText("#details", "slower by", "before", "after", "2,000", "1,960")
	b.picture("diff-zoomed")
	b.run(chromedp.Click("#reset"), chromedp.Click("#views button[value=packet-before]"))
	if got := color("qdisc @ veth of shop/api"); !strings.Contains(got, "--slower") {
		t.Errorf("seen from before, the slower hop is painted %q", got)
	}
	b.choose("#direction", "response")
	if got := color("response"); got != "" {
		t.Errorf("the unchanged direction is painted %q", got)
	}
}

func TestDiffErrors(t *testing.T) {
	r := slowerShop(names{})
	for name, write := range map[string]func(io.Writer, *diff.Result) error{
		"table": diffTable(Options{}), "json": DiffJSON, "html": DiffFlameHTML, "svg": DiffFlameSVG,
	} {
		if err := write(brokenWriter{}, r); !errors.Is(err, os.ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
