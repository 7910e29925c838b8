package live

import (
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/internal/lab/program"
	"github.com/hopscope/hopscope/internal/lab/terminal"
)

const (
	// loadFor is the longest there is, and outlasts every test: the fixture ends the
	// load with its container.
	loadFor = "10m"
	// firstRow is how long a user may wait for something to look at. It takes about
	// a second, and took 3.8 where 20 processes wanted two cores.
	firstRow = 8 * time.Second
)

// TestFaultIsSeenWhileItHappens watches two containers, makes the queue of one
// slow, and follows it on screen to the hop and its heat map.
func TestFaultIsSeenWhileItHappens(t *testing.T) {
	hopscope := program.Path(t) // building it takes longer than the load lasts, on a busy machine
	lab.Lock(t)
	shop := lab.NewShop(t)
	network := shop.Network(lab.NetworkSpec{Name: "net"})
	api := shop.Container(lab.ContainerSpec{Name: "api", Networks: []*lab.Network{network}, Args: []string{"serve", "--port", "8000"}})
	web := shop.Container(lab.ContainerSpec{Name: "web", Networks: []*lab.Network{network}})
	load := web.Start("rr", "--connections", "4", "--rate", "100", "--size", "1000", "--count", "1000000", "--duration", loadFor,
		api.IP(network).String()+":8000")
	t.Cleanup(func() { web.Remove(); _ = load })

	term := terminal.Open(t, 120, 40)
	begin := time.Now()
	// Others may use the engine at the same time.
	term.Press(hopscope+" --sample 1 -c "+web.Name+" -c "+api.Name, "Enter")
	term.Await("[1 Overview]")
	term.Await(web.Name, "@")
	took := time.Since(begin).Round(time.Millisecond)
	t.Logf("the first row is there after %v", took)
	if took > firstRow {
		t.Errorf("the first row is there after %v, want %v at most", took, firstRow)
	}
	term.Await(api.Name, "@")
	term.Await("tracked", "lost 0", "every packet", "cost")

	lab.TBF(t, web.Netns, "eth0", 1_000_000, 1600, 1_000_000)
	hop := "qdisc @ eth0 of " + web.Name
	term.Await(">", web.Name, "qdisc @ eth0", "ms") // whose it is may be left out
	term.Await("time to " + api.Name + " is `qdisc")
	t.Logf("\n%s", term.Screen())

	term.Press("Enter")
	term.Await("[2 Container]")
	term.Await("> → " + api.Name)
	term.Await("•", hop, "█", "ms")
	term.Await("slow answer", "ms at ", ": request_network ")
	t.Logf("\n%s", term.Screen())
	term.Press("Enter", "Down")
	term.Await(">", hop)
	term.Press("Enter")
	term.Await("[4 Heat map]")
	term.Await(hop + ", " + web.Name + " → " + api.Name + " tcp/8000 request")
	term.Await("packets (")
	term.Press("[", "[")
	term.Await("FROZEN")
	term.Press("Space", "3")
	term.Await("│" + web.Name)
	term.Await(hop)
	term.Press("6")
	term.Await("├─ eth0 of " + web.Name)
	t.Logf("\n%s", term.Screen())

	term.Tmux("resize-window", "-x", "60", "-y", "12")
	term.Press("1")
	term.Await("[1 Overview]", "2")
	term.Await(">", "ms")
	term.Tmux("resize-window", "-x", "120", "-y", "40")
	term.Await("worst p99 first")

	term.Press("q")
	restored(t, term, 0)
}

// TestEveryEndHasARow watches a service from within the host, through docker-proxy,
// and from outside, while a client of it is removed: all have their rows, and the
// removed keeps its name. What was seen is recorded, exported, and whole.
func TestEveryEndHasARow(t *testing.T) {
	hopscope := program.Path(t)
	lab.Lock(t)
	shop := lab.NewShop(t)
	network := shop.Network(lab.NetworkSpec{Name: "net"})
	api := shop.Container(lab.ContainerSpec{Name: "api", Networks: []*lab.Network{network}, Publish: []string{"8000"}, Args: []string{"serve"}})
	job := shop.Container(lab.ContainerSpec{Name: "job", Networks: []*lab.Network{network}})
	outside := lab.Outside(t, lab.OutsideSpec{})
	steady := func(address string) []string {
		return []string{"rr", "--rate", "50", "--count", "1000000", "--duration", loadFor, address}
	}
	job.Start(steady(api.IP(network).String() + ":8000")...)
	port := api.HostPort("8000/tcp")
	outside.Start(steady(netip.AddrPortFrom(outside.HostAddr, port).String())...)
	stop := make(chan struct{})
	defer close(stop)
	go knock(fmt.Sprintf("127.0.0.1:%d", port), stop)

	dir := t.TempDir()
	term := terminal.Open(t, 120, 40)
	term.Press("cd "+dir+" && "+hopscope+" --sample 1", "Enter")
	for _, row := range []string{api.Name, job.Name, "(host)", "docker-proxy ", "(external)"} {
		term.Await(row, "µs", "@")
	}
	job.Remove()
	term.Await("† "+job.Name, "µs")
	term.Await("† "+job.Name, "removed", "-") // once its packets are out of sight
	term.Press("r")
	term.Await(" · REC")
	term.Press("2")
	term.Await("[2 Container]")
	term.Press("e")
	term.Await("exported hopscope-view-")
	term.Press("q") // the recording is saved first
	restored(t, term, 0)
	saved(t, dir, "q", "key")
	for pattern, command := range map[string][]string{"hopscope-all-*.hop": {"report"}, "hopscope-view-*.json": nil, "hopscope-view-*.html": nil} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil || len(found) != 1 {
			t.Errorf("%s: %v, %v", pattern, found, err)
		} else if command != nil {
			if r := program.Run(t, append(command, found[0])...); r.Code != 0 || !strings.Contains(r.Stdout, api.Name) || strings.Contains(r.Stdout, "incomplete") {
				t.Errorf("%v: exit code %d:\n%s%s", command, r.Code, r.Stdout, r.Stderr)
			}
		}
	}
}

// knock connects from this process, again and again.
func knock(address string, stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-time.After(20 * time.Millisecond):
		}
		if conn, err := net.Dial("tcp", address); err == nil {
			_ = conn.Close()
		}
	}
}

// TestSignalRestoresTheTerminal ends the program from outside, while it records:
// the capture is whole.
func TestSignalRestoresTheTerminal(t *testing.T) {
	lab.Lock(t)
	lab.Engine(t)
	hopscope := program.Path(t)
	for _, signal := range []string{"TERM", "INT", "HUP"} {
		dir := t.TempDir()
		term := terminal.Open(t, 80, 24)
		term.Press("cd "+dir+" && "+hopscope, "Enter")
		term.Await("[1 Overview]")
		if term.Flag("alternate_on") != "1" {
			t.Fatal("the program does not use the alternate screen")
		}
		term.Press("r")
		term.Await(" · REC")
		pid := strings.TrimSpace(term.Tmux("display-message", "-p", "#{pane_pid}"))
		out, err := exec.Command("pgrep", "-P", pid).Output()
		if err != nil {
			t.Fatalf("the shell has no child: %v", err)
		}
		if err := exec.Command("kill", "-"+signal, strings.TrimSpace(string(out))).Run(); err != nil {
			t.Fatal(err)
		}
		restored(t, term, 0)
		saved(t, dir, "SIG"+signal, "signal")
	}
}

// saved checks that there is one capture, that it is whole, and how it ended.
func saved(t *testing.T, dir, what, ended string) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*.hop"))
	if err != nil || len(found) != 1 {
		t.Fatalf("%s: captures %v, %v", what, found, err)
	}
	r := program.Run(t, "report", found[0])
	all := r.Stdout + r.Stderr
	if r.Code != 0 || strings.Contains(all, "incomplete") || strings.Contains(all, "cut short") || !strings.Contains(all, ", ended by a "+ended+"\n") {
		t.Errorf("%s: exit code %d:\n%s", what, r.Code, all)
	}
}

// TestPanicRestoresTheTerminal lets the program crash where the screen is painted,
// where keys are handled, where frames are pulled, and in a goroutine that has
// nothing to do with the screen.
func TestPanicRestoresTheTerminal(t *testing.T) {
	demo := filepath.Join(t.TempDir(), "demo")
	if out, err := exec.Command("go", "build", "-o", demo, "github.com/hopscope/hopscope/tui/internal/demo").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	for _, at := range []string{"view", "update", "pull", "collect"} {
		term := terminal.Open(t, 80, 24)
		term.Press(demo+" -past 3 -crash "+at, "Enter")
		term.Await("[1 Overview]")
		for end := time.Now().Add(terminal.Patience); term.Flag("alternate_on") == "1"; {
			if time.Now().After(end) {
				t.Fatalf("%s: the program did not crash:\n%s", at, term.Screen())
			}
			term.Press("Space")
		}
		restored(t, term, 1)
		if all := term.Tmux("capture-pane", "-p", "-S", "-200"); !strings.Contains(all, "a bug in "+at) {
			t.Errorf("%s: what happened is not told:\n%s", at, all)
		}
	}
}

// restored checks that the shell has its terminal back, and with what code the
// program ended.
func restored(t *testing.T, term *terminal.Terminal, code int) {
	t.Helper()
	for end := time.Now().Add(terminal.Patience); term.Flag("pane_current_command") != "bash"; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the program still runs:\n%s", term.Screen())
		}
	}
	term.Press("echo back=$?", "Enter")
	term.Await(fmt.Sprintf("back=%d", code))
	for flag, want := range map[string]string{"alternate_on": "0", "cursor_flag": "1", "mouse_any_flag": "0"} {
		if got := term.Flag(flag); got != want {
			t.Errorf("%s is %s, want %s", flag, got, want)
		}
	}
}

// TestNoTerminalIsSaid runs the program where there is nothing to paint on.
func TestNoTerminalIsSaid(t *testing.T) {
	lab.Lock(t)
	hopscope := program.Path(t)
	out, err := exec.Command(hopscope).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "needs a terminal") || !strings.Contains(string(out), "hopscope trace") {
		t.Errorf("without a terminal: %v, %s", err, out)
	}
	term := terminal.Open(t, 80, 24)
	term.Press("TERM=dumb "+hopscope, "Enter")
	term.Await("TERM is dumb")
	if term.Flag("alternate_on") != "0" {
		t.Error("the program painted on a dumb terminal")
	}
}
