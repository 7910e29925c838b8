package baseline

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hopscope/hopscope/pkg/capture"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func text(s string) func(string) error {
	return func(path string) error { return os.WriteFile(path, []byte(s), 0o600) }
}

func TestSaveFindRemove(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	s := Open(dir)
	if names, err := s.Names(); err != nil || len(names) != 0 {
		t.Errorf("before: %v, %v", names, err)
	}
	must(t, s.Save("monday", false, text("one")))
	must(t, s.Save("v1.2_x", false, text("two")))
	if names, err := s.Names(); err != nil || !slices.Equal(names, []string{"monday", "v1.2_x"}) {
		t.Errorf("%v, %v", names, err)
	}
	if err := s.Save("monday", false, text("three")); !errors.Is(err, ErrExists) {
		t.Errorf("once more: %v", err)
	}
	must(t, s.Save("monday", true, text("three")))
	path, err := s.Find("monday")
	must(t, err)
	if got, err := os.ReadFile(path); err != nil || string(got) != "three" {
		t.Errorf("%q, %v", got, err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info, err)
	}
	must(t, s.Remove("monday"))
	var unknown *UnknownError
	if err := s.Remove("monday"); !errors.As(err, &unknown) || !slices.Equal(unknown.Known, []string{"v1.2_x"}) {
		t.Errorf("removed twice: %v", err)
	}
}

// TestFailureLeavesWhatWas: a capture that cannot be written replaces nothing
// and leaves nothing.
func TestFailureLeavesWhatWas(t *testing.T) {
	dir := t.TempDir()
	s := Open(dir)
	must(t, s.Save("monday", false, text("one")))
	failure := errors.New("no room")
	err := s.Save("monday", true, func(path string) error {
		must(t, text("half")(path))
		return failure
	})
	if !errors.Is(err, failure) {
		t.Error(err)
	}
	entries, err := os.ReadDir(dir)
	must(t, err)
	path, err := s.Find("monday")
	must(t, err)
	if got, err := os.ReadFile(path); err != nil || string(got) != "one" || len(entries) != 1 {
		t.Errorf("%q, %v, %v", got, err, entries)
	}
}

func TestNamesStayInside(t *testing.T) {
	s := Open(t.TempDir())
	for _, name := range []string{"", ".", "..", "../x", "a/b", ".hidden", "-x", "a b", "ä", strings.Repeat("x", 65), "a\x00"} {
		var bad *NameError
		if err := s.Save(name, false, text("x")); !errors.As(err, &bad) {
			t.Errorf("%q: %v", name, err)
		}
		if _, err := s.Find(name); !errors.As(err, &bad) {
			t.Errorf("%q: %v", name, err)
		}
	}
	must(t, os.WriteFile(filepath.Join(s.dir, capture.Extension), nil, 0o600)) // has no name
	if names, err := s.Names(); err != nil || len(names) != 0 {
		t.Errorf("%v, %v", names, err)
	}
}

func TestCopy(t *testing.T) {
	from := filepath.Join(t.TempDir(), "x.hop")
	must(t, text("whole")(from))
	s := Open(t.TempDir())
	must(t, s.Save("a", false, Copy(from)))
	path, err := s.Find("a")
	must(t, err)
	info, err := os.Stat(path)
	must(t, err)
	if got, _ := os.ReadFile(path); string(got) != "whole" || info.Mode().Perm() != 0o600 {
		t.Errorf("%q, %v", got, info.Mode())
	}
	if err := s.Save("b", false, Copy(from+"x")); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func TestPlace(t *testing.T) {
	for _, c := range []struct {
		euid int
		env  map[string]string
		want string
	}{
		{1000, map[string]string{"HOME": "/home/a"}, "/home/a/.local/state/hopscope/baselines"},
		{1000, map[string]string{"HOME": "/home/a", "XDG_STATE_HOME": "/s"}, "/s/hopscope/baselines"},
		{1000, map[string]string{"HOME": "/home/a", "XDG_STATE_HOME": "s"}, "/home/a/.local/state/hopscope/baselines"},
		{0, map[string]string{"HOME": "/root"}, "/root/.local/state/hopscope/baselines"},
		{0, map[string]string{"HOME": "/root", "SUDO_UID": "0"}, "/root/.local/state/hopscope/baselines"},
		{0, map[string]string{"HOME": "/x", "SUDO_UID": "no number"}, "/x/.local/state/hopscope/baselines"},
		{0, map[string]string{}, ""},
	} {
		got, err := Place(c.euid, func(k string) string { return c.env[k] })
		if got != c.want || (err == nil) == (c.want == "") {
			t.Errorf("%d, %v: %q, %v, want %q", c.euid, c.env, got, err, c.want)
		}
	}
}
