package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hopscope/hopscope/pkg/capture"
	"github.com/hopscope/hopscope/pkg/history"
	"github.com/hopscope/hopscope/pkg/model"
)

// execute runs a whole command line in this process.
func execute(args ...string) (stdout, stderr string, err error) {
	root := rootCommand()
	var out, errs bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&errs)
	root.SetArgs(args)
	err = root.Execute()
	return out.String(), errs.String(), err
}

// broken gives names of files that are no whole capture, with what is said of
// them.
func broken(t *testing.T) map[string]string {
	t.Helper()
	dir := t.TempDir()
	whole := filepath.Join(dir, "whole.hop")
	writeCapture(t, whole)
	file, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	newer := filepath.Join(dir, "newer.hop")
	data, err := os.ReadFile("../../pkg/capture/testdata/v1.hop")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(newer, append(capturePrefaceOf(2), data[16:]...), 0o600); err != nil {
		t.Fatal(err)
	}
	put := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	noHead := append(slices.Clone(file[:16]), bytes.Repeat([]byte{0x55}, 4096)...)
	return map[string]string{
		filepath.Join(dir, "missing.hop"):             "no such file",
		put("empty.hop", nil):                         "empty",
		put("text.hop", []byte("this is no capture")): "not a hopscope capture",
		put("preface.hop", file[:16]):                 "ends before",
		put("damaged.hop", noHead):                    "damaged",
		newer:                                         "newer",
		dir:                                           "is a directory",
	}
}

// capturePrefaceOf is that of another major version (docs/capture-format.md).
func capturePrefaceOf(major uint16) []byte {
	b := binary.LittleEndian.AppendUint16([]byte("\x89HOP\r\n\x1a\n"), major)
	b = binary.LittleEndian.AppendUint16(b, 0)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
}

// TestWhatCannotBeRead: each command says it in one sentence, and fails.
func TestWhatCannotBeRead(t *testing.T) {
	for path, says := range broken(t) {
		for _, args := range [][]string{
			{"report", path}, {"replay", path}, {"flame", path, "--format", "folded"},
			{"diff", path, path}, {"redact", path, filepath.Join(t.TempDir(), "y.hop")}, {"baseline", "save", "x", path},
		} {
			_, stderr, err := execute(args...)
			if err == nil || exitCode(err) != exitFailed || stderr != "" {
				t.Errorf("%v: exit %d (%v), stderr %q", args, exitCode(err), err, stderr)
				continue
			}
			if text := sentence(err); strings.Contains(text, "\n") || !strings.Contains(text, says) {
				t.Errorf("%v: %q is not one sentence with %q", args, text, says)
			}
		}
	}
}

func TestReplayFlags(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.hop")
	writeCapture(t, path)
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{path, "--speed", "0"}, exitUsage, "between 1 and 100"},
		{[]string{path, "--speed", "101"}, exitUsage, "between 1 and 100"},
		{[]string{path, "--speed", "NaN"}, exitUsage, "between 1 and 100"},
		{[]string{path, "-c", "wep"}, exitNoContainer, "web"},
		{[]string{path, "--from", "x"}, exitUsage, "RFC 3339"},
		{[]string{path}, exitUsage, "hopscope report"}, // a test has no terminal
	} {
		_, _, err := execute(append([]string{"replay"}, c.args...)...)
		if exitCode(err) != c.code || err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v: exit %d (%v), want %d with %q", c.args, exitCode(err), err, c.code, c.says)
		}
	}
}

func TestRedactCommand(t *testing.T) {
	dir := t.TempDir()
	path, copied := filepath.Join(dir, "x.hop"), filepath.Join(dir, "y.hop")
	writeCapture(t, path)
	if _, stderr, err := execute("redact", path, copied); err != nil || stderr != "wrote "+copied+"\n" {
		t.Errorf("%v, %q", err, stderr)
	}
	out, _, err := execute("report", copied, "--format", "json")
	if err != nil || strings.Contains(out, `"web"`) || strings.Contains(out, "172.20") || !strings.Contains(out, `"c-`) {
		t.Errorf("%v, %s", err, out)
	}
	for _, to := range []string{copied, dir, filepath.Join(dir, "none", "z.hop")} {
		if _, _, err := execute("redact", path, to); exitCode(err) != exitFailed || strings.Contains(err.Error(), "\n") {
			t.Errorf("to %s: %v", to, err)
		}
	}
}

func TestBaselineCommands(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	t.Setenv("SUDO_UID", "")
	path := filepath.Join(t.TempDir(), "x.hop")
	writeCapture(t, path)
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"report", "baseline:monday"}, exitFailed, "none was saved"},
		{[]string{"report", "baseline:../x"}, exitUsage, "no name"},
		{[]string{"baseline", "save", "monday", path}, exitDone, "saved baseline:monday"},
		{[]string{"baseline", "save", "monday", path}, exitFailed, "--replace"},
		{[]string{"baseline", "save", "monday", path, "--replace"}, exitDone, "saved"},
		{[]string{"baseline", "save", "tuesday", path, "-d", "1s"}, exitUsage, "go without"},
		{[]string{"baseline", "save", "tuesday"}, exitUsage, "--duration"},
		{[]string{"baseline", "save", "a/b", path}, exitUsage, "no name"},
		{[]string{"baseline", "list"}, exitDone, "docker-7"},
		{[]string{"report", "baseline:monday"}, exitDone, "web"},
		{[]string{"diff", "baseline:monday", path}, exitFailed, "samples"},
		{[]string{"baseline", "remove", "monday"}, exitDone, ""},
		{[]string{"baseline", "remove", "monday"}, exitFailed, "monday"},
	} {
		stdout, stderr, err := execute(c.args...)
		text := stdout + stderr
		if err != nil {
			text += sentence(err)
		}
		if exitCode(err) != c.code || !strings.Contains(text, c.says) {
			t.Errorf("%v: exit %d, %q, want %d with %q", c.args, exitCode(err), text, c.code, c.says)
		}
	}
}

func TestSaveFlags(t *testing.T) {
	for _, c := range []struct{ args, says string }{
		{"--no-save --redact", "--no-save"},
		{"-o -", "name one"},
		{"--no-save --keep 1m", "--no-save"},
		{"--when drops>0", "--keep"},
		{"--keep 5ms", "less than a second"},
		{"--keep -5m", "less than a second"},
		{"--keep 1m --when p99>5", "5ms"},
		{"--keep 1m --when", "argument"},
	} {
		_, _, err := execute(append([]string{"trace"}, strings.Fields(c.args)...)...)
		if exitCode(err) != exitUsage || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: exit %d, %v, want %q", c.args, exitCode(err), err, c.says)
		}
	}
}

// TestExportOfTheView: what is on the screen goes to a page and to JSON, and an
// earlier one is not touched.
func TestExportOfTheView(t *testing.T) {
	t.Chdir(t.TempDir())
	s := writeCapture(t, "x.hop")
	s.Ended = ""
	f := history.Frame{Snapshot: s, At: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	for _, base := range []string{"hopscope-view-20260102T030405Z", "hopscope-view-20260102T030405Z-2"} {
		text, err := viewExporter{}.Export(f)
		if err != nil || text != base+".html and .json" {
			t.Fatalf("%q, %v", text, err)
		}
		var got model.Snapshot
		data, err := os.ReadFile(base + ".json")
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(data, &got); err != nil || len(got.Paths) != 1 || got.Ended != "limit" {
			t.Errorf("%v, %+v", err, got)
		}
		page, err := os.ReadFile(base + ".html")
		if err != nil || !bytes.Contains(page, []byte("<html")) || !bytes.Contains(page, []byte("web")) {
			t.Errorf("page of %d bytes, %v", len(page), err)
		}
		if info, err := os.Stat(base + ".html"); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", info, err)
		}
	}
}

func TestCompletion(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	t.Setenv("SUDO_UID", "")
	path := filepath.Join(t.TempDir(), "x.hop")
	writeCapture(t, path)
	if _, _, err := execute("baseline", "save", "monday", path); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"report", path, "--container", ""}, []string{"api", "web"}},
		{[]string{"flame", path, "-c", "w"}, []string{"web"}},
		{[]string{"trace", "--format", "f"}, []string{"folded"}},
		{[]string{"flame", path, "--format", "p"}, []string{"pprof", "perfetto"}},
		{[]string{"trace", "--proto", "icmp"}, []string{"icmp", "icmpv6"}},
		{[]string{"trace", "--when", "drops"}, []string{"drops>0"}},
		{[]string{"replay", path, "--speed", "10"}, []string{"10", "100"}},
		{[]string{"diff", "base"}, []string{"baseline:monday"}},
		{[]string{"replay", "x"}, []string{strings.TrimPrefix(capture.Extension, ".")}},
		{[]string{"trace", "--keep", ""}, nil},
		{[]string{"baseline", "save", ""}, nil},
	} {
		out, _, err := execute(append([]string{"__complete"}, c.args...)...)
		lines := strings.Split(strings.TrimSpace(out), "\n")
		if got := lines[:len(lines)-1]; err != nil || !slices.Equal(got, c.want) && len(got)+len(c.want) > 0 {
			t.Errorf("%v: %v, %v, want %v", c.args, got, err, c.want)
		}
	}
}
