package live

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/internal/lab/program"
	"github.com/hopscope/hopscope/internal/lab/terminal"
)

// colours are the SGR sequences that choose one, as tmux gives them back.
var colours = regexp.MustCompile(`\x1b\[[0-9;]*?\b([34]8;[25]|[349][0-7]|10[0-7])`)

// TestTerminalsOfEveryKind shows the same two containers on terminals with all
// colours, with sixteen, with none, and with nothing but ASCII. What there is to
// read must be the same.
func TestTerminalsOfEveryKind(t *testing.T) {
	hopscope := program.Path(t)
	lab.Lock(t)
	shop := lab.NewShop(t)
	network := shop.Network(lab.NetworkSpec{Name: "net"})
	api := shop.Container(lab.ContainerSpec{Name: "api", Networks: []*lab.Network{network}, Args: []string{"serve", "--port", "8000"}})
	web := shop.Container(lab.ContainerSpec{Name: "web", Networks: []*lab.Network{network}})
	idle := shop.Container(lab.ContainerSpec{Name: "idle", Networks: []*lab.Network{network}})
	web.Start("rr", "--connections", "4", "--rate", "100", "--size", "1000", "--count", "1000000", "--duration", loadFor,
		api.IP(network).String()+":8000")
	// Nobody listens there: a fault that drops.
	web.Start("udp", "--echo=false", "--rate", "50", "--count", "1000000", "--duration", loadFor, api.IP(network).String()+":9999")
	lab.TBF(t, web.Netns, "eth0", 1_000_000, 1600, 1_000_000)

	for _, c := range []struct {
		name, env, flags string
		check            func(t *testing.T, painted string)
	}{
		{"all colours", "TERM=xterm-256color COLORTERM=truecolor", "", func(t *testing.T, s string) {
			if !strings.Contains(s, "38;2;") && !strings.Contains(s, "38;5;") {
				t.Errorf("no colour of 256 or more:\n%q", s)
			}
		}},
		{"16 colours", "TERM=xterm COLORTERM=", "", func(t *testing.T, s string) {
			found := colours.FindAllString(s, -1)
			if len(found) == 0 {
				t.Error("no colour at all")
			}
			for _, x := range found {
				if strings.Contains(x, "8;5") || strings.Contains(x, "8;2") {
					t.Errorf("%q is none of sixteen colours", x)
				}
			}
		}},
		{"no colour", "TERM=xterm-256color NO_COLOR=1", "", func(t *testing.T, s string) {
			if found := colours.FindAllString(s, -1); len(found) > 0 {
				t.Errorf("colours in spite of NO_COLOR: %q", found)
			}
		}},
		{"ASCII", "TERM=xterm-256color", "--ascii", func(t *testing.T, s string) {
			for _, r := range s {
				if r > '~' {
					t.Fatalf("%q is not ASCII:\n%s", r, s)
				}
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			term := terminal.Open(t, 80, 24)
			term.Press(fmt.Sprintf("clear; env %s %s %s --sample 1 -c %s", c.env, hopscope, c.flags, web.Name), "Enter")
			term.Await("time to " + api.Name + " is `qdisc") // the finding
			term.Await(">", web.Name, "ms")
			term.Await(api.Name) // whom it talks to
			see(t, term, idle.Name, c.check)
			// A click on the row under the cursor opens it, as enter does.
			row := term.Await(">", web.Name)
			term.Type(fmt.Sprintf("\x1b[<0;5;%dM\x1b[<0;5;%dm", row+1, row+1))
			term.Await("[2 Container]")
			term.Await("qdisc @ eth0 of")
			see(t, term, idle.Name, c.check)
			term.Type("5") // and two keys at once
			term.Await("NO_SOCKET")
			term.Type("61")
			term.Await("[1 Overview]")
			term.Press("5", "Enter")
			term.Await("means", "nothing listens")
			see(t, term, idle.Name, c.check)
			term.Press("q")
			restored(t, term, 0)
		})
	}
}

// see checks what is painted, and that nothing is told of a container that
// nobody asked for.
func see(t *testing.T, term *terminal.Terminal, other string, check func(*testing.T, string)) {
	t.Helper()
	time.Sleep(100 * time.Millisecond)
	s := term.Painted()
	check(t, s)
	if strings.Contains(s, other) {
		t.Errorf("%s is on screen, and was not asked for:\n%s", other, s)
	}
}
