package main

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hopscope/hopscope/internal/lab"
)

// The first Ctrl-C ends the capture early; what was seen is printed.
func (s *shop) interruptedOnce(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		run := s.start(t, "trace", "-d", "1m", "-c", s.web.Name, "--sample", "1", "--format", "json", "--no-save")
		run.tracing(t)
		s.client.Run("rr", "--count", "100", s.at)
		begun := time.Now()
		s.signal(t, run, signal)
		r := run.wait(t)
		if r.code != 0 || time.Since(begun) > 20*time.Second {
			t.Errorf("%v: exit code %d after %v: %s", signal, r.code, time.Since(begun), r.stderr)
		}
		if !strings.Contains(r.stdout, `"ended": "signal"`) && !strings.Contains(r.stdout, `"ended":"signal"`) {
			t.Errorf("%v: the summary does not say that a signal ended it", signal)
		}
		if !strings.Contains(r.stdout, s.client.Name) {
			t.Errorf("%v: the summary does not tell of %s", signal, s.client.Name)
		}
	}
}

// The second ends the program while it waits for packets that are under way:
// here they are held in a queue.
func (s *shop) interruptedTwice(t *testing.T) {
	run := s.start(t, "trace", "-d", "1m", "-c", s.web.Name, "--sample", "1", "--no-save")
	run.tracing(t)
	queue := lab.TBF(t, s.client.Netns, "eth0", 8000, 1100, 1_000_000)
	defer queue.Remove()
	s.client.Run("udp", "--echo=false", "--count", "20", "--size", "1000", s.at)
	s.signal(t, run, syscall.SIGINT)
	time.Sleep(50 * time.Millisecond) // two at once would be one
	s.signal(t, run, syscall.SIGINT)
	r := run.wait(t)
	if r.code != 130 {
		t.Errorf("exit code %d, want 130", r.code)
	}
	if r.stdout != "" || strings.Contains(r.stderr, "hopscope: ") {
		t.Errorf("it is not silent: stdout %q, stderr %q", r.stdout, r.stderr)
	}
}

func (s *shop) signal(t *testing.T, r *running, signal os.Signal) {
	t.Helper()
	if err := r.cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
}

// Whoever reads the output may go away, as head does: no word about that.
func (s *shop) closedPipe(t *testing.T) {
	for _, args := range [][]string{
		{"version"}, {"list"},
		{"trace", "-d", "300ms", "-q", "--no-save"},
		{"trace", "-d", "300ms", "-q", "--no-save", "--format", "json"},
	} {
		reader, writer, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		reader.Close()
		run := s.command(t, args...)
		run.cmd.Stdout = writer
		run.begin(t)
		writer.Close()
		r := run.wait(t)
		status := run.cmd.ProcessState.Sys().(syscall.WaitStatus)
		if r.stderr != "" {
			t.Errorf("%v: stderr %q", args, r.stderr)
		}
		if r.code != 0 && status.Signal() != syscall.SIGPIPE {
			t.Errorf("%v: %v", args, status)
		}
	}
}
