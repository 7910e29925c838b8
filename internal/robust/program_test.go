package robust

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// built is the program as users run it, built once for all tests.
type built struct {
	dir  string
	path string
	err  error
}

var program = sync.OnceValue(func() built {
	dir, err := os.MkdirTemp("", "hopscope-robust-")
	if err != nil {
		return built{err: err}
	}
	b := built{dir: dir, path: filepath.Join(dir, "hopscope")}
	cmd := exec.Command("go", "build", "-o", b.path, "github.com/hopscope/hopscope/cmd/hopscope")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		b.err = errors.Join(err, errors.New(string(out)))
		return b
	}
	b.err = os.Chmod(dir, 0o755) // tests run it as other users, too
	return b
})

func TestMain(m *testing.M) {
	if code, ok := helper(); ok {
		os.Exit(code)
	}
	code := m.Run()
	if b := program(); b.dir != "" {
		os.RemoveAll(b.dir)
	}
	os.Exit(code)
}

func hopscope(t *testing.T) string {
	t.Helper()
	b := program()
	if b.err != nil {
		t.Fatalf("build the program: %v", b.err)
	}
	return b.path
}

// ending is how one run of the program ended.
type ending struct {
	stdout, stderr string
	code           int
	took           time.Duration
}

// run runs the program in a directory of its own, for a minute at most.
func run(t *testing.T, args ...string) ending {
	t.Helper()
	return runWith(t, func(*exec.Cmd) {}, args...)
}

// runWith is run with a command that prepare has changed.
func runWith(t *testing.T, prepare func(*exec.Cmd), args ...string) ending {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, hopscope(t), args...)
	cmd.Dir = t.TempDir()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	prepare(cmd)
	begun := time.Now()
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("run %v: %v", args, err)
	}
	if ctx.Err() != nil {
		t.Fatalf("%v did not end within a minute; stderr: %s", args, stderr.String())
	}
	return ending{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode(), time.Since(begun)}
}

// wantError checks the exit code, and that stderr is one sentence of ours with
// all of the given parts in it.
func (o ending) wantError(t *testing.T, code int, parts ...string) {
	t.Helper()
	if o.code != code {
		t.Errorf("exit code %d, want %d", o.code, code)
	}
	text, ended := strings.CutSuffix(o.stderr, "\n")
	text, ours := strings.CutPrefix(text, "hopscope: ")
	if !ended || !ours || strings.Contains(text, "\n") {
		t.Errorf("stderr is not one sentence of ours: %q", o.stderr)
	}
	for _, leak := range []string{"%!", "panic", "goroutine", "strconv.", "0x", "<nil>"} {
		if strings.Contains(text, leak) {
			t.Errorf("%q tells of the program's inside: %q", o.stderr, leak)
		}
	}
	if len(text) > 400 {
		t.Errorf("a sentence of %d characters: %q", len(text), text)
	}
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q is not in %q", part, o.stderr)
		}
	}
	if o.stdout != "" {
		t.Errorf("stdout is not empty: %q", o.stdout)
	}
}

// wantDone checks that the program ended as it should, and that stderr has all
// of the given parts.
func (o ending) wantDone(t *testing.T, parts ...string) {
	t.Helper()
	if o.code != 0 {
		t.Errorf("exit code %d: %s", o.code, o.stderr)
	}
	for _, part := range parts {
		if !strings.Contains(o.stderr, part) {
			t.Errorf("%q is not in %q", part, o.stderr)
		}
	}
}

// started is a running program.
type started struct {
	cmd            *exec.Cmd
	stdout, stderr output
	ended          chan struct{} // closed when the program has ended
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

// begin starts the program; it is killed if it runs when the test ends.
func begin(t *testing.T, args ...string) *started {
	t.Helper()
	s := &started{cmd: exec.Command(hopscope(t), args...), ended: make(chan struct{})}
	s.cmd.Dir = t.TempDir()
	s.cmd.Stdout, s.cmd.Stderr = &s.stdout, &s.stderr
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = s.cmd.Wait() // the exit code is in ProcessState
		close(s.ended)
	}()
	t.Cleanup(func() { _ = s.cmd.Process.Kill() })
	return s
}

// wait waits until the program ends by itself.
func (s *started) wait(t *testing.T) ending {
	t.Helper()
	select {
	case <-s.ended:
	case <-time.After(time.Minute):
		t.Fatalf("the program did not end within a minute; stderr: %s", s.stderr.String())
	}
	return ending{stdout: s.stdout.String(), stderr: s.stderr.String(), code: s.cmd.ProcessState.ExitCode()}
}

// says waits until the program has said something on stderr.
func (s *started) says(t *testing.T, what string) {
	t.Helper()
	eventually(t, "the program says "+what, func() bool { return strings.Contains(s.stderr.String(), what) })
}

// eventually waits up to 20 s for a condition.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("not within 20 s: %s", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
