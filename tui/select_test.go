package tui

import (
	"errors"
	"strings"
	"testing"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"
	"github.com/muesli/termenv"

	"github.com/hopscope/hopscope/pkg/history"
	"github.com/hopscope/hopscope/tui/internal/fake"
	"github.com/hopscope/hopscope/tui/look"
)

// only is a feed of which one container was asked for.
type only struct {
	*fake.Feed
	name string
}

func (o *only) Frame(q history.Query) (history.Frame, error) {
	f, err := o.Feed.Frame(q)
	f.Selected = map[string]bool{}
	for _, c := range o.World.Containers {
		f.Selected[c.ID] = c.Name == o.name
	}
	return f, err
}

// TestSelectedContainersComeFirst asks for the worker, which talks to the cart
// and to the outside: other containers are not its business, and its peers are
// called so.
func TestSelectedContainersComeFirst(t *testing.T) {
	w := fake.Shop()
	flows := w.Flows[:0]
	for _, f := range w.Flows {
		if f.From == 4 || f.To == 4 { // as the kernel's filter has it
			flows = append(flows, f)
		}
	}
	w.Flows = flows
	w.Held = nil // counters are followed of those asked for alone
	feed := &only{Feed: shopFeed(w, past), name: "worker"}
	d := drive(t, feed, termenv.Ascii, Options{}, 120, 40)
	d.sees(t, ">  worker", "shop-cart-1 (peer)", "(external)")
	for _, key := range []string{"1", "6"} {
		d.press(key)
		d.sees(t, "worker", "shop-cart-1", "(peer)")
		for _, name := range []string{"shop-front-1", "shop-api-1", "shop-db-1", "cron-old"} {
			d.misses(t, name)
		}
	}
	d.press("1")
	for range 4 { // in every order
		v := d.View()
		if strings.Index(v, "worker") > strings.Index(v, "shop-cart-1 (peer)") {
			t.Errorf("a peer stands before what was asked for:\n%s", v)
		}
		d.press("s")
	}
}

// TestKeysThatComeAtOnce sends in one message what a fast sender types.
func TestKeysThatComeAtOnce(t *testing.T) {
	d := shop(t)
	d.send(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("jjjss")})
	d.sees(t, "most packets first", ">  worker")
	d.send(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("/db")})
	d.sees(t, "/db", "1 endpoint")
	d.press("esc")
	d.send(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("quit\n"), Paste: true})
	d.sees(t, "7 endpoints") // what is pasted is no command
	d.press("/")
	d.send(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("shop api"), Paste: true})
	d.sees(t, "/shop api")
}

// TestRecordingThatFailsIsToldAtOnce fills the disk while a recording goes on.
func TestRecordingThatFailsIsToldAtOnce(t *testing.T) {
	f := &files{Feed: shopFeed(fake.Shop(), 12), ended: make(chan error, 1)}
	d := drive(t, f, termenv.Ascii, Options{}, 120, 40)
	_, cmd := d.Update(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("r")})
	_, wait := d.Update(cmd())
	d.sees(t, "REC")
	f.ended <- errors.New("no space left on device")
	d.send(wait())
	d.sees(t, "recording failed: no space left on device; /tmp/x.hop ends there")
	d.misses(t, "· REC")
	d.press("j")
	d.misses(t, "recording failed")
	d.press("r") // and it can begin anew
	d.sees(t, "REC")
}

// TestLettersForArrows moves with hjkl as with the arrows, on every screen.
func TestLettersForArrows(t *testing.T) {
	letter := map[string]string{"down": "j", "up": "k", "left": "h", "right": "l"}
	for _, start := range []string{"1", "2", "3", "4", "5", "6"} {
		arrows, letters := shop(t), shop(t)
		arrows.press(start)
		letters.press(start)
		for _, way := range []string{"down", "down", "right", "right", "left", "up"} {
			before := arrows.View()
			arrows.press(way)
			letters.press(letter[way])
			if arrows.View() != letters.View() {
				t.Fatalf("screen %s: %s and %s differ:\n%s\n%s", start, way, letter[way], arrows.View(), letters.View())
			}
			if way == "down" && before == arrows.View() {
				t.Errorf("screen %s: %s does nothing", start, way)
			}
		}
	}
}

// TestLegendHasTheColours of the map that it explains.
func TestLegendHasTheColours(t *testing.T) {
	d := drive(t, shopFeed(fake.Shop(), 30), termenv.TrueColor, Options{}, 100, 30)
	d.press("4")
	picture, legend, found := strings.Cut(d.View(), "packets a second:")
	if !found {
		t.Fatalf("no legend:\n%s", d.View())
	}
	for _, shade := range []string{"░", "▒", "▓", "█"} {
		at := strings.Index(legend, shade)
		if at < 0 {
			t.Fatalf("no %s in the legend %q", shade, legend)
		}
		painted := legend[max(0, strings.LastIndex(legend[:at], "\x1b[")):at] + shade
		if !strings.Contains(picture, painted) {
			t.Errorf("%q is in the legend, and nowhere on the map", painted)
		}
	}
}

// TestThemes goes round them: what there is to read stays the same.
func TestThemes(t *testing.T) {
	d := drive(t, shopFeed(fake.Shop(), 12), termenv.TrueColor, Options{}, 120, 40)
	text, seen := ansi.Strip(d.View()), map[string]bool{d.View(): true}
	for range look.Themes() {
		d.press("t")
		d.sees(t, "theme "+d.look.Theme)
		d.press("?", "esc") // the message goes
		painted := d.View()
		if plain := ansi.Strip(painted); plain != text {
			t.Errorf("%s changes what there is to read:\n%s", d.look.Theme, plain)
		}
		seen[painted] = true
	}
	if len(seen) != len(look.Themes()) {
		t.Errorf("%d themes look like %d", len(look.Themes()), len(seen))
	}
}

func TestExportTellsThatItIsUnderWay(t *testing.T) {
	f := &files{Feed: shopFeed(fake.Shop(), 12)}
	d := drive(t, f, termenv.Ascii, Options{}, 120, 40)
	_, cmd := d.Update(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("e")})
	d.sees(t, "exporting ...")
	d.send(cmd())
	d.sees(t, "exported /tmp/x.json")
}
