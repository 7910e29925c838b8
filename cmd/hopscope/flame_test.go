package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/pprof/profile"
)

func TestFlameFormats(t *testing.T) {
	dir := t.TempDir()
	source := filepath.Join(dir, "x.hop")
	writeLoad(t, source, 400, 1, 0)
	for _, c := range []struct {
		args []string
		file string
		want string
	}{
		{nil, "", "<!DOCTYPE html>"},
		{[]string{"--format", "folded"}, "", "web;web → api tcp/8080;request;in web;"},
		{[]string{"--format", "svg", "--view", "tail"}, "", "<svg "},
		{[]string{"-o", "-", "--format", "perfetto"}, "", `{"displayTimeUnit":"ns"`},
		{nil, "a.html", "<!DOCTYPE html>"},
		{nil, "a.svg", "<svg "},
		{nil, "a.folded", "web;web → api"},
		{nil, "a.json", `{"displayTimeUnit"`},
		{nil, "a.pb.gz", "\x1f\x8b"},
	} {
		args := append([]string{source}, c.args...)
		if c.file != "" {
			args = append(args, "-o", filepath.Join(dir, c.file))
		}
		out, stderr, code := runCommand(t, flameCommand(), args...)
		if c.file != "" {
			raw, err := os.ReadFile(filepath.Join(dir, c.file))
			if err != nil || out != "" {
				t.Errorf("%v: %v, printed %q", args, err, out)
			}
			out = string(raw)
		}
		if code != exitDone || !strings.HasPrefix(out, c.want) {
			t.Errorf("%v: exit %d, %q, begins %.60q", args, code, stderr, out)
		}
	}
	raw, err := os.ReadFile(filepath.Join(dir, "a.pb.gz"))
	if err != nil {
		t.Fatal(err)
	}
	if p, err := profile.Parse(bytes.NewReader(raw)); err != nil || len(p.Sample) == 0 {
		t.Errorf("pprof: %v", err)
	}
	info, err := os.Stat(filepath.Join(dir, "a.html"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the page has mode %v (%v), want that of a capture", info.Mode(), err)
	}
}

func TestFlameRefuses(t *testing.T) {
	source := filepath.Join(t.TempDir(), "x.hop")
	writeLoad(t, source, 40, 1, 0)
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"format":    {[]string{source, "--format", "pdf"}, exitUsage, "pdf"},
		"view":      {[]string{source, "--view", "sideways"}, exitUsage, "total, packet, tail"},
		"extension": {[]string{source, "-o", "x.pdf"}, exitUsage, "--format"},
		"container": {[]string{source, "-c", "nope"}, exitNoContainer, "nope"},
		"no file":   {[]string{source + "x"}, exitFailed, "no such file"},
		"nothing":   {[]string{source, "--port", "81", "--format", "folded"}, exitDone, "no packet arrived"},
	} {
		if _, stderr, code := runCommand(t, flameCommand(), c.args...); code != c.code || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: exit %d, want %d; %q, want %q", name, code, c.code, stderr, c.want)
		}
	}
}

// What a file holds is not replaced, by no command; one that cannot be finished
// does not stay.
func TestOutputOverwritesNothing(t *testing.T) {
	dir := t.TempDir()
	source, there := filepath.Join(dir, "x.hop"), filepath.Join(dir, "there.svg")
	writeLoad(t, source, 40, 1, 0)
	if err := os.WriteFile(there, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, run := range map[string]func() (string, string, int){
		"flame":  func() (string, string, int) { return runCommand(t, flameCommand(), source, "-o", there) },
		"diff":   func() (string, string, int) { return runCommand(t, diffCommand(), source, source, "-o", there) },
		"redact": func() (string, string, int) { return runCommand(t, redactCommand(), source, there) },
	} {
		_, stderr, code := run()
		if code != exitFailed || !strings.Contains(stderr, there+" exists") {
			t.Errorf("%s: exit %d, %q", name, code, stderr)
		}
	}
	if b, err := os.ReadFile(there); err != nil || string(b) != "precious" {
		t.Errorf("it holds %q, %v", b, err)
	}
	if err := writeNew(filepath.Join(dir, "half"), func(w io.Writer) error { _, _ = w.Write([]byte("half")); return errors.New("no more") }); err == nil {
		t.Error("half a file is no error")
	}
	if _, err := os.Stat(filepath.Join(dir, "half")); err == nil {
		t.Error("half a file stays")
	}
}

func TestTargetChoosesByName(t *testing.T) {
	f := target{known: flameFormats()}
	k, err := f.choose("html")
	if err != nil || k.name != "html" {
		t.Fatalf("%v, %+v", err, k)
	}
	for file, want := range map[string]string{"a.svg": "svg", "a.pb.gz": "pprof", "-": "html", "plain": "html"} {
		f.file = file
		if k, err := f.choose("html"); err != nil || k.name != want {
			t.Errorf("%s: %v, %s, want %s", file, err, k.name, want)
		}
	}
}
