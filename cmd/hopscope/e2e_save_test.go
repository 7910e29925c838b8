package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/pkg/capture"
	"github.com/hopscope/hopscope/pkg/model"
)

// TestSaving runs the program on real traffic with each way to keep it.
func TestSaving(t *testing.T) {
	s := newShop(t)
	t.Run("report is the summary", s.reportIsTheSummary)
	t.Run("full disk", s.fullDisk)
	t.Run("when it holds", s.whenItHolds)
	t.Run("when it never holds", s.whenItNeverHolds)
	t.Run("keep the last", s.keepTheLast)
	t.Run("redact", s.redacted)
	t.Run("folded", s.folded)
	t.Run("baseline", s.baseline)
	t.Run("where nothing can be written", s.notWritable)
}

func (s *shop) file(t *testing.T) string { return filepath.Join(t.TempDir(), "x.hop") }

// reportOf is what a report of a file says, as JSON.
func (s *shop) reportOf(t *testing.T, path string) ran {
	t.Helper()
	r := s.run(t, "report", path, "--format", "json")
	if r.code != 0 {
		t.Fatalf("report: exit code %d: %s", r.code, r.stderr)
	}
	return r
}

func parse(t *testing.T, text string) (out model.Snapshot) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		t.Fatalf("%v:\n%.500s", err, text)
	}
	return out
}

// A report says what the trace said, number for number, drops included.
func (s *shop) reportIsTheSummary(t *testing.T) {
	path := s.file(t)
	run := s.start(t, "trace", "-d", "3s", "-c", s.web.Name, "--sample", "1", "--format", "json", "-o", path)
	run.tracing(t)
	for _, mode := range []string{"rr", "short", "udp"} {
		s.client.Run(mode, "--count", "300", s.at)
	}
	queue := lab.TBF(t, s.client.Netns, "eth0", 1_000_000, 3000, 4000) // drops most of it
	s.client.Run("udp", "--echo=false", "--count", "50", "--size", "1000", s.at)
	r := run.wait(t)
	queue.Remove()
	if r.code != 0 || !strings.Contains(r.stderr, "saved "+path) {
		t.Fatalf("exit code %d: %s", r.code, r.stderr)
	}
	if report := s.reportOf(t, path); report.stdout != r.stdout || report.stderr != "" {
		t.Errorf("stderr %q; the report\n%.2000s\nis not the summary\n%.2000s", report.stderr, report.stdout, r.stdout)
	}
	if got := parse(t, r.stdout); len(got.Paths) < 4 || len(got.Drops) == 0 || got.Ended != "duration" {
		t.Errorf("%d paths, drops %+v, ended %q", len(got.Paths), got.Drops, got.Ended)
	}
}

// A full disk ends the trace long before its time. What was written is a whole
// file.
func (s *shop) fullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "size=256k"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	path := filepath.Join(dir, "x.hop")
	run := s.start(t, "trace", "-d", "5m", "-c", s.web.Name, "--sample", "1", "--format", "json", "-o", path)
	run.tracing(t)
	begun := time.Now()
	s.client.Run("rr", "--count", "20000", s.at)
	r := run.wait(t)
	last := r.stderr[strings.LastIndex(strings.TrimSuffix(r.stderr, "\n"), "\n")+1:]
	if r.code != 1 || !strings.Contains(last, "no space left") || strings.Count(r.stderr, "no space left for the capture") != 1 {
		t.Errorf("exit code %d, stderr %q", r.code, r.stderr)
	}
	if d := time.Since(begun); d > time.Minute {
		t.Errorf("it went on for %v", d)
	}
	if got := parse(t, r.stdout); got.Ended != "error" || len(got.Paths) == 0 {
		t.Errorf("summary: ended %q with %d paths", got.Ended, len(got.Paths))
	}
	saved := parse(t, s.reportOf(t, path).stdout)
	if saved.Ended != "error" || len(saved.Paths) == 0 || saved.Paths[0].Journeys < 1000 {
		t.Errorf("file: ended %q, %d paths", saved.Ended, len(saved.Paths))
	}
}

// The last seconds are saved when packets become slow, and no sooner.
func (s *shop) whenItHolds(t *testing.T) {
	path := s.file(t)
	run := s.start(t, "trace", "-d", "5m", "-c", s.web.Name, "--sample", "1", "--format", "json", "-o", path,
		"--keep", "5s", "--when", "p99>15ms")
	run.tracing(t)
	s.client.Run("rr", "--count", "300", "--rate", "200", s.at)
	if _, err := os.Stat(path); err == nil || run.cmd.ProcessState != nil {
		t.Fatalf("it saved before anything was slow: %s", run.stderr.String())
	}
	// 20 packets at once at 400 kbit/s: the last ones wait more than 200 ms.
	queue := lab.TBF(t, s.client.Netns, "eth0", 400_000, 1500, 1_000_000)
	defer queue.Remove()
	s.client.Run("udp", "--echo=false", "--count", "20", "--size", "1000", s.at)
	r := run.wait(t)
	if r.code != 0 || !strings.Contains(r.stderr, "p99>15ms holds: p99 ") || !strings.Contains(r.stderr, path) {
		t.Fatalf("exit code %d, stderr %q", r.code, r.stderr)
	}
	report := s.reportOf(t, path)
	if report.stdout != r.stdout {
		t.Errorf("the report\n%.2000s\nis not the summary\n%.2000s", report.stdout, r.stdout)
	}
	got := parse(t, report.stdout)
	if got.Ended != "limit" || got.DurationNs > int64(8*time.Second) {
		t.Errorf("ended %q after %v", got.Ended, time.Duration(got.DurationNs))
	}
	if len(got.Slowest) == 0 || got.Slowest[0].TotalNs < int64(15*time.Millisecond) {
		t.Errorf("the slow packets are not in it: %+v", got.Slowest)
	}
}

func (s *shop) whenItNeverHolds(t *testing.T) {
	run := s.start(t, "trace", "-d", "2500ms", "-c", s.web.Name, "--keep", "1m", "--when", "drops>1000000 or p50>1h")
	run.tracing(t)
	s.client.Run("rr", "--count", "100", s.at)
	r := run.wait(t)
	if r.code != 0 || !strings.Contains(r.stderr, "drops>1000000 or p50>1h0m0s never held: nothing is saved") {
		t.Errorf("exit code %d, stderr %q", r.code, r.stderr)
	}
	if !strings.Contains(r.stdout, s.client.Name) {
		t.Errorf("no summary: %q", r.stdout)
	}
	if files, err := os.ReadDir(run.cmd.Dir); err != nil || len(files) != 0 {
		t.Errorf("%v, %v", files, err)
	}
}

// Without a condition the last of it is saved at the end.
func (s *shop) keepTheLast(t *testing.T) {
	path := s.file(t)
	run := s.start(t, "trace", "-d", "4s", "-c", s.web.Name, "--sample", "1", "-o", path, "--keep", "1s")
	run.tracing(t)
	s.client.Run("rr", "--count", "350", "--rate", "100", s.at)
	if r := run.wait(t); r.code != 0 || !strings.Contains(r.stderr, "saved the last 1s: "+path) {
		t.Fatalf("exit code %d, stderr %q", r.code, r.stderr)
	}
	got := parse(t, s.reportOf(t, path).stdout)
	if d := time.Duration(got.DurationNs); d < time.Second/2 || d > 3*time.Second {
		t.Errorf("it holds %v", d)
	}
}

// Nothing in the file, nor its name, tells of the containers.
func (s *shop) redacted(t *testing.T) {
	run := s.start(t, "trace", "-d", "1500ms", "-c", s.web.Name, "--sample", "1", "--redact")
	run.tracing(t)
	s.client.Run("rr", "--count", "200", s.at)
	r := run.wait(t)
	files, err := filepath.Glob(filepath.Join(run.cmd.Dir, "hopscope-redacted-*.hop"))
	if r.code != 0 || err != nil || len(files) != 1 {
		t.Fatalf("exit code %d, files %v, stderr %q", r.code, files, r.stderr)
	}
	report := s.reportOf(t, files[0])
	for _, secret := range []string{s.web.Name, s.client.Name, s.net.Name, s.web.ID[:12], s.web.IP(s.net).String()} {
		if strings.Contains(report.stdout, secret) {
			t.Errorf("the report tells %q", secret)
		}
	}
	got := parse(t, report.stdout)
	if len(got.Paths) < 2 || got.Paths[0].From.Kind != "container" || got.Paths[0].Journeys < 200 {
		t.Errorf("%+v", got.Paths)
	}
	head, err := capture.Survey(files[0])
	if err != nil || !head.Head.Redacted {
		t.Errorf("%v, %+v", err, head)
	}
}

func (s *shop) folded(t *testing.T) {
	run := s.start(t, "trace", "-d", "1s", "-c", s.web.Name, "--sample", "1", "--format", "folded", "--no-save")
	run.tracing(t)
	s.client.Run("rr", "--count", "100", s.at)
	r := run.wait(t)
	line, _, _ := strings.Cut(r.stdout, "\n")
	var ns int
	if _, err := fmt.Sscan(line[strings.LastIndex(line, " ")+1:], &ns); r.code != 0 || err != nil || ns <= 0 || !strings.Contains(line, ";") {
		t.Errorf("exit code %d, first line %q", r.code, line)
	}
}

func (s *shop) baseline(t *testing.T) {
	home := t.TempDir()
	with := func(args ...string) ran {
		run := s.command(t, args...)
		run.cmd.Env = append(os.Environ(), "XDG_STATE_HOME="+home, "SUDO_UID=")
		run.begin(t)
		if args[0] == "baseline" {
			s.client.Run("rr", "--count", "2000", "--rate", "1000", s.at)
		}
		return run.wait(t)
	}
	if r := with("baseline", "save", "before", "-d", "3s", "-c", s.web.Name); r.code != 0 || r.stderr != "saved baseline:before\n" || r.stdout != "" {
		t.Fatalf("exit code %d, stdout %q, stderr %q", r.code, r.stdout, r.stderr)
	}
	if r := with("baseline", "list"); !strings.Contains(r.stdout, "before") || !strings.Contains(r.stdout, s.web.Name) {
		t.Errorf("%q, %q", r.stdout, r.stderr)
	}
	if r := with("diff", "baseline:before", "baseline:before"); r.code != 0 || !strings.Contains(r.stdout, "one/hopscope-e2e") {
		t.Errorf("exit code %d: %s, %s", r.code, r.stdout, r.stderr)
	}
}

// What cannot be written is told before anything is traced.
func (s *shop) notWritable(t *testing.T) {
	dir := t.TempDir()
	exists := filepath.Join(dir, "x.hop")
	if err := os.WriteFile(exists, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, says := range map[string]string{
		exists: "exists", dir: "is a directory", filepath.Join(dir, "none", "x.hop"): "no such file", "/proc/x.hop": "/proc/x.hop",
	} {
		for _, more := range [][]string{nil, {"--keep", "1m", "--when", "drops>0"}, {"--redact"}} {
			begun := time.Now()
			r := s.run(t, append([]string{"trace", "-d", "1m", "-q", "-o", path}, more...)...)
			r.wantError(t, 1, says)
			if d := time.Since(begun); d > 20*time.Second {
				t.Errorf("%s: told after %v", path, d)
			}
		}
	}
	if got, err := os.ReadFile(exists); err != nil || !bytes.Equal(got, []byte("mine")) {
		t.Errorf("%q, %v", got, err)
	}
}
