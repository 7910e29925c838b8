package live

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hopscope/hopscope/internal/lab"
)

func build(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "hopscope")
	out, err := exec.Command("go", "build", "-o", path, "github.com/hopscope/hopscope/cmd/hopscope").CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return path
}

// TestFaultIsSeenWhileItHappens watches two containers, makes the queue of one
// slow, and follows it on screen to the hop and its heat map.
func TestFaultIsSeenWhileItHappens(t *testing.T) {
	lab.Lock(t)
	shop := lab.NewShop(t)
	network := shop.Network(lab.NetworkSpec{Name: "net"})
	api := shop.Container(lab.ContainerSpec{Name: "api", Networks: []*lab.Network{network}, Args: []string{"serve", "--port", "8000"}})
	web := shop.Container(lab.ContainerSpec{Name: "web", Networks: []*lab.Network{network}})
	load := web.Start("rr", "--connections", "4", "--rate", "100", "--size", "1000", "--count", "1000000", "--duration", "50s",
		api.IP(network).String()+":8000")
	t.Cleanup(func() { web.Remove(); _ = load })

	term := open(t, 120, 40)
	program := build(t)
	begin := time.Now()
	// Others may use the engine at the same time.
	term.press(program+" --sample 1 -c "+web.Name+" -c "+api.Name, "Enter")
	term.await("[1 Overview]")
	term.await(web.Name, "@")
	t.Logf("the first row is there after %v", time.Since(begin).Round(time.Millisecond))
	term.await(api.Name, "@")
	term.await("tracked", "lost 0", "every packet", "cost")

	lab.TBF(t, web.Netns, "eth0", 1_000_000, 1600, 1_000_000)
	hop := "qdisc @ eth0 of " + web.Name
	term.await(">", web.Name, hop[:len(hop)-4], "ms") // a long name may be cut off
	term.await("time to " + api.Name + " is `qdisc")
	t.Logf("\n%s", term.screen())

	term.press("Enter")
	term.await("[2 Container]")
	term.await("> → " + api.Name)
	term.await("•", hop, "█", "ms")
	t.Logf("\n%s", term.screen())
	term.press("Enter", "Down")
	term.await(">", hop)
	term.press("Enter")
	term.await("[4 Heat map]")
	term.await(hop + ", " + web.Name + " → " + api.Name + " tcp/8000 request")
	term.await("packets (")
	term.press("[", "[")
	term.await("FROZEN")
	term.press("Space", "3")
	term.await("│" + web.Name)
	term.await(hop)
	term.press("6")
	term.await("├─ eth0 of " + web.Name)
	t.Logf("\n%s", term.screen())

	term.tmux("resize-window", "-x", "60", "-y", "12")
	term.press("1")
	term.await("[1 Overview]", "2")
	term.await(">", "ms")
	term.tmux("resize-window", "-x", "120", "-y", "40")
	term.await("worst p99 first")

	term.press("q")
	term.restored(t)
}

// TestSignalRestoresTheTerminal ends the program from outside.
func TestSignalRestoresTheTerminal(t *testing.T) {
	lab.Lock(t)
	lab.Engine(t)
	program := build(t)
	for _, signal := range []string{"TERM", "INT"} {
		term := open(t, 80, 24)
		term.press(program, "Enter")
		term.await("[1 Overview]")
		if term.flag("alternate_on") != "1" {
			t.Fatal("the program does not use the alternate screen")
		}
		pid := strings.TrimSpace(term.tmux("display-message", "-p", "#{pane_pid}"))
		out, err := exec.Command("pgrep", "-P", pid).Output()
		if err != nil {
			t.Fatalf("the shell has no child: %v", err)
		}
		if err := exec.Command("kill", "-"+signal, strings.TrimSpace(string(out))).Run(); err != nil {
			t.Fatal(err)
		}
		term.restored(t)
	}
}

// restored checks that the shell has its terminal back.
func (term *terminal) restored(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(patience); term.flag("pane_current_command") != "bash"; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the program still runs:\n%s", term.screen())
		}
	}
	term.press("echo back=$?", "Enter")
	term.await("back=0")
	for flag, want := range map[string]string{"alternate_on": "0", "cursor_flag": "1", "mouse_any_flag": "0"} {
		if got := term.flag(flag); got != want {
			t.Errorf("%s is %s, want %s", flag, got, want)
		}
	}
}

// TestNoTerminalIsSaid runs the program where there is nothing to paint on.
func TestNoTerminalIsSaid(t *testing.T) {
	lab.Lock(t)
	program := build(t)
	out, err := exec.Command(program).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "needs a terminal") || !strings.Contains(string(out), "hopscope trace") {
		t.Errorf("without a terminal: %v, %s", err, out)
	}
	term := open(t, 80, 24)
	term.press("TERM=dumb "+program, "Enter")
	term.await("TERM is dumb")
	if term.flag("alternate_on") != "0" {
		t.Error("the program painted on a dumb terminal")
	}
}
