package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/internal/lab/program"
	"github.com/hopscope/hopscope/pkg/capture"
	"github.com/hopscope/hopscope/pkg/model"
)

// saving runs the program on real traffic with each way to keep it.
func (s *shop) saving(t *testing.T) {
	t.Run("holds everything", s.holdsEverything)
	t.Run("recorded from now", s.recordedFromNow)
	t.Run("name servers", s.nameServers)
	t.Run("when it holds", s.whenItHolds)
	t.Run("when it never holds", s.whenItNeverHolds)
	t.Run("keep the last", s.keepTheLast)
	t.Run("redact", s.redacted)
	t.Run("folded", s.folded)
	t.Run("baseline", s.baseline)
}

func (s *shop) file(t *testing.T) string { return filepath.Join(t.TempDir(), "x.hop") }

// reportOf is what a report of a file says, as JSON.
func (s *shop) reportOf(t *testing.T, path string) program.Ending {
	t.Helper()
	r := program.Run(t, "report", path, "--format", "json")
	if r.Code != 0 {
		t.Fatalf("report: exit code %d: %s", r.Code, r.Stderr)
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

// The last seconds are saved when packets become slow, and no sooner.
func (s *shop) whenItHolds(t *testing.T) {
	path := s.file(t)
	run := program.Start(t, "trace", "-d", "5m", "-c", s.web.Name, "--sample", "1", "--format", "json", "-o", path,
		"--keep", "5s", "--when", "p99>15ms")
	run.Tracing(t)
	s.client.Run("rr", "--count", "300", "--rate", "200", s.at)
	if _, err := os.Stat(path); err == nil || run.Ended() {
		t.Fatalf("it saved before anything was slow: %s", run.Stderr.String())
	}
	for range 5 { // what makes a finding
		s.refused(t)
	}
	// 20 packets at once at 400 kbit/s: the last ones wait more than 200 ms.
	queue := lab.TBF(t, s.client.Netns, "eth0", 400_000, 1500, 1_000_000)
	defer queue.Remove()
	s.client.Run("udp", "--echo=false", "--count", "20", "--size", "1000", s.at)
	r := run.Wait(t)
	if r.Code != 0 || !strings.Contains(r.Stderr, "p99>15ms holds: p99 ") || !strings.Contains(r.Stderr, path) {
		t.Fatalf("exit code %d, stderr %q", r.Code, r.Stderr)
	}
	report := s.reportOf(t, path)
	if report.Stdout != r.Stdout {
		t.Errorf("the report\n%.2000s\nis not the summary\n%.2000s", report.Stdout, r.Stdout)
	}
	got := parse(t, report.Stdout)
	wantFindings(t, path, got)
	if got.Ended != "limit" || got.DurationNs > int64(8*time.Second) {
		t.Errorf("ended %q after %v", got.Ended, time.Duration(got.DurationNs))
	}
	if len(got.Slowest) == 0 || got.Slowest[0].TotalNs < int64(15*time.Millisecond) {
		t.Errorf("the slow packets are not in it: %+v", got.Slowest)
	}
}

func (s *shop) whenItNeverHolds(t *testing.T) {
	run := program.Start(t, "trace", "-d", "2500ms", "-c", s.web.Name, "--keep", "1m", "--when", "drops>1000000 or p50>1h")
	run.Tracing(t)
	s.client.Run("rr", "--count", "100", s.at)
	r := run.Wait(t)
	if r.Code != 0 || !strings.Contains(r.Stderr, "drops>1000000 or p50>1h0m0s never held: nothing is saved") {
		t.Errorf("exit code %d, stderr %q", r.Code, r.Stderr)
	}
	if !strings.Contains(r.Stdout, s.client.Name) {
		t.Errorf("no summary: %q", r.Stdout)
	}
	if files, err := os.ReadDir(run.Cmd.Dir); err != nil || len(files) != 0 {
		t.Errorf("%v, %v", files, err)
	}
}

// Without a condition the last of it is saved at the end, long after privileges
// were dropped: in the directory of the user behind sudo, whose file it is.
func (s *shop) keepTheLast(t *testing.T) {
	const user = 12345
	path := s.file(t)
	if err := errors.Join(os.Chown(filepath.Dir(path), user, user), os.Chmod(filepath.Dir(path), 0o700)); err != nil {
		t.Fatal(err)
	}
	run := program.Command(t, "trace", "-d", "3s", "-c", s.web.Name, "--sample", "1", "-o", path, "--keep", "1s")
	run.Cmd.Env = append(os.Environ(), fmt.Sprintf("SUDO_UID=%d", user), fmt.Sprintf("SUDO_GID=%d", user))
	run.Start(t)
	run.Tracing(t)
	s.client.Run("rr", "--count", "250", "--rate", "100", s.at)
	if r := run.Wait(t); r.Code != 0 || !strings.Contains(r.Stderr, "saved the last 1s: "+path) {
		t.Fatalf("exit code %d, stderr %q", r.Code, r.Stderr)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if owner := info.Sys().(*syscall.Stat_t); info.Mode() != 0o600 || owner.Uid != user || owner.Gid != user {
		t.Errorf("mode %v, owner %d:%d, want that of user %d alone", info.Mode(), owner.Uid, owner.Gid, user)
	}
	got := parse(t, s.reportOf(t, path).Stdout)
	if d := time.Duration(got.DurationNs); d < time.Second/2 || d > 3*time.Second {
		t.Errorf("it holds %v", d)
	}
}

// Nothing in the file, nor its name, tells of the containers.
func (s *shop) redacted(t *testing.T) {
	run := program.Start(t, "trace", "-d", "1m", "-c", s.web.Name, "--sample", "1", "--redact")
	run.Tracing(t)
	s.client.Run("rr", "--count", "200", s.at)
	r := run.Interrupt(t)
	files, err := filepath.Glob(filepath.Join(run.Cmd.Dir, "hopscope-redacted-*.hop"))
	if r.Code != 0 || err != nil || len(files) != 1 {
		t.Fatalf("exit code %d, files %v, stderr %q", r.Code, files, r.Stderr)
	}
	if !strings.Contains(r.Stderr, "saved "+filepath.Base(files[0])) {
		t.Errorf("it does not say where it saved: %q", r.Stderr)
	}
	report := s.reportOf(t, files[0])
	text := rawText(t, files[0])
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{
		s.web.Name, s.client.Name, s.net.Name, s.web.ID[:12], s.web.IP(s.net).String(), s.client.Link(s.net).MAC, s.client.Link(s.net).HostName,
		string(s.web.IP(s.net).AsSlice()), `"one"`, `"` + host + `"`,
	} {
		if strings.Contains(report.Stdout, secret) || bytes.Contains(text, []byte(secret)) {
			t.Errorf("the file tells %q", secret)
		}
	}
	got := parse(t, report.Stdout)
	if len(got.Paths) < 2 || got.Paths[0].From.Kind != "container" || got.Paths[0].Journeys < 200 {
		t.Errorf("%+v", got.Paths)
	}
	head, err := capture.Survey(files[0])
	if err != nil || !head.Head.Redacted {
		t.Errorf("%v, %+v", err, head)
	}
}

func (s *shop) folded(t *testing.T) {
	run := program.Start(t, "trace", "-d", "1m", "-c", s.web.Name, "--sample", "1", "--format", "folded", "--no-save")
	run.Tracing(t)
	s.client.Run("rr", "--count", "100", s.at)
	r := run.Interrupt(t)
	line, _, _ := strings.Cut(r.Stdout, "\n")
	var ns int
	if _, err := fmt.Sscan(line[strings.LastIndex(line, " ")+1:], &ns); r.Code != 0 || err != nil || ns <= 0 || !strings.Contains(line, ";") {
		t.Errorf("exit code %d, first line %q", r.Code, line)
	}
}

func (s *shop) baseline(t *testing.T) {
	home := t.TempDir()
	with := func(args ...string) program.Ending {
		run := program.Command(t, args...)
		run.Cmd.Env = append(os.Environ(), "XDG_STATE_HOME="+home, "SUDO_UID=")
		run.Start(t)
		if args[0] == "baseline" {
			s.client.Run("rr", "--count", "2000", "--rate", "1000", s.at)
		}
		return run.Wait(t)
	}
	if r := with("baseline", "save", "before", "-d", "3s", "-c", s.web.Name); r.Code != 0 || r.Stderr != "tracing "+s.web.Name+"\nsaved baseline:before\n" || r.Stdout != "" {
		t.Fatalf("exit code %d, stdout %q, stderr %q", r.Code, r.Stdout, r.Stderr)
	}
	if r := with("baseline", "list"); !strings.Contains(r.Stdout, "before") || !strings.Contains(r.Stdout, s.web.Name) {
		t.Errorf("%q, %q", r.Stdout, r.Stderr)
	}
	if r := with("diff", "baseline:before", "baseline:before"); r.Code != 0 || !strings.Contains(r.Stdout, "one/hopscope-e2e") {
		t.Errorf("exit code %d: %s, %s", r.Code, r.Stdout, r.Stderr)
	}
}
