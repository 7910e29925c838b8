package main

import (
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/internal/lab/terminal"
)

const (
	pictureWidth, pictureHeight = 112, 32

	// calm is how long the shop is watched before its device becomes slow, and
	// trouble how long afterwards.
	calm    = 12 * time.Second
	trouble = 16 * time.Second
	// nobody is a port on which web does not listen.
	nobody = "9999"
)

// picture is one screen: the keys that lead to it from the one before, and what
// has to be on it.
type picture struct {
	name, title string
	keys        []string
	shows       []string
}

// healthy is what is looked at before the fault: where there is one, it is all
// that a flame graph shows.
func healthy() picture {
	return picture{"flame", "The flame graph: container, conversation, direction, segment, hop",
		[]string{"3", "Down", "Down"}, []string{"web"}}
}

func pictures() []picture {
	return []picture{
		{"overview", "The overview: the worst container first, and on top what the tool found",
			[]string{"1"}, []string{">", "web", "qdisc @ eth"}},
		{"container", "A container: its conversations, and the waterfall of the chosen one",
			[]string{"Enter"}, []string{"•", "qdisc @ eth"}},
		{"heat", "The heat map of the slow hop: latency over time",
			[]string{"Enter", "Down", "Enter"}, []string{"packets ("}},
		{"drops", "Drops: how many, where, of whom, why, and what to do",
			[]string{"5", "Enter"}, []string{"means"}},
		{"map", "The map: networks, containers and devices, with what packets meet there",
			[]string{"6"}, []string{"├─", "eth0 of"}},
	}
}

// unspoilt is what is painted once nothing of it is an accident of this machine,
// such as a timer that was missed: within the window of a screen it passes.
func (p picture) unspoilt(t lab.TB, term *terminal.Terminal) string {
	for range 12 {
		time.Sleep(2 * time.Second) // the next frame, whole
		painted := term.Painted()
		what := spoilt(painted)
		if what == "" {
			return painted
		}
		t.Logf("%s: %q is on screen; once more", p.name, what)
	}
	t.Fatalf("%s: no picture without an accident:\n%s", p.name, term.Screen())
	return ""
}

// spoilt is what is not to be on a picture: time in no hop (docs/hops.md calls it a
// gap), or a frame of the tracing programs in a stack. "" where there is none.
func spoilt(painted string) string {
	for _, what := range []string{"unknown @", "bpf_trace_run", "bpf_dispatcher", "__bpf_"} {
		if strings.Contains(painted, what) {
			return what
		}
	}
	return ""
}

// takePictures watches the shop go wrong and keeps what the terminal shows.
func takePictures(t lab.TB, s shop, hopscope, dir string) {
	hopscope, err := filepath.Abs(hopscope)
	if err != nil {
		t.Fatalf("%v", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatalf("%v", err)
	}
	s.client.Start("udp", "--echo=false", "--rate", "20", "--count", "100000", "--duration", "5m", s.web.Name+":"+nobody)
	term := terminal.Open(t, pictureWidth, pictureHeight, "COLORTERM=truecolor", "TERM=xterm-256color")
	term.Press(hopscope+" --sample 1", "Enter") // every packet, so that a busy machine changes no picture
	term.Await("[1 Overview]")
	time.Sleep(calm)
	healthy().take(t, term, dir)
	s.fail(t, faultRate)
	time.Sleep(trouble)
	for _, p := range pictures() {
		p.take(t, term, dir)
	}
	term.Press("q")
}

func (p picture) take(t lab.TB, term *terminal.Terminal, dir string) {
	term.Press(p.keys...)
	term.Await(p.shows...)
	path := filepath.Join(dir, p.name+".svg")
	if err := os.WriteFile(path, []byte(terminal.SVG(p.unspoilt(t, term), p.title)), 0o644); err != nil {
		t.Fatalf("%v", err)
	}
	t.Logf("%s", path)
}
