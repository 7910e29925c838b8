package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/hopscope/hopscope/pkg/capture"
	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/journey"
	"github.com/hopscope/hopscope/pkg/model"
)

// writeLoad records 4,000 requests of web to api in 8 s, a median of 20 µs and
// delay long.
func writeLoad(t *testing.T, path string, packets int, seed uint64, delay time.Duration) {
	t.Helper()
	started := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	head := capture.Head{ToolVersion: "1", Host: "docker-7", Kernel: "6.18.0", StartedAt: started, MonotonicZero: started}
	w, err := capture.Create(path, capture.Options{Head: head})
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(seed, 5))
	for i := range packets {
		took := time.Duration(20_000*(1+r.ExpFloat64())) + delay
		j := journey.Journey{
			Start: uint64(i) * 8e9 / uint64(packets), Weight: 1, Bytes: 100, Segments: 1, Family: 4, Proto: journey.ProtoTCP, Ending: journey.EndingDelivered,
			First: journey.Tuple{Src: netip.MustParseAddrPort("172.20.0.2:40000"), Dst: netip.MustParseAddrPort("172.20.0.3:8080")},
			Stops: []journey.Stop{{Netns: webNS, Ifindex: 2, Point: journey.PointQueue}, {At: took, Netns: apiNS, Ifindex: 2, Point: journey.PointDeliver}},
		}
		j.Last = j.First
		if err := w.Journey(&j, nil); err != nil {
			t.Fatal(err)
		}
	}
	facts := inventory.Facts{Host: 1, Containers: []inventory.Container{
		{ID: strings.Repeat("a", 64), Name: "api", State: "running", PID: 7, Netns: apiNS},
		{ID: strings.Repeat("b", 64), Name: "web", State: "running", PID: 8, Netns: webNS},
	}}
	last := capture.Status{DurationNs: 8e9, Accounting: model.Accounting{Tracked: uint64(packets), Completed: uint64(packets), SampleRate: 1}}
	if err := errors.Join(w.Inventory(0, facts), w.Close(capture.End{Ended: "duration", Status: last})); err != nil {
		t.Fatal(err)
	}
}

// runCommand runs a command and gives what it printed and its exit code.
func runCommand(t *testing.T, cmd *cobra.Command, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	asUsage(cmd)
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage(err) })
	var out, errs bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&errs)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(args)
	err := cmd.Execute()
	if err != nil {
		errs.WriteString(sentence(err))
	}
	return out.String(), errs.String(), exitCode(err)
}

func TestDiffExitCodes(t *testing.T) {
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name+".hop") }
	writeLoad(t, file("before"), 4000, 1, 0)
	writeLoad(t, file("same"), 4000, 2, 0)
	writeLoad(t, file("slow"), 4000, 3, 40*time.Microsecond)
	writeLoad(t, file("few"), 50, 4, 0)
	for _, c := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"same", []string{file("before"), file("same"), "--fail-over", "20%"}, exitDone, "no regression beyond 20%"},
		{"slow", []string{file("before"), file("slow"), "--fail-over", "20%"}, exitRegression, "REGRESSED"},
		{"slow within", []string{file("before"), file("slow"), "--fail-over", "500"}, exitDone, "no regression beyond 500%"},
		{"slow without a threshold", []string{file("before"), file("slow")}, exitDone, "web → api tcp/8080 request"},
		{"faster", []string{file("slow"), file("before"), "--fail-over", "20%"}, exitDone, "no regression"},
		{"few", []string{file("before"), file("few")}, exitFailed, "too few samples"},
		{"nothing chosen", []string{file("before"), file("same"), "--port", "81"}, exitFailed, "no path in common"},
		{"unknown container", []string{file("before"), file("same"), "-c", "nope"}, exitNoContainer, ""},
		{"no percentage", []string{file("before"), file("same"), "--fail-over", "-3"}, exitUsage, ""},
		{"format", []string{file("before"), file("same"), "--format", "pdf"}, exitUsage, ""},
		{"one file", []string{file("before")}, exitUsage, ""},
		{"no file", []string{file("before"), file("gone")}, exitFailed, ""},
	} {
		stdout, stderr, code := runCommand(t, diffCommand(), c.args...)
		if code != c.code || !strings.Contains(stdout, c.want) {
			t.Errorf("%s: exit %d, want %d with %q\n%s\n%s", c.name, code, c.code, c.want, stdout, stderr)
		}
		if code != exitDone && stderr == "" {
			t.Errorf("%s: exit %d without a word", c.name, code)
		}
	}
}

func TestDiffFormats(t *testing.T) {
	dir := t.TempDir()
	before, slow := filepath.Join(dir, "before.hop"), filepath.Join(dir, "slow.hop")
	writeLoad(t, before, 4000, 1, 0)
	writeLoad(t, slow, 4000, 3, 40*time.Microsecond)
	out, _, _ := runCommand(t, diffCommand(), before, slow, "--format", "json", "--fail-over", "20%")
	var doc struct {
		Schema    string
		Regressed bool
	}
	if err := json.Unmarshal([]byte(out), &doc); err != nil || doc.Schema != "hopscope/diff/v1" || !doc.Regressed {
		t.Errorf("%v: %+v", err, doc)
	}
	for name, want := range map[string]string{"d.html": "<!DOCTYPE html>", "d.svg": "<svg ", "d.json": "{", "d.txt": "before  docker-7"} {
		file := filepath.Join(dir, name)
		out, stderr, code := runCommand(t, diffCommand(), before, slow, "-o", file)
		raw, err := os.ReadFile(file)
		if err != nil || !strings.HasPrefix(string(raw), want) || out != "" || code != exitDone || !strings.Contains(stderr, "wrote "+file) {
			t.Errorf("%s: %v, exit %d, begins %.40q; %q", name, err, code, raw, stderr)
		}
	}
}
