package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hopscope/hopscope/pkg/capture"
	"github.com/hopscope/hopscope/pkg/export"
	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/journey"
	"github.com/hopscope/hopscope/pkg/model"
)

const webNS, apiNS = 101, 102

// writeCapture records 30 requests of web to api, one a second, and gives the
// summary that the trace would have printed.
func writeCapture(t *testing.T, path string) model.Snapshot {
	t.Helper()
	started := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	head := capture.Head{ToolVersion: "1", Host: "docker-7", Kernel: "6.18.0", StartedAt: started, MonotonicZero: started}
	w, err := capture.Create(path, capture.Options{Head: head})
	if err != nil {
		t.Fatal(err)
	}
	facts := inventory.Facts{Host: 1, Containers: []inventory.Container{
		{ID: strings.Repeat("a", 64), Name: "api", State: "running", PID: 7, Netns: apiNS},
		{ID: strings.Repeat("b", 64), Name: "web", State: "running", PID: 8, Netns: webNS},
	}}
	agg := model.New(model.Limits{})
	for second := range 30 {
		j := journey.Journey{
			Start: uint64(second) * 1e9, Weight: 1, Bytes: 100, Segments: 1, Family: 4, Proto: journey.ProtoTCP, Ending: journey.EndingDelivered,
			First: journey.Tuple{Src: netip.MustParseAddrPort("172.20.0.2:40000"), Dst: netip.MustParseAddrPort("172.20.0.3:8080")},
			Stops: []journey.Stop{{Netns: webNS, Ifindex: 2, Point: journey.PointQueue},
				{At: time.Duration(second) * time.Millisecond, Netns: apiNS, Ifindex: 2, Point: journey.PointDeliver}},
		}
		j.Last = j.First
		agg.Add(&j, j.Hops(nil))
		if err := w.Journey(&j, nil); err != nil {
			t.Fatal(err)
		}
	}
	last := capture.Status{DurationNs: 30e9, Accounting: model.Accounting{Tracked: 30, Completed: 30, SampleRate: 1}}
	if err := errors.Join(w.Inventory(0, facts), w.Close(capture.End{Ended: "duration", Status: last})); err != nil {
		t.Fatal(err)
	}
	v := inventory.NewView(facts)
	return agg.Snapshot(v, model.Meta{ToolVersion: head.ToolVersion, Host: head.Host, Kernel: head.Kernel, StartedAt: started,
		Duration: 30 * time.Second, Ended: "duration", MonotonicZero: started, Accounting: last.Accounting, Containers: v.Containers()})
}

// runReport runs the command and gives what it printed.
func runReport(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	cmd := reportCommand()
	asUsage(cmd)
	var out, errs bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&errs)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(args)
	err = cmd.Execute()
	return out.String(), errs.String(), err
}

func TestReportIsTheLiveSummary(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.hop")
	var want bytes.Buffer
	if err := export.JSON(&want, writeCapture(t, path)); err != nil {
		t.Fatal(err)
	}
	got, stderr, err := runReport(t, path, "--format", "json")
	if err != nil || stderr != "" || got != want.String() {
		t.Errorf("%v, %q\n got %s\nwant %s", err, stderr, got, want.String())
	}
	if table, _, err := runReport(t, path, "--color", "never"); err != nil || !strings.Contains(table, "web") {
		t.Errorf("table: %v\n%s", err, table)
	}
}

func TestReportOfAPart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.hop")
	writeCapture(t, path)
	for _, c := range []struct {
		args     []string
		journeys uint64
		seconds  int64
	}{
		{[]string{"--from", "10s", "--to", "15s"}, 5, 5},
		{[]string{"--from", "2026-01-02T03:04:30Z"}, 5, 5},
		{[]string{"--to", "2026-01-02T04:04:07+01:00", "-c", "web"}, 2, 2},
		{[]string{"-c", "w*", "--proto", "tcp", "--port", "8080"}, 30, 30},
		{[]string{"--port", "81"}, 0, 30},
	} {
		out, stderr, err := runReport(t, append(c.args, path, "--format", "json")...)
		if part := c.seconds < 30; part != strings.Contains(stderr, "the whole capture") {
			t.Errorf("%v: stderr %q", c.args, stderr)
		}
		if err != nil {
			t.Errorf("%v: %v", c.args, err)
			continue
		}
		var s model.Snapshot
		if err := json.Unmarshal([]byte(out), &s); err != nil {
			t.Fatal(err)
		}
		var n uint64
		for _, p := range s.Paths {
			n += p.Journeys
		}
		if n != c.journeys || s.DurationNs != c.seconds*1e9 {
			t.Errorf("%v: %d journeys in %d ns, want %d in %d s", c.args, n, s.DurationNs, c.journeys, c.seconds)
		}
	}
}

func TestReportSaysWhatIsMissing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.hop")
	writeCapture(t, path)
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, file[:len(file)-7], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, stderr, err := runReport(t, path); err != nil || !strings.Contains(stderr, "cut short") {
		t.Errorf("%v, stderr %q", err, stderr)
	}
}

func TestReportExitCodes(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.hop")
	writeCapture(t, path)
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte("no capture at all"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{nil, exitUsage, "arg"},
		{[]string{path, "--format", "xml"}, exitUsage, "xml"},
		{[]string{path, "--from", "yesterday"}, exitUsage, "RFC 3339"},
		{[]string{path, "--from", "2s", "--to", "1s"}, exitUsage, "not before"},
		{[]string{path, "--network", "nothing"}, exitUsage, "nothing"},
		{[]string{path, "-c", "wep"}, exitNoContainer, "web"},
		{[]string{filepath.Join(dir, "none.hop")}, exitFailed, "no such file"},
		{[]string{text}, exitFailed, "not a hopscope capture"},
		{[]string{dir}, exitFailed, "is a directory"},
	} {
		_, _, err := runReport(t, c.args...)
		if exitCode(err) != c.code || err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v: exit %d (%v), want %d with %q", c.args, exitCode(err), err, c.code, c.says)
		}
	}
}
