package tui

import (
	"errors"
	"maps"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/muesli/termenv"

	"github.com/hopscope/hopscope/pkg/history"
	"github.com/hopscope/hopscope/pkg/model"
	"github.com/hopscope/hopscope/tui/digest"
	"github.com/hopscope/hopscope/tui/internal/fake"
	"github.com/hopscope/hopscope/tui/look"
)

// sees fails unless the screen shows each of the texts.
func (d *driver) sees(t *testing.T, texts ...string) {
	t.Helper()
	v := d.View()
	for _, text := range texts {
		if !strings.Contains(v, text) {
			t.Fatalf("%q is not on screen:\n%s", text, v)
		}
	}
}

func (d *driver) misses(t *testing.T, text string) {
	t.Helper()
	if v := d.View(); strings.Contains(v, text) {
		t.Fatalf("%q is on screen:\n%s", text, v)
	}
}

func shop(t testing.TB) *driver {
	return drive(t, shopFeed(fake.Shop(), past), termenv.Ascii, Options{}, 120, 40)
}

// TestFromSlowContainerToSlowSecond is the way of somebody who was paged.
func TestFromSlowContainerToSlowSecond(t *testing.T) {
	d := shop(t)
	d.sees(t, "[1 Overview]", ">  shop-front-1", "qdisc @ eth0 of shop-front-1", "shop-front-1's time to shop-api-1")
	d.press("enter")
	d.sees(t, "[2 Container]", "> → shop-api-1", "qdisc @ eth0 of shop-front-1", "response  shop-api-1 → shop-front-1")
	d.press("enter", "down")
	d.sees(t, ">   qdisc @ eth0 of shop-front-1")
	d.press("W")
	d.sees(t, "p50 (does not add up)")
	d.press("enter")
	d.sees(t, "[4 Heat map]", "qdisc @ eth0 of shop-front-1, shop-front-1 → shop-api-1 tcp/8080 request", "of 120 packets")
	d.press("left", "left", "left", "enter")
	d.sees(t, "FROZEN −3 s · 14:01:17")
	d.press("esc")
	d.sees(t, "[2 Container]", "FROZEN")
	d.press("esc", "esc")
	d.sees(t, "[1 Overview]")
	d.press("space")
	d.misses(t, "FROZEN")
}

// TestNetworkOrApplication looks where the time from request to answer goes.
func TestNetworkOrApplication(t *testing.T) {
	d := shop(t)
	d.sees(t, "app p99")
	d.press("2")
	d.sees(t, "answers p50 6.42ms p99 37.5ms: request_network 88.7%, app 7.5% ~, waiting on shop-db-1:5432 3.4% ~")
	d.press("tab", "end", "up", "up")
	d.sees(t, "answers  shop-front-1 → shop-api-1 · from request to answer, 1,200 of them", ">   app @ shop-api-1 ~")
	d.press("enter") // there is no heat map of it
	d.sees(t, "[2 Container]")
	d.press("W")
	d.sees(t, ">   app @ shop-api-1 ~")
}

// TestWideOverview has room for what is seldom the cause.
func TestWideOverview(t *testing.T) {
	d := shop(t)
	d.send(tea.WindowSizeMsg{Width: 200, Height: 30})
	for _, line := range strings.Split(d.View(), "\n") {
		if strings.HasPrefix(line, "   shop-db-1 ") {
			for _, text := range []string{" 409µs ", " 90.0µs ", " 12.0% ", "shop (bridge)"} {
				if !strings.Contains(line, text) {
					t.Errorf("%q is missing in %s", text, line)
				}
			}
			return
		}
	}
	t.Errorf("no line of shop-db-1:\n%s", d.View())
}

func TestSortGroupFilter(t *testing.T) {
	d := shop(t)
	d.press("s")
	d.sees(t, "most drops first", ">  shop-cart-1")
	d.press("s", "s", "g")
	d.sees(t, "by name · by service", "▾ api (1)")
	d.press("g")
	d.sees(t, "▾ shop (6)", "▾ no project (1)")
	d.press("/", "d", "b")
	d.sees(t, "/db", "1 endpoint")
	d.misses(t, "  shop-cart-1  ") // as a row; a finding names it
	d.press("enter")
	d.sees(t, `only "db"`, "▾ shop (1)")
	d.press("esc")
	d.sees(t, "7 endpoints")
	d.press("/", "z", "z")
	d.sees(t, `nothing has "zz"`)
	d.press("backspace", "backspace", "esc")
	d.sees(t, "7 endpoints")
}

// TestFilterBy each of what the screen says that it looks into.
func TestFilterBy(t *testing.T) {
	w := fake.Shop()
	c := &w.Containers[4] // worker
	c.Networks[0].Network, c.Networks[0].Driver, c.Service, c.Image, c.Project = "backnet", "macvlan", "mailer", "ghcr/postbox:2", "office"
	d := drive(t, shopFeed(w, 12), termenv.Ascii, Options{}, 120, 40)
	for what, text := range map[string]string{"network": "Backnet", "service": "mailer", "image": "postbox", "project": "office"} {
		d.press("/")
		for _, r := range text {
			d.press(string(r))
		}
		d.press("enter")
		if v := d.View(); !strings.Contains(v, " 1 endpoint") || !strings.Contains(v, ">  worker") {
			t.Errorf("by %s:\n%s", what, v)
		}
		d.press("esc")
	}
	d.press("/", "n", "o", "n", "e", "enter")
	d.sees(t, `nothing has "none"`)
}

// TestFindingsCanBeRead whole on a small terminal, by keys and by the mouse.
func TestFindingsCanBeRead(t *testing.T) {
	w := fake.Shop()
	feed := shopFeed(w, past)
	d := drive(t, feed, termenv.Ascii, Options{}, 80, 24)
	d.misses(t, "evidence")
	d.sees(t, "f reads all 4 findings", " f findings ")
	d.press("f")
	d.sees(t, " findings, 4", "evidence   tcp/8080 request: mean 8.09ms, p99 36.0ms", "mend       packets wait")
	d.press("down", "down")
	d.sees(t, "> !  shop-db-1 was held back", "tasks of it were throttled for 1.20s", "docker update --cpus")
	w.Second(feed.History, past) // the numbers change, and it is still the same
	d.send(tickMsg{d.tick})
	d.sees(t, "> !  shop-db-1 was held back")
	d.press("end")
	d.sees(t, "of shop-api-1's response time to shop-front-1", "mend ")
	d.press("esc")
	d.sees(t, ">  shop-front-1", "worst p99 first")
	d.send(tea.MouseMsg{X: 10, Y: headerLines + 4, Button: tea.MouseButtonLeft, Action: tea.MouseActionPress})
	d.sees(t, "> !  shop-db-1 was held back", "docker update --cpus")
	d.press("f")
	d.misses(t, "evidence")
	quiet := drive(t, shopFeed(fake.New([]string{"web"}), 2), termenv.Ascii, Options{}, 80, 24)
	quiet.misses(t, "f reads")
	quiet.press("f")
	quiet.sees(t, "nothing was found")
}

// TestRetransmitsAreRows like drops: with a cursor, groups, a filter, and what they
// mean.
func TestRetransmitsAreRows(t *testing.T) {
	d := shop(t)
	d.press("5")
	d.sees(t, "30 packets dropped, 30 sent again by TCP", "retransmit rto", "retransmit fast")
	d.press("enter", "down")
	d.sees(t, ">        20", "fast retransmit: later segments had arrived", "mend       look for a queue", "NETFILTER_DROP")
	d.press("down")
	d.sees(t, ">        10", "retransmission timeout", "ss -ti")
	d.press("esc", "g", "g", "g")
	d.sees(t, "by container", "30    3.00  retransmit fast ...")
	d.press("/", "r", "t", "o", "enter")
	d.sees(t, "0 packets dropped, 10 sent again by TCP")
	d.misses(t, "NETFILTER_DROP")
}

// TestTranslatedAddresses are on the map, and told of a conversation.
func TestTranslatedAddresses(t *testing.T) {
	d := shop(t)
	d.press("6")
	d.sees(t, "published ports and NAT", "port 8088 → shop-front-1:80 (dnat)", "worker → outside as host (snat)")
	d.press("/", "8", "0", "8", "8", "enter", "down", "enter")
	d.sees(t, "[2 Container]", " shop-front-1 · running")
	d.press("down")
	d.sees(t, "> ← 203.0.113.9", "network shop · dnat · published as 8088")
}

// TestCursorStaysWithItsRow moves the cursor off the top and lets others
// overtake.
func TestCursorStaysWithItsRow(t *testing.T) {
	d := shop(t)
	d.press("down", "down", "down")
	d.sees(t, ">  worker")
	d.press("s", "s", "s")
	d.sees(t, "by name", ">  worker")
	d.press("home", "s")
	d.sees(t, "worst p99 first", ">  shop-front-1")
}

func TestWindowsAndSteps(t *testing.T) {
	d := shop(t)
	for _, want := range []string{" last 1 m ", " all, 1 m 20 s ", " last 1 s ", " last 10 s "} {
		d.press("w")
		d.sees(t, want)
	}
	d.press("]")
	d.misses(t, "FROZEN")
	d.press("[", "[", "[")
	d.sees(t, "FROZEN −15 s · 14:01:05")
	d.now = d.now.Add(4 * time.Second)
	d.send(tickMsg{d.tick})
	d.sees(t, "FROZEN −19 s · 14:01:05")
	d.press("]", "]", "]", "]")
	d.misses(t, "FROZEN")
	d.press("w", "w", "[")
	d.sees(t, "FROZEN", "last 10 s") // the whole has no earlier
	for range 40 {
		d.press("[")
	}
	d.sees(t, "14:00:10") // the oldest
	d.press("w", "w")
	d.sees(t, " all, ")
	d.misses(t, "FROZEN")
}

func TestFreezeLetsCollectionGoOn(t *testing.T) {
	w := fake.Shop()
	feed := shopFeed(w, past)
	d := drive(t, feed, termenv.Ascii, Options{}, 120, 40)
	d.press("space")
	frozen := d.View()
	w.Second(feed.History, past)
	d.send(tickMsg{d.tick})
	if frozen != d.View() {
		t.Error("a frozen view changed")
	}
	d.press("space")
	d.sees(t, "14:01:21")
}

func TestContainerStepsAndScreens(t *testing.T) {
	d := shop(t)
	d.press("2")
	d.sees(t, "[2 Container]", " shop-front-1 · running") // the worst, without a choice
	d.press("right")
	d.sees(t, " worker · running", "→ 203.0.113.9")
	d.press("down")
	d.sees(t, "worker sent 30 segments again, last at 14:01:20: rto 10, fast 20", "dropped 30, last at 14:01:20: NETFILTER_DROP") // the second conversation
	d.press("left", "left")
	d.sees(t, " shop-db-1 · running", "← shop-api-1")
	d.press("6", "/", "d", "b", "enter", "down", "enter")
	d.sees(t, "[2 Container]", " shop-db-1 · running")
	d.press("5", "enter")
	d.sees(t, "netfilter dropped it: a rule", "nf_hook_slow")
	d.press("g", "g", "g")
	d.sees(t, "by container")
	d.press("esc", "esc")
	d.sees(t, "[2 Container]")
}

func TestFlameKeepsItsPlace(t *testing.T) {
	w := fake.Shop()
	feed := shopFeed(w, past)
	d := drive(t, feed, termenv.Ascii, Options{}, 120, 40)
	d.press("3", "down", "right", "enter", "down")
	d.sees(t, "shop-api-1 › → shop-db-1 tcp/5432")
	for i := range 3 {
		w.Second(feed.History, past+i)
		d.send(tickMsg{d.tick})
	}
	d.sees(t, "shop-api-1 › → shop-db-1 tcp/5432")
	d.press("W")
	d.sees(t, "mean packet of each path", "shop-api-1 › → shop-db-1")
	d.press("/", "s", "o", "c", "k", "enter")
	d.sees(t, `"sock": `)
	d.press("esc", "esc", "up", "up")
	d.sees(t, " all  ", "100% of all")
}

func TestHelpKnowsWhatThereIs(t *testing.T) {
	d := shop(t)
	d.press("?")
	d.sees(t, "everywhere", "freeze", "Heat map")
	d.misses(t, "record")
	d.misses(t, "export")
	d.press("esc")
	d.sees(t, "worst p99 first")
	full := drive(t, &files{Feed: shopFeed(fake.Shop(), 12)}, termenv.Ascii, Options{}, 120, 40)
	full.press("?")
	full.sees(t, "record", "export")
	full.press("5")
	full.sees(t, "[5 Drops/Retrans]", "packets dropped")
}

// files is a feed that can write files.
type files struct {
	*fake.Feed
	log   []string
	fail  error
	ended chan error // of the recording
}

func (f *files) StartRecording() (string, error) {
	f.log = append(f.log, "start")
	return "/tmp/x.hop", f.fail
}

func (f *files) StopRecording() (string, error) {
	f.log = append(f.log, "stop")
	return "/tmp/x.hop", nil
}

func (f *files) Recorded() (string, error) { return "/tmp/x.hop", <-f.ended }

func (f *files) Export(h history.Frame) (string, error) {
	f.log = append(f.log, "export "+h.At.Format("15:04:05"))
	return "/tmp/x.json", nil
}

func TestRecordIsSavedBeforeQuit(t *testing.T) {
	f := &files{Feed: shopFeed(fake.Shop(), past)}
	d := drive(t, f, termenv.Ascii, Options{}, 120, 40)
	d.press("r")
	d.sees(t, "recording to /tmp/x.hop", "REC")
	_, cmd := d.Update(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("e")})
	d.send(cmd())
	d.sees(t, "exported /tmp/x.json")
	_, cmd = d.Update(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("q")})
	if len(f.log) != 2 || f.log[1] != "export 14:01:20" {
		t.Fatalf("the feed was asked %v", f.log)
	}
	_, cmd = d.Update(cmd()) // the file is written
	if _, quits := cmd().(tea.QuitMsg); !quits || f.log[2] != "stop" {
		t.Errorf("the feed was asked %v", f.log)
	}
}

func TestRecordThatFails(t *testing.T) {
	f := &files{Feed: shopFeed(fake.Shop(), 12), fail: errors.New("disk full\x1b[2J")}
	d := drive(t, f, termenv.Ascii, Options{}, 120, 40)
	d.press("r")
	d.sees(t, "failed: disk full")
	d.misses(t, "REC")
	d.misses(t, "\x1b")
}

// noter is a feed that has notes.
type noter struct {
	*fake.Feed
	notes []string
}

func (n *noter) Notes() []string { return n.notes }

// Each note is said once, one after the other, and again when it comes back.
func TestNotes(t *testing.T) {
	f := &noter{Feed: shopFeed(fake.Shop(), 12), notes: []string{"no engine\x1b[2J", "a sleep"}}
	d := drive(t, f, termenv.Ascii, Options{}, 120, 40)
	pull := func() { d.send(d.pull()()) }
	d.sees(t, "note: no engine")
	d.misses(t, "\x1b[2J")
	pull()
	d.sees(t, "note: no engine")
	d.press("?")
	d.press("?") // any key: it is read
	pull()
	d.sees(t, "note: a sleep")
	d.press("?")
	d.press("?")
	pull()
	d.misses(t, "note: ")
	f.notes = nil
	pull()
	f.notes = []string{"a sleep"}
	pull()
	d.sees(t, "note: a sleep")
}

// broken is a feed that fails now and then.
type broken struct {
	*fake.Feed
	err error
}

func (b *broken) Frame(q history.Query) (history.Frame, error) {
	if b.err != nil {
		return history.Frame{}, b.err
	}
	return b.Feed.Frame(q)
}

func TestErrorsAreShownAndPass(t *testing.T) {
	b := &broken{Feed: shopFeed(fake.Shop(), past), err: errors.New("read counters: bad file descriptor")}
	d := drive(t, b, termenv.Ascii, Options{}, 80, 24)
	d.sees(t, "waiting for the first packets", "no data: read counters")
	b.err = nil
	d.send(tickMsg{d.tick})
	d.sees(t, "shop-front-1")
	d.misses(t, "no data")
	b.err = errors.New("gone")
	d.send(tickMsg{d.tick})
	d.sees(t, "shop-front-1", "no data: gone") // what was seen stays
}

// TestTicksDoNotMultiply presses keys that pull: afterwards one tick is waited
// for, whatever others are still under way.
func TestTicksDoNotMultiply(t *testing.T) {
	d := shop(t)
	old := d.tick
	d.press("w", "w", "[", "space")
	if _, cmd := d.Update(tickMsg{old}); cmd != nil {
		t.Error("an old tick was taken up")
	}
	if _, cmd := d.Update(tickMsg{d.tick}); cmd == nil {
		t.Error("the last tick was not taken up")
	}
}

func TestMouse(t *testing.T) {
	d := shop(t)
	click := func(x, y int) {
		d.send(tea.MouseMsg{X: x, Y: y, Button: tea.MouseButtonLeft, Action: tea.MouseActionPress})
	}
	lineOf := func(text string) int {
		for i, line := range strings.Split(d.View(), "\n") {
			if strings.Contains(line, text) {
				return i
			}
		}
		t.Fatalf("%q is not on screen:\n%s", text, d.View())
		return 0
	}
	click(10, lineOf("   shop-db-1"))
	d.sees(t, ">  shop-db-1")
	d.send(tea.MouseMsg{Button: tea.MouseButtonWheelUp, Action: tea.MouseActionPress})
	d.sees(t, ">  worker")
	click(10, lineOf(">  worker"))
	d.sees(t, "[2 Container]", " worker · running")
	click(10, lineOf("•   driver @ eth0"))
	d.sees(t, ">   driver @ eth0")
	click(strings.Index(strings.Split(d.View(), "\n")[0], "3 Flame"), 0)
	d.sees(t, "[3 Flame]")
	click(30, lineOf("request"))
	d.sees(t, "› request  ")
	click(0, 200)
	click(5000, 0)
}

// TestNameServers: what a name server leaves unanswered is told at once, and the
// screen of who asks it has more.
func TestNameServers(t *testing.T) {
	w := fake.Shop()
	w.Flows[len(w.Flows)-1].Asks = 4 // of worker
	d := drive(t, shopFeed(w, past), termenv.Ascii, Options{}, 120, 40)
	d.sees(t, "10 of 40 DNS queries of worker to (docker dns) 127.0.0.11 got no answer within 5s")
	d.press("enter")
	d.misses(t, "docker dns")
	d.press("esc", "/", "w", "o", "r", "k", "enter", "enter")
	d.sees(t, "[2 Container]", " worker", "dns (docker dns) 127.0.0.11: 40 queries, 10 unanswered, p50 800µs", "NOERROR 30")
	d.press("enter", "down")
	d.sees(t, "dns (docker dns) 127.0.0.11")
}

// TestTheDeadStayForAWhile has a container that was removed: it is listed, dimmed,
// as long as the past that can be looked at reaches back to its end, and longer
// only while its packets are in sight. One that merely stopped still exists.
func TestTheDeadStayForAWhile(t *testing.T) {
	for _, c := range []struct {
		gone time.Time
		want bool
	}{{fake.Begin.Add(5 * time.Second), true}, {fake.Begin.Add(-5 * time.Second), false}} {
		w := fake.Shop()
		for _, i := range []int{4, 5} { // worker, which has packets, and cron-old, which has none
			w.Containers[i].State, w.Containers[i].Gone = "removed", c.gone
		}
		w.Containers[1].State = "exited"
		d := drive(t, shopFeed(w, 30), termenv.ANSI, Options{}, 136, 40)
		dim := d.look.Paint(look.Dim, " worker (removed)")
		d.sees(t, strings.TrimSuffix(dim, "\x1b[0m"), "shop-api-1 (exited)")
		if got := strings.Contains(d.View(), "cron-old (removed)"); got != c.want {
			t.Errorf("removed %v after the begin: listed %v, want %v", c.gone.Sub(fake.Begin), got, c.want)
		}
	}
}

// TestLossesAsTheyHappen watches a conversation whose losses end, and begin again.
func TestLossesAsTheyHappen(t *testing.T) {
	w := fake.Shop()
	feed := shopFeed(w, 70)
	lossy := &w.Flows[len(w.Flows)-1] // worker to cart
	reset := func() {
		feed.History.With(func(a *model.Aggregator) {
			a.AddResets(model.ResetCount{
				Netns: w.Containers[2].Netns, Cgroup: w.Containers[2].CgroupID, Local: w.Containers[2].Networks[0].IP[0],
				Remote: w.Containers[4].Networks[0].IP[0], Port: lossy.Port, Server: true, Sent: 1,
			})
		})
	}
	lossy.Drops = 0
	reset()
	for i := range 5 {
		w.Second(feed.History, 70+i)
	}
	d := drive(t, feed, termenv.Ascii, Options{}, 120, 40)
	d.press("/", "w", "o", "r", "k", "enter", "enter", "down")
	d.sees(t, " worker · running", "dropped 15, last at 14:01:10: NETFILTER_DROP",
		"worker sent 15 segments again, last at 14:01:10: rto 5, fast 10", "TCP resets (RST) sent by shop-cart-1: 1, last at 14:01:11")
	lossy.Drops = 3
	w.Second(feed.History, 75)
	reset()
	w.Second(feed.History, 76)
	d.send(tickMsg{d.tick})
	d.sees(t, "dropped 15, last at 14:01:17", "again, last at 14:01:17", "TCP resets (RST) sent by shop-cart-1: 2, last at 14:01:17")
	d.press("[")
	d.sees(t, "dropped 24, last at 14:01:10", "TCP resets (RST) sent by shop-cart-1: 1, last at 14:01:11")
}

// TestResetsFromOutside are told, though nothing is known of who sent them.
func TestResetsFromOutside(t *testing.T) {
	w := fake.Shop()
	feed := shopFeed(w, 70)
	worker := &w.Containers[4]
	feed.History.With(func(a *model.Aggregator) {
		a.AddResets(model.ResetCount{
			Netns: worker.Netns, Cgroup: worker.CgroupID, Local: worker.Networks[0].IP[0],
			Remote: netip.MustParseAddr("203.0.113.9"), Port: 443, Received: 3,
		})
	})
	w.Second(feed.History, 70)
	d := drive(t, feed, termenv.Ascii, Options{}, 120, 40)
	d.press("/", "w", "o", "r", "k", "enter", "enter")
	d.sees(t, "> → 203.0.113.9", "TCP resets (RST) received by worker: 3")
}

// TestHostTimeIsOneBox: devices of the host and its netfilter are of one namespace,
// as the flame graph of the command line has it.
func TestHostTimeIsOneBox(t *testing.T) {
	d := drive(t, shopFeed(fake.Shop(), past), termenv.Ascii, Options{}, 200, 40)
	d.press("3", "down", "right", "right", "right", "right")
	d.sees(t, " worker  ") // under the cursor
	d.press("enter", "down", "down", "down", "left", "left", "left")
	seen := map[string]bool{}
	for range 4 {
		under := regexp.MustCompile(` › re\S+ › (in \S+|\S+)  `).FindStringSubmatch(d.View())
		if under == nil {
			t.Fatalf("no segment is under the cursor:\n%s", d.View())
		}
		seen[under[1]] = true
		d.press("right")
	}
	if want := map[string]bool{"in worker": true, "in host": true}; !maps.Equal(seen, want) {
		t.Errorf("a conversation with the outside has the segments %v, want %v", seen, want)
	}
}

// TestDefaultBridge: Docker's default network is known by its device.
func TestDefaultBridge(t *testing.T) {
	w := fake.Shop()
	for i := range w.Containers {
		w.Containers[i].Networks[0].Network = "bridge"
	}
	d := drive(t, shopFeed(w, past), termenv.Ascii, Options{}, 120, 40)
	d.press("6")
	for _, line := range strings.Split(d.View(), "\n") {
		if strings.Contains(line, "> bridge  bridge network") && strings.Contains(line, "µs") {
			d.misses(t, "docker0") // it is told of there, and nowhere else
			return
		}
	}
	t.Errorf("the network has none of the packets of its bridge:\n%s", d.View())
}

// An end that is gone from what is seen takes its hops along, with the cursor in them.
func TestShownContainerIsGone(t *testing.T) {
	d := shop(t)
	d.press("enter", "enter")
	d.sees(t, "enter heat map")
	d.send(frameMsg{d: digest.Of(history.Frame{})})
	d.misses(t, "heat map")
}
