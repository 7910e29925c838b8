package export

import (
	"context"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/hopscope/hopscope/pkg/model/human"
)

// browser is a page under test.
type browser struct {
	*testing.T
	ctx context.Context
}

// openPage shows a page in a headless Chromium (scripts/setup.sh browser) and
// fails the test when the page logs an error or asks for anything but itself.
func openPage(t *testing.T, html string) *browser {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a browser")
	}
	binary, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("no chromium: run scripts/setup.sh browser")
	}
	file := filepath.Join(t.TempDir(), "flame.html")
	if err := os.WriteFile(file, []byte(html), 0o600); err != nil {
		t.Fatal(err)
	}
	opts := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(binary), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WindowSize(1500, 800),
		chromedp.UserDataDir(profileDir(t)),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-dev-shm-usage", true))
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	t.Cleanup(func() { _ = chromedp.Cancel(ctx) }) // waits for the browser
	url := "file://" + file
	chromedp.ListenTarget(ctx, func(event any) {
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			t.Errorf("the page threw %s", e.ExceptionDetails.Error())
		case *log.EventEntryAdded:
			t.Errorf("the page logged: %s %s", e.Entry.Level, e.Entry.Text)
		case *network.EventRequestWillBeSent:
			if e.Request.URL != url {
				t.Errorf("the page asked for %s", e.Request.URL)
			}
		}
	})
	b := &browser{t, ctx}
	b.run(network.Enable(), log.Enable(), chromedp.Navigate(url), chromedp.WaitReady(".frame, #flame p"))
	return b
}

// profileDir is removed at the end. Helpers of the browser outlive it by a
// moment and may still write to it.
func profileDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "hopscope-browser-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for range 50 {
			if err = os.RemoveAll(dir); err == nil {
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
		t.Error(err)
	})
	return dir
}

func (b *browser) run(actions ...chromedp.Action) {
	b.Helper()
	if err := chromedp.Run(b.ctx, actions...); err != nil {
		b.Fatal(err)
	}
}

// frame is a drawn box.
type frame struct {
	Name, Class string
	X, Y, Width float64
}

// frames lists what is drawn, row by row.
func (b *browser) frames() []frame {
	b.Helper()
	var out []frame
	b.run(chromedp.Evaluate(`[...document.querySelectorAll(".frame")].map(e => {
		const r = e.getBoundingClientRect();
		return {Name: e.textContent, Class: e.className, X: r.x, Y: r.y, Width: r.width};
	})`, &out))
	return out
}

// named is the first frame of a name.
func (b *browser) named(name string) frame {
	b.Helper()
	all := b.frames()
	for _, f := range all {
		if f.Name == name {
			return f
		}
	}
	b.Fatalf("no frame %q in %v", name, all)
	return frame{}
}

// clickFrame clicks with a real mouse in the middle of a frame.
func (b *browser) clickFrame(name string) {
	b.Helper()
	f := b.named(name)
	b.run(chromedp.MouseClickXY(f.X+f.Width/2, f.Y+5))
}

func (b *browser) text(selector string) string {
	b.Helper()
	var out string
	b.run(chromedp.Text(selector, &out, chromedp.ByQuery))
	return out
}

func (b *browser) choose(selector, value string) {
	b.Helper()
	b.run(chromedp.Evaluate(fmt.Sprintf(`(() => { const s = document.querySelector(%q); s.value = %q;
		s.dispatchEvent(new Event("change")); return s.value; })()`, selector, value), nil))
}

// press is a key as the operating system sends it: what the page does on key
// down may keep the letter from being typed.
func press(key string) chromedp.Action {
	return chromedp.Tasks{
		input.DispatchKeyEvent(input.KeyDown).WithKey(key).WithText(key),
		input.DispatchKeyEvent(input.KeyUp).WithKey(key),
	}
}

func (b *browser) wantText(selector string, parts ...string) {
	b.Helper()
	got := b.text(selector)
	for _, want := range parts {
		if !strings.Contains(got, want) {
			b.Errorf("%s says %q, want %q", selector, got, want)
		}
	}
}

// picture saves a screenshot where HOPSCOPE_SCREENSHOTS names a directory.
func (b *browser) picture(name string) {
	b.Helper()
	dir := os.Getenv("HOPSCOPE_SCREENSHOTS")
	if dir == "" {
		return
	}
	var png []byte
	b.run(chromedp.FullScreenshot(&png, 100))
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644); err != nil {
		b.Fatal(err)
	}
}

func TestFlamePageZooms(t *testing.T) {
	b := openPage(t, written(t, slowShop().Snapshot(names{}, meta()), flameHTML))
	b.picture("total")
	whole := b.named("all").Width
	if got := b.named("qdisc @ veth of api").Width / whole; math.Abs(got-0.9978) > 0.001 {
		t.Errorf("the slow hop is %.4f of the whole, want 0.9978", got)
	}
	b.choose("#direction", "response")
	b.picture("response")
	b.clickFrame("in host")
	b.picture("zoomed")
	if got := b.named("in host").Width; math.Abs(got-whole) > 1 {
		t.Errorf("zoomed frame is %v wide, want %v", got, whole)
	}
	// Of the host's hops in the response, prerouting takes 1,999,270 of 6,396,350 ns.
	if got, want := b.named("prerouting @ host").Width/whole, 1999270/6396350.0; math.Abs(got-want) > 0.002 {
		t.Errorf("prerouting is %.4f of the host, want %.4f", got, want)
	}
	checkJoined(t, b.frames())
	b.wantText("#details", "in host", "6.40ms", "47.1% of all")
	b.run(chromedp.KeyEvent(kb.Escape))
	if got := b.named("in host").Width / whole; got > 0.6 {
		t.Errorf("after Escape the frame is still %.2f of the whole", got)
	}
	b.run(chromedp.Click("#reset"))
	if got := b.named("all").Width; math.Abs(got-whole) > 1 {
		t.Errorf("the whole is %v wide, want %v", got, whole)
	}
}

// checkJoined holds that boxes of a row lie side by side.
func checkJoined(t *testing.T, frames []frame) {
	t.Helper()
	ends := map[float64]float64{}
	for _, f := range frames {
		if end, ok := ends[f.Y]; ok && math.Abs(f.X-end) > 0.05 {
			t.Errorf("%q begins at %v, the one before it ends at %v", f.Name, f.X, end)
		}
		ends[f.Y] = f.X + f.Width
	}
}

func TestFlamePageSearches(t *testing.T) {
	b := openPage(t, written(t, slowShop().Snapshot(names{}, meta()), flameHTML))
	b.choose("#direction", "response")
	b.run(press("/"), chromedp.KeyEvent("QDISC"))
	var matched []string
	for _, f := range b.frames() {
		if strings.Contains(f.Class, "match") {
			matched = append(matched, f.Name)
		}
	}
	if got := strings.Join(matched, "|"); got != "qdisc @ eth0 of api|qdisc @ veth of web" {
		t.Errorf("matched %q", got)
	}
	b.wantText("#matched", "matched 11.8%", "1.60ms") // 2 × 799,270 of 13,592,700 ns
	b.picture("search")
	b.run(chromedp.KeyEvent(kb.Enter), chromedp.KeyEvent(kb.Escape))
	if got := b.text("#matched"); got != "" {
		t.Errorf("after Escape still %q", got)
	}
}

func TestFlamePageWalksByKeyboard(t *testing.T) {
	b := openPage(t, written(t, slowShop().Snapshot(names{}, meta()), flameHTML))
	b.run(chromedp.Focus("#flame [tabindex='0']"))
	for range 5 {
		b.run(chromedp.KeyEvent(kb.ArrowDown))
	}
	b.wantText("#details", "qdisc @ veth of api", "12.0s", "1,000", "p99.9", "16.0ms")
	b.run(chromedp.KeyEvent(kb.ArrowUp), chromedp.KeyEvent(kb.Enter))
	b.wantText("#details", "in host")
	if f, whole := b.named("in host"), b.named("all"); math.Abs(f.Width-whole.Width) > 1 {
		t.Errorf("Enter did not zoom: %v of %v", f.Width, whole.Width)
	}
	b.run(chromedp.KeyEvent("0"), chromedp.KeyEvent("2"))
	b.wantText("#views [aria-checked=true]", "per packet")
	b.wantText("#details", "all", "12.0ms a packet")
}

func TestFlamePageViewsAndFilters(t *testing.T) {
	b := openPage(t, written(t, slowShop().Snapshot(names{}, meta()), flameHTML))
	b.run(chromedp.Click("#views button[value=tail]"))
	tail := flameTree(slowShop().Snapshot(names{}, meta())).Root.Sum(measureTail)
	var label string
	b.run(chromedp.AttributeValue(".frame.root", "aria-label", &label, nil))
	if want := "all, " + human.Duration(int64(tail)) + ", 100%"; label != want {
		t.Errorf("the tail's root is %q, want %q", label, want)
	}
	b.choose("#container", "api")
	if b.named("web → api tcp/8080").Width == 0 {
		t.Error("a path to the container is filtered out")
	}
	var options string
	b.run(chromedp.Evaluate(`[...document.querySelector("#container").options].map(o => o.value).join("|")`, &options))
	if options != "|api|web" {
		t.Errorf("containers to choose from: %q", options)
	}
}

// The mouse over a frame shows its counts and percentiles, without a click, and
// leaving the flame shows what has the focus again.
func TestFlamePageHovers(t *testing.T) {
	b := openPage(t, written(t, slowShop().Snapshot(names{}, meta()), flameHTML))
	over := func(x, y float64) { b.run(input.DispatchMouseEvent(input.MouseMoved, x, y)) }
	f := b.named("qdisc @ veth of api")
	over(f.X+f.Width/2, f.Y+5)
	b.wantText("#details", "qdisc @ veth of api", "packets", "1,000", "min", "mean", "p50", "p90", "p95", "p99", "p99.9", "max", "16.0ms", "99.8% of all")
	b.picture("hover")
	over(5, f.Y+300)
	if got := b.text("#details h2"); got != "all" {
		t.Errorf("beside the flame it tells of %q", got)
	}
}

// A filter leaves out the paths of others, and theirs alone.
func TestFlamePageFilters(t *testing.T) {
	s := slowShop().Snapshot(names{}, meta())
	db := s.Paths[1]
	db.From.Name, db.To.Name, db.Port = "db", "api", 5432
	db.From.ContainerID, db.To.ContainerID = ptr("d"), ptr("a")
	s.Paths = append(s.Paths, db) // api asks db
	b := openPage(t, written(t, s, flameHTML))
	paths := func() string {
		var out []string
		for _, f := range b.frames() {
			if strings.Contains(f.Class, " path") {
				out = append(out, f.Name)
			}
		}
		slices.Sort(out)
		return strings.Join(out, "|")
	}
	b.choose("#direction", "response") // of about the same time
	const api, web = "api → db tcp/5432", "web → api tcp/8080"
	for container, want := range map[string]string{"": api + "|" + web, "web": web, "db": api, "api": api + "|" + web} {
		b.choose("#container", container)
		if got := paths(); got != want {
			t.Errorf("container %q: %s, want %s", container, got, want)
		}
	}
	b.choose("#container", "db")
	b.choose("#direction", "request")
	if got := b.text("#flame"); got != "No time was measured here." {
		t.Errorf("the requests to db, of which there are none: %q", got)
	}
	b.picture("nothing")
}

func TestFlamePageLightAndDark(t *testing.T) {
	b := openPage(t, written(t, slowShop().Snapshot(names{}, meta()), flameHTML))
	background := func() string {
		var out string
		b.run(chromedp.Evaluate(`getComputedStyle(document.body).backgroundColor`, &out))
		return out
	}
	const light, dark = "rgb(255, 255, 255)", "rgb(22, 24, 28)"
	if got := background(); got != light {
		t.Errorf("light background is %s", got)
	}
	b.run(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}))
	if got := background(); got != dark {
		t.Errorf("dark background is %s", got)
	}
	b.choose("#direction", "response")
	b.picture("dark")
	b.run(chromedp.Click("#theme"))
	if got := background(); got != light {
		t.Errorf("switched background is %s", got)
	}
}

func TestFlamePageResistsNames(t *testing.T) {
	b := openPage(t, written(t, slowShop().Snapshot(badNames, meta()), flameHTML))
	var scripts int
	b.run(chromedp.Evaluate(`document.scripts.length`, &scripts))
	if scripts != 2 {
		t.Errorf("%d scripts, want 2", scripts)
	}
	found := slices.ContainsFunc(b.frames(), func(f frame) bool {
		return strings.Contains(f.Name, `</script><script>alert(1)</script>&amp;"'`)
	})
	if !found {
		t.Errorf("the names are not shown as they are: %v", b.frames())
	}
	b.picture("names")
}
