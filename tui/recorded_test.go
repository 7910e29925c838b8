package tui

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/muesli/termenv"

	"github.com/hopscope/hopscope/pkg/capture"
	"github.com/hopscope/hopscope/pkg/history"
	"github.com/hopscope/hopscope/pkg/replay"
	"github.com/hopscope/hopscope/tui/look"
)

// shopFile is a capture of a real run, of the demo's shop (internal/lab/demo): after 6
// seconds the device by which web sends to api becomes slow and job is removed, after
// 12 db loses requests. `make recording` takes another one.
const shopFile = "shop.hop"

// recorded is the recording as `hopscope replay` plays it.
type recorded struct{ *replay.Player }

func (r recorded) Playback() Playback {
	s := r.State()
	return Playback{From: s.From, To: s.To, At: s.At, Speed: s.Speed, Paused: s.Paused, Seeking: s.Seeking, Ended: s.Ended, Note: r.Damage().String()}
}

// live is a recording of which the keys do not move the time, as if it happened now.
type live struct{ Feed }

// playTo plays the recording up to so long after its begin, and holds there.
func playTo(t testing.TB, after time.Duration) recorded {
	t.Helper()
	facts, err := capture.Survey(filepath.Join("testdata", shopFile))
	if err != nil {
		t.Fatal(err)
	}
	filter, err := capture.Choice{}.Filter(facts)
	if err != nil {
		t.Fatal(err)
	}
	p, err := replay.Open(facts, replay.Options{Filter: filter})
	if err != nil {
		t.Fatal(err)
	}
	p.Hold()
	p.Seek(p.State().From.Add(after))
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	for end := time.Now().Add(time.Minute); p.State().Seeking; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it does not come to %v: %+v", after, p.State())
		}
	}
	return recorded{p}
}

// recordedPages are the keys that lead to each page of the recording.
func recordedPages() map[string][]string {
	return map[string][]string{
		"overview":           nil,
		"overview-filtered":  {"/", "a", "p", "i", "enter"},
		"overview-packets":   {"s", "s"},
		"findings":           {"f", "down"},
		"container":          {"enter"},
		"container-hops":     {"enter", "enter", "down", "W", "W"},
		"container-answers":  {"enter", "enter", "end", "up", "up"},
		"container-outside":  {"enter", "down"},
		"container-losses":   {"/", "d", "b", "enter", "enter"},
		"flame":              {"3", "down", "down"},
		"flame-zoomed":       {"3", "down", "right", "enter", "down"},
		"heat":               {"enter", "enter", "down", "enter", "left"},
		"drops":              {"5"},
		"drops-explained":    {"5", "enter"},
		"drops-rule":         {"5", "down", "enter"},
		"drops-by-container": {"5", "g", "g", "g"},
		"container-job":      {"[", "[", "/", "j", "o", "b", "enter", "enter"},
		"retransmit":         {"5", "end", "enter"},
		"map":                {"6"},
		"help":               {"?"},
		"frozen":             {"[", "["},
		"whole":              {"w", "w"},
	}
}

// ending is where the recording is looked at: at its end, everything has happened.
const ending = time.Hour

func driveRecorded(t testing.TB, feed Feed, profile termenv.Profile, o Options, width, height int) *driver {
	t.Helper()
	f, err := feed.Frame(history.Query{})
	if err != nil {
		t.Fatal(err)
	}
	d := drive(t, feed, profile, o, width, height)
	d.now = f.At
	return d
}

// TestGolden paints a real run, as the live screen has it.
func TestGolden(t *testing.T) {
	feed := live{playTo(t, ending)}
	for _, size := range sizes() {
		for name, keys := range recordedPages() {
			d := driveRecorded(t, feed, termenv.Ascii, Options{}, size[0], size[1])
			d.press(keys...)
			golden(t, fmt.Sprintf("%s-%dx%d", name, size[0], size[1]), trimmed(d.View()))
		}
	}
}

// TestGoldenOfReplay paints the same run as `hopscope replay` has it, in its midst.
func TestGoldenOfReplay(t *testing.T) {
	feed := playTo(t, 10*time.Second)
	for _, size := range sizes() {
		d := driveRecorded(t, feed, termenv.Ascii, Options{}, size[0], size[1])
		golden(t, fmt.Sprintf("replay-%dx%d", size[0], size[1]), trimmed(d.View()))
	}
}

func TestGoldenColoursAndASCII(t *testing.T) {
	feed := live{playTo(t, ending)}
	d := driveRecorded(t, feed, termenv.ANSI, Options{}, 80, 24)
	golden(t, "overview-16-colours", strings.ReplaceAll(trimmed(d.View()), "\x1b", "ESC"))
	d = driveRecorded(t, feed, termenv.Ascii, Options{ASCII: true}, 80, 24)
	d.press("2")
	golden(t, "container-ascii", trimmed(d.View()))
}

// TestDropsOfNoConversation: where every packet dies there is no conversation, and
// the container at which they died tells of them.
func TestDropsOfNoConversation(t *testing.T) {
	d := driveRecorded(t, live{playTo(t, ending)}, termenv.Ascii, Options{}, 120, 40)
	d.press("enter")
	d.sees(t, " web · running", ", client → web udp/9999: NO_SOCKET in stack_rx @ eth0 of web")
	d.press("left", "left", "left")
	d.sees(t, " client · running") // at which none died
	d.misses(t, "NO_SOCKET")
	d.press("right")
	d.sees(t, " db · running", ": NETFILTER_DROP in stack_rx @ eth0 of db")
	d.misses(t, "NO_SOCKET")
}

// TestHelpOfferedIsThere: there is no heat map of an exchange, and no key for it.
func TestHelpOfferedIsThere(t *testing.T) {
	d := driveRecorded(t, live{playTo(t, ending)}, termenv.Ascii, Options{}, 120, 40)
	d.press("enter", "enter", "down")
	d.sees(t, "enter heat map")
	d.press("end")
	d.sees(t, ">   sock_recv @ web")
	d.misses(t, "heat map ")
}

// TestPlacesAreReadable on a small terminal, where flows leave them room.
func TestPlacesAreReadable(t *testing.T) {
	d := driveRecorded(t, live{playTo(t, ending)}, termenv.Ascii, Options{}, 80, 24)
	d.press("5")
	d.sees(t, "NO_SOCKET      stack_rx @ eth0 of web client → web udp/9999")
}

// TestSlowPlacesStandOut on the map as in the overview, and no others.
func TestSlowPlacesStandOut(t *testing.T) {
	d := driveRecorded(t, live{playTo(t, ending)}, termenv.ANSI, Options{}, 120, 40)
	d.press("6")
	escape := func(role look.Role) string { before, _, _ := strings.Cut(d.look.Paint(role, "x"), "x"); return before }
	for where, role := range map[string]look.Role{"eth1 of web": look.Bad, "eth1 of api": look.Plain, "eth0 of db": look.Bad} { // db's loses packets
		for _, line := range strings.Split(d.View(), "\n") {
			if strings.Contains(line, "─ "+where+" ") && strings.Contains(line, escape(look.Bad)) != (role == look.Bad) {
				t.Errorf("%s: %q", where, line)
			}
		}
	}
}
