package tui

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/lipgloss"
	"github.com/muesli/termenv"

	"github.com/hopscope/hopscope/pkg/history"
	"github.com/hopscope/hopscope/tui/internal/fake"
	"github.com/hopscope/hopscope/tui/look"
)

var update = flag.Bool("update", false, "write the golden files")

// past is how many seconds of traffic the tests have.
const past = 80

func shopFeed(w *fake.World, seconds int) *fake.Feed {
	h := history.New(history.Options{}, fake.Begin)
	for i := range seconds {
		w.Second(h, i)
	}
	return &fake.Feed{World: w, History: h}
}

// driver presses keys and answers what the program asks for, without a clock.
type driver struct {
	*app
	now  time.Time
	quit bool
}

func drive(t testing.TB, feed Feed, profile termenv.Profile, o Options, width, height int) *driver {
	t.Helper()
	d := &driver{now: fake.Begin.Add(past * time.Second)}
	o.Location, o.Now = time.UTC, func() time.Time { return d.now }
	o.Theme = look.Themes()[0]
	if o.Refresh == 0 {
		o.Refresh = time.Second
	}
	r := lipgloss.NewRenderer(io.Discard)
	r.SetColorProfile(profile)
	d.app = newApp(feed, o, r)
	d.settle(d.Init())
	d.send(tea.WindowSizeMsg{Width: width, Height: height})
	return d
}

// settle runs pulls and files until nothing is under way; ticks are left alone.
func (d *driver) settle(cmd tea.Cmd) {
	for cmd != nil && (d.pulling || d.busy) {
		_, cmd = d.Update(cmd())
	}
	if cmd != nil && (d.leaving || d.quit) {
		_, d.quit = cmd().(tea.QuitMsg)
	}
}

func (d *driver) send(msg tea.Msg) {
	_, cmd := d.Update(msg)
	d.settle(cmd)
	_ = d.View() // as bubbletea does after every message
}

// press sends keys by the names that bubbletea gives them.
func (d *driver) press(names ...string) {
	special := map[string]tea.KeyType{
		"enter": tea.KeyEnter, "esc": tea.KeyEsc, "tab": tea.KeyTab, "up": tea.KeyUp, "down": tea.KeyDown,
		"left": tea.KeyLeft, "right": tea.KeyRight, "home": tea.KeyHome, "end": tea.KeyEnd,
		"pgup": tea.KeyPgUp, "pgdown": tea.KeyPgDown, "space": tea.KeySpace, "backspace": tea.KeyBackspace,
	}
	for _, n := range names {
		if n == "q" && !d.typing {
			d.quit = true // the command is tea.Quit, or saves a file
		}
		if k, ok := special[n]; ok {
			msg := tea.KeyMsg{Type: k}
			if k == tea.KeySpace {
				msg.Runes = []rune{' '}
			}
			d.send(msg)
			continue
		}
		d.send(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune(n)})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got {
		t.Errorf("%s differs from what was agreed; look at it, and run with -update if it is better:\n%s", name, got)
	}
}

func trimmed(view string) string {
	var b strings.Builder
	for line := range strings.Lines(view) {
		b.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	return b.String()
}

// pages are the keys that lead to each page.
func pages() map[string][]string {
	return map[string][]string{
		"overview":          nil,
		"overview-grouped":  {"g", "s"},
		"findings":          {"f", "down"},
		"overview-filtered": {"/", "a", "p", "i", "enter"},
		"container":         {"enter"},
		"container-nat":     {"enter", "down"},
		"container-hops":    {"enter", "enter", "down", "W", "W"},
		"flame":             {"3", "down", "down"},
		"heat":              {"enter", "enter", "down", "enter", "up", "up", "left"},
		"drops":             {"5"},
		"drops-explained":   {"5", "enter"},
		"retransmit":        {"5", "end", "enter"},
		"map":               {"6"},
		"help":              {"?"},
		"frozen":            {"[", "["},
	}
}

// TestGoldenOfMadeUp has what the recording (recorded_test.go) has not: services and
// projects, packets that were lost sight of, a container held back by its CPU limit.
func TestGoldenOfMadeUp(t *testing.T) {
	feed := shopFeed(fake.Shop(), past)
	for _, size := range sizes() {
		d := drive(t, feed, termenv.Ascii, Options{}, size[0], size[1])
		d.press(pages()["overview-grouped"]...)
		golden(t, fmt.Sprintf("made-up-grouped-%dx%d", size[0], size[1]), trimmed(d.View()))
	}
}

func sizes() [][2]int { return [][2]int{{80, 24}, {120, 40}} }

func TestASCII(t *testing.T) {
	d := drive(t, shopFeed(fake.Shop(), past), termenv.Ascii, Options{ASCII: true}, 80, 24)
	for _, keys := range [][]string{nil, {"2"}, {"3"}, {"4"}, {"5", "enter"}, {"6"}, {"?"}, {"2"}} {
		d.press(keys...)
		for i, r := range d.View() {
			if r > '~' || (r < ' ' && r != '\n') {
				t.Fatalf("%q at %d after %v of a screen that is to be ASCII", r, i, keys)
			}
		}
	}
}

// TestEverySize paints every page at sizes from nothing to large: all lines
// are exactly as wide as the terminal, and as many.
func TestEverySize(t *testing.T) {
	for name, feed := range map[string]*fake.Feed{
		"shop":  shopFeed(fake.Shop(), past),
		"nasty": shopFeed(nasty(), 12),
		"empty": shopFeed(fake.New(nil), 2),
		"quiet": shopFeed(fake.New([]string{"web"}), 2),
	} {
		for page, keys := range pages() {
			d := drive(t, feed, termenv.Ascii, Options{}, 80, 24)
			d.press(keys...)
			for w := 1; w <= 203; w += 1 + w/4 {
				for h := 1; h <= 60; h += 1 + h/2 {
					d.send(tea.WindowSizeMsg{Width: w, Height: h})
					lines := strings.Split(d.View(), "\n")
					if len(lines) != h {
						t.Fatalf("%s, %s at %dx%d: %d lines", name, page, w, h, len(lines))
					}
					for _, line := range lines {
						if look.Width(line) != w {
							t.Fatalf("%s, %s at %dx%d: a line is %d wide: %q", name, page, w, h, look.Width(line), line)
						}
					}
				}
			}
		}
	}
}

// The screen of a container in the host's network namespace tells what is missing
// of its hops.
func TestReducedHopsAreTold(t *testing.T) {
	w := fake.Shop()
	w.Containers[0].NetworkMode = "host" // who has the most to show
	d := drive(t, shopFeed(w, 12), termenv.Ascii, Options{}, 80, 24)
	d.press("enter")
	if v := d.View(); !strings.Contains(v, "shop-front-1") || !strings.Contains(v, "network host: no interface of its own") {
		t.Errorf("not told:\n%s", v)
	}
}

// nasty is a host whose containers have names that attack the terminal.
func nasty() *fake.World {
	w := fake.New([]string{
		"\x1b[31mred\x1b[0m", "db-🐘🐘🐘", "数据库-主-生产环境", strings.Repeat("n", 200), "rtl\u202egpj",
		"bell\a\rtab\tnew\nline", "osc\x1b]0;owned\x07", "c1\u009b31m", "bad\xff\xfe", "zero\u200bwidth é",
	})
	for i := range w.Containers {
		w.Containers[i].Image = w.Containers[i].Name
		w.Flows = append(w.Flows, fake.Flow{From: i, To: (i + 1) % len(w.Containers), Port: 80, Rate: 12, Slow: 2, By: time.Millisecond, Drops: 1,
			App: time.Millisecond, Waits: time.Millisecond, On: (i + 2) % len(w.Containers), Asks: 1})
	}
	return w
}

func TestNamesDoNotReachTheTerminalRaw(t *testing.T) {
	feed := shopFeed(nasty(), 12)
	d := drive(t, feed, termenv.Ascii, Options{}, 120, 40)
	for page, keys := range pages() {
		d.press("1")
		d.press(keys...)
		for _, r := range d.View() {
			if (r < ' ' && r != '\n') || (r >= 0x7f && r < 0xa0) || r == '\u202e' || r == '\u200b' || r == '\ufffd' {
				t.Errorf("%q reaches the terminal on %s", r, page)
			}
		}
		d.press("esc", "esc", "esc")
	}
	d.press("1")
	if v := d.View(); !strings.Contains(v, "db-🐘🐘🐘") || !strings.Contains(v, "数据库-主-生产环境") || !strings.Contains(v, "red") {
		t.Errorf("harmless names are not shown:\n%s", v)
	}
}

func TestNoTerminal(t *testing.T) {
	in, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	t.Setenv("TERM", "xterm")
	if err := Run(t.Context(), nil, Options{In: in, Out: in}); !errors.Is(err, ErrNoTerminal) || !strings.Contains(err.Error(), "hopscope trace") {
		t.Errorf("got %v", err)
	}
	t.Setenv("TERM", "dumb")
	if err := Run(t.Context(), nil, Options{}); !errors.Is(err, ErrNoTerminal) || !strings.Contains(err.Error(), "dumb") {
		t.Errorf("got %v", err)
	}
}

func TestLocale(t *testing.T) {
	for _, c := range []struct {
		env  map[string]string
		want bool
	}{
		{nil, true},
		{map[string]string{"LANG": "C"}, false},
		{map[string]string{"LANG": "C", "LC_ALL": "en_US.UTF-8"}, true},
		{map[string]string{"LANG": "de_DE.utf8"}, true},
		{map[string]string{"LC_ALL": "POSIX", "LANG": "en_US.UTF-8"}, false},
	} {
		if got := speaksUnicode(func(k string) string { return c.env[k] }); got != c.want {
			t.Errorf("%v: %v", c.env, got)
		}
	}
}
