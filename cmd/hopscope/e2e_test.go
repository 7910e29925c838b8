package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/internal/lab/program"
)

// shop is what the program is run against: traffic between two containers, one
// that is silent, and two compose services of one name.
type shop struct {
	client, web, idle *lab.Container
	net               *lab.Network
	at                string
}

func newShop(t *testing.T) *shop {
	t.Helper()
	lab.Lock(t)
	s := &shop{}
	l := lab.NewShop(t)
	s.net = l.Network(lab.NetworkSpec{Name: "front"})
	networks := []*lab.Network{s.net}
	service := func(project string) map[string]string {
		return map[string]string{"com.docker.compose.project": project, "com.docker.compose.service": "hopscope-e2e"}
	}
	s.web = l.Container(lab.ContainerSpec{Name: "web", Networks: networks, Args: []string{"serve"}, Labels: service("one")})
	s.client = l.Container(lab.ContainerSpec{Name: "client", Networks: networks, Labels: service("two")})
	s.idle = l.Container(lab.ContainerSpec{Name: "idle", Mode: "none"})
	s.at = s.web.IP(s.net).String() + ":8000"
	s.client.Run("rr", "--count", "5", s.at)
	time.Sleep(300 * time.Millisecond)
	return s
}

func TestProgram(t *testing.T) {
	s := newShop(t)
	t.Run("done", s.done)
	t.Run("no journeys", s.noJourneys)
	t.Run("json", s.json)
	t.Run("failed", s.failed)
	t.Run("usage", s.usage)
	t.Run("not permitted", s.notPermitted)
	t.Run("unknown container", s.unknownContainer)
	t.Run("interrupted once", s.interruptedOnce)
	t.Run("interrupted twice", s.interruptedTwice)
	t.Run("killed", s.killed)
	t.Run("closed pipe", s.closedPipe)
	t.Run("saving", s.saving)
}

func (s *shop) done(t *testing.T) {
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"version"}, "hopscope "},
		{[]string{"list"}, s.web.Name},
		{[]string{"doctor"}, "net_dev_queue"},
		{[]string{"trace", "--help"}, "--container"},
	} {
		if r := program.Run(t, c.args...); r.Code != 0 || !strings.Contains(r.Stdout, c.says) {
			t.Errorf("%v: exit code %d, stdout %q, stderr %q", c.args, r.Code, r.Stdout, r.Stderr)
		}
	}
}

func (s *shop) noJourneys(t *testing.T) {
	r := program.Run(t, "trace", "-d", "500ms", "-c", s.idle.Name, "--no-save")
	if r.Code != 0 || !strings.Contains(r.Stdout, "No journeys") {
		t.Errorf("exit code %d, stdout %q, stderr %q", r.Code, r.Stdout, r.Stderr)
	}
	_, why, _ := strings.Cut(r.Stdout, "No journeys")
	if len(strings.Fields(why)) < 5 {
		t.Errorf("it does not say why: %q", r.Stdout)
	}
}

// The summary of a run without a fault follows its schema and tells of no loss
// and no drop.
func (s *shop) json(t *testing.T) {
	run := program.Start(t, "trace", "-d", "8s", "-c", s.web.Name, "--sample", "1", "--format", "json", "--no-save")
	run.Tracing(t)
	for _, mode := range []string{"rr", "short", "udp"} {
		s.client.Run(mode, "--count", "300", s.at)
	}
	r := run.Wait(t)
	if r.Code != 0 {
		t.Fatalf("exit code %d: %s", r.Code, r.Stderr)
	}
	lab.WantSchema(t, "../../docs/summary.schema.json", r.Stdout)
	var summary struct {
		Ended      string
		Accounting struct {
			Tracked, Completed, Emitted uint64
			Lost                        map[string]uint64
		}
		Drops []any
		Paths []struct{ From, To struct{ Name string } }
	}
	if err := json.Unmarshal([]byte(r.Stdout), &summary); err != nil {
		t.Fatal(err)
	}
	a := summary.Accounting
	if summary.Ended != "duration" || a.Emitted < 2*300+8*300+2*300 || a.Tracked != a.Completed {
		t.Errorf("ended by %q; %+v", summary.Ended, a)
	}
	for cause, n := range a.Lost {
		if n != 0 {
			t.Errorf("lost %d: %s", n, cause)
		}
	}
	if len(summary.Drops) != 0 {
		t.Errorf("drops: %v", summary.Drops)
	}
	for _, p := range summary.Paths {
		if p.From.Name != s.web.Name && p.To.Name != s.web.Name {
			t.Errorf("a path that nobody asked for: %+v", p)
		}
	}
}

// A full disk.
func (s *shop) failed(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	r := program.Command(t, "version")
	r.Cmd.Stdout = full
	r.Start(t)
	r.Wait(t).WantError(t, 1, "no space left on device")
}

func (s *shop) usage(t *testing.T) {
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"trace", "--nonsense"}, "--nonsense"},
		{[]string{"trace", "-d", "fast"}, "fast"},
		{[]string{"trace", "--sample", "2/3"}, "2/3"},
		{[]string{"trace", "--format", "xml"}, "xml"},
		{[]string{"trace", "--port", "70000"}, "70000"},
		{[]string{"trace", "web"}, "web"},
		{[]string{"nonsense"}, "nonsense"},
		{[]string{"trace", "-c", "[", "-d", "1s"}, "["},
		{[]string{"trace", "--network", "no-such-network", "-d", "1s"}, "no-such-network"},
		{[]string{"trace", "-c", "hopscope-e2e", "-d", "1s"}, s.client.Name}, // ambiguous: says which
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			program.Run(t, c.args...).WantError(t, 2, c.says)
		})
	}
}

// An ordinary user, "nobody", may not load programs.
func (s *shop) notPermitted(t *testing.T) {
	r := program.Command(t, "trace", "-d", "1s", "--no-save")
	r.Cmd.Dir = "/"
	r.Cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	r.Start(t)
	r.Wait(t).WantError(t, 3, "root", "hopscope doctor")
}

func (s *shop) unknownContainer(t *testing.T) {
	typo := s.web.Name[:len(s.web.Name)-1] + "x"
	program.Run(t, "trace", "-d", "1s", "-c", typo).WantError(t, 4, fmt.Sprintf("%q", typo), "did you mean", s.web.Name)
}
