package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/hopscope/hopscope/internal/lab"
)

// shop is what the program is run against: traffic between two containers, one
// that is silent, and two compose services of one name.
type shop struct {
	path              string // of the built program, readable by everybody
	client, web, idle *lab.Container
	net               *lab.Network
	at                string
}

func newShop(t *testing.T) *shop {
	t.Helper()
	lab.Lock(t)
	s := &shop{path: buildProgram(t)}
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

// buildProgram does not use t.TempDir, which other users cannot enter.
func buildProgram(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "hopscope-e2e-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "hopscope")
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// ran is what a finished program left.
type ran struct {
	code           int
	stdout, stderr string
}

// run runs the program to its end.
func (s *shop) run(t *testing.T, args ...string) ran {
	t.Helper()
	return s.start(t, args...).wait(t)
}

// running is a program under way.
type running struct {
	cmd            *exec.Cmd
	stdout, stderr output
}

// output may be read while the program writes.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

func (s *shop) command(t *testing.T, args ...string) *running {
	t.Helper()
	r := &running{cmd: exec.Command(s.path, args...)}
	r.cmd.Dir = t.TempDir() // captures are saved where the program runs
	r.cmd.Stdout, r.cmd.Stderr = &r.stdout, &r.stderr
	return r
}

func (s *shop) start(t *testing.T, args ...string) *running {
	t.Helper()
	r := s.command(t, args...)
	r.begin(t)
	return r
}

func (r *running) begin(t *testing.T) {
	t.Helper()
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if r.cmd.ProcessState == nil {
			_ = r.cmd.Process.Kill()
			_ = r.cmd.Wait()
		}
	})
}

func (r *running) wait(t *testing.T) ran {
	t.Helper()
	if err := r.cmd.Wait(); err != nil && r.cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return ran{r.cmd.ProcessState.ExitCode(), r.stdout.String(), r.stderr.String()}
}

// tracing waits until all programs are attached, which the sentence about the
// selection follows.
func (r *running) tracing(t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !strings.Contains(r.stderr.String(), "tracing ") {
		if time.Now().After(deadline) {
			t.Fatalf("it does not trace: %s", r.stderr.String())
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// wantError: the exit code, and one sentence on stderr that says each of parts.
func (r ran) wantError(t *testing.T, code int, parts ...string) {
	t.Helper()
	text := strings.TrimSuffix(r.stderr, "\n")
	if r.code != code || r.stdout != "" || !strings.HasPrefix(text, "hopscope: ") || strings.Contains(text, "\n") {
		t.Errorf("exit code %d, want %d and one sentence; stdout %q, stderr %q", r.code, code, r.stdout, r.stderr)
	}
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q does not say %q", text, part)
		}
	}
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
	t.Run("closed pipe", s.closedPipe)
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
		if r := s.run(t, c.args...); r.code != 0 || !strings.Contains(r.stdout, c.says) {
			t.Errorf("%v: exit code %d, stdout %q, stderr %q", c.args, r.code, r.stdout, r.stderr)
		}
	}
}

func (s *shop) noJourneys(t *testing.T) {
	r := s.run(t, "trace", "-d", "500ms", "-c", s.idle.Name, "--no-save")
	if r.code != 0 || !strings.Contains(r.stdout, "No journeys") {
		t.Errorf("exit code %d, stdout %q, stderr %q", r.code, r.stdout, r.stderr)
	}
	_, why, _ := strings.Cut(r.stdout, "No journeys")
	if len(strings.Fields(why)) < 5 {
		t.Errorf("it does not say why: %q", r.stdout)
	}
}

// The summary of a run without a fault follows its schema and tells of no loss
// and no drop.
func (s *shop) json(t *testing.T) {
	run := s.start(t, "trace", "-d", "2s", "-c", s.web.Name, "--sample", "1", "--format", "json", "--no-save")
	run.tracing(t)
	for _, mode := range []string{"rr", "short", "udp"} {
		s.client.Run(mode, "--count", "300", s.at)
	}
	r := run.wait(t)
	if r.code != 0 {
		t.Fatalf("exit code %d: %s", r.code, r.stderr)
	}
	schema, err := jsonschema.NewCompiler().Compile("../../docs/summary.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(r.stdout))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(doc); err != nil {
		t.Error(err)
	}
	var summary struct {
		Ended      string
		Accounting struct {
			Tracked, Completed, Emitted uint64
			Lost                        map[string]uint64
		}
		Drops []any
		Paths []struct{ From, To struct{ Name string } }
	}
	if err := json.Unmarshal([]byte(r.stdout), &summary); err != nil {
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
	r := s.command(t, "version")
	r.cmd.Stdout = full
	r.begin(t)
	r.wait(t).wantError(t, 1, "no space left on device")
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
			s.run(t, c.args...).wantError(t, 2, c.says)
		})
	}
}

// An ordinary user, "nobody", may not load programs.
func (s *shop) notPermitted(t *testing.T) {
	r := s.command(t, "trace", "-d", "1s", "--no-save")
	r.cmd.Dir = "/"
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	r.begin(t)
	r.wait(t).wantError(t, 3, "root", "hopscope doctor")
}

func (s *shop) unknownContainer(t *testing.T) {
	typo := s.web.Name[:len(s.web.Name)-1] + "x"
	s.run(t, "trace", "-d", "1s", "-c", typo).wantError(t, 4, fmt.Sprintf("%q", typo), "did you mean", s.web.Name)
}
