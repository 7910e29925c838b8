package main

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/internal/lab/program"
)

// The first Ctrl-C ends the capture early; what was seen is printed, and saved.
func (s *shop) interruptedOnce(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		path := s.file(t)
		run := program.Start(t, "trace", "-d", "1m", "-c", s.web.Name, "--sample", "1", "--format", "json", "-o", path)
		run.Tracing(t)
		s.client.Run("rr", "--count", "100", s.at)
		begun := time.Now()
		s.signal(t, run, signal)
		r := run.Wait(t)
		if r.Code != 0 || time.Since(begun) > 20*time.Second {
			t.Errorf("%v: exit code %d after %v: %s", signal, r.Code, time.Since(begun), r.Stderr)
		}
		if !strings.Contains(r.Stdout, `"ended": "signal"`) && !strings.Contains(r.Stdout, `"ended":"signal"`) {
			t.Errorf("%v: the summary does not say that a signal ended it", signal)
		}
		if !strings.Contains(r.Stdout, s.client.Name) {
			t.Errorf("%v: the summary does not tell of %s", signal, s.client.Name)
		}
		if report := s.reportOf(t, path); report.Stdout != r.Stdout || report.Stderr != "" {
			t.Errorf("%v: the file is not the summary: %s\n%.2000s", signal, report.Stderr, report.Stdout)
		}
	}
}

// The second ends the program while it waits for packets that are under way:
// here they are held in a queue. What it has seen can be read.
func (s *shop) interruptedTwice(t *testing.T) {
	path := s.file(t)
	run := program.Start(t, "trace", "-d", "1m", "-c", s.web.Name, "--sample", "1", "-o", path)
	run.Tracing(t)
	s.client.Run("rr", "--count", "100", s.at)
	queue := lab.TBF(t, s.client.Netns, "eth0", 8000, 1100, 1_000_000)
	defer queue.Remove()
	s.client.Run("udp", "--echo=false", "--count", "20", "--size", "1000", s.at)
	s.signal(t, run, syscall.SIGINT)
	time.Sleep(50 * time.Millisecond) // two at once would be one
	s.signal(t, run, syscall.SIGINT)
	r := run.Wait(t)
	if r.Code != 130 {
		t.Errorf("exit code %d, want 130", r.Code)
	}
	if r.Stdout != "" || strings.Contains(r.Stderr, "hopscope: ") {
		t.Errorf("it is not silent: stdout %q, stderr %q", r.Stdout, r.Stderr)
	}
	s.wantRequests(t, path, 100)
}

// wantRequests looks for packets to web in a file.
func (s *shop) wantRequests(t *testing.T, path string, least uint64) {
	t.Helper()
	var there uint64
	for _, p := range parse(t, s.reportOf(t, path).Stdout).Paths {
		if p.From.Name == s.client.Name && p.To.Name == s.web.Name && p.Proto == "tcp" {
			there += p.Journeys
		}
	}
	if there < least {
		t.Errorf("the file has %d packets from client to web, want %d", there, least)
	}
}

// SIGKILL leaves the file without its end, which its report says; all but the
// last second is in it.
func (s *shop) killed(t *testing.T) {
	path := s.file(t)
	run := program.Start(t, "trace", "-d", "1m", "-c", s.web.Name, "--sample", "1", "-o", path)
	run.Tracing(t)
	s.client.Run("rr", "--count", "100", s.at)
	time.Sleep(1500 * time.Millisecond)
	s.signal(t, run, syscall.SIGKILL)
	if r := run.Wait(t); r.Code != -1 {
		t.Errorf("exit code %d", r.Code)
	}
	if r := s.reportOf(t, path); !strings.Contains(r.Stderr, "note: ") {
		t.Errorf("nothing is said of the missing end: %q", r.Stderr)
	}
	s.wantRequests(t, path, 100)
}

func (s *shop) signal(t *testing.T, r *program.Running, signal os.Signal) {
	t.Helper()
	if err := r.Cmd.Process.Signal(signal); err != nil {
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
		run := program.Command(t, args...)
		run.Cmd.Stdout = writer
		run.Start(t)
		writer.Close()
		r := run.Wait(t)
		status := run.Cmd.ProcessState.Sys().(syscall.WaitStatus)
		if r.Stderr != "" {
			t.Errorf("%v: stderr %q", args, r.Stderr)
		}
		if r.Code != 0 && status.Signal() != syscall.SIGPIPE {
			t.Errorf("%v: %v", args, status)
		}
	}
}
