package capture

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestCreateIsPrivate(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	t.Setenv("SUDO_UID", "12345")
	t.Setenv("SUDO_GID", "54321")
	w, path := create(t, Options{})
	ok(t, w.Close(End{}))
	info, err := os.Stat(path)
	ok(t, err)
	if info.Mode() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	st := info.Sys().(*syscall.Stat_t)
	uid, gid := uint32(12345), uint32(54321)
	if os.Geteuid() != 0 {
		uid, gid = uint32(os.Geteuid()), uint32(os.Getegid())
	}
	if st.Uid != uid || st.Gid != gid {
		t.Errorf("owner %d:%d, want %d:%d", st.Uid, st.Gid, uid, gid)
	}
}

func TestCreateRefuses(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "file.hop"), filepath.Join(dir, "link.hop")
	ok(t, os.WriteFile(file, []byte("precious"), 0o644))
	ok(t, os.Symlink(file, link))
	for _, c := range []struct {
		path      string
		overwrite bool
		says      string
	}{
		{file, false, "exists"},
		{link, false, "exists"},
		{link, true, "no regular file"},
		{dir, false, "is a directory"},
		{dir, true, "is a directory"},
		{filepath.Join(dir, "no", "such.hop"), false, "no such file or directory"},
		{filepath.Join(file, "below.hop"), true, "not a directory"},
		{"/proc/hopscope.hop", false, "/proc/hopscope.hop"},
	} {
		w, err := Create(c.path, Options{Overwrite: c.overwrite})
		if err == nil {
			_ = w.Abandon()
			t.Errorf("%s, overwrite %v: created", c.path, c.overwrite)
			continue
		}
		if !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s, overwrite %v: %v, want %q", c.path, c.overwrite, err, c.says)
		}
	}
	if _, err := Create(file, Options{}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("%v is not fs.ErrExist", err)
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "precious" {
		t.Errorf("the file that was there: %q, %v", b, err)
	}
	w, err := Create(file, Options{Overwrite: true})
	ok(t, err)
	ok(t, w.Close(End{}))
	if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 {
		t.Errorf("replaced: %v, %v", info, err)
	}
}

func TestSudoUser(t *testing.T) {
	for _, c := range []struct {
		euid     int
		uid, gid string
		want     bool
	}{
		{0, "1000", "1000", true},
		{1000, "1000", "1000", false},
		{0, "", "", false},
		{0, "1000", "", false},
		{0, "-1", "1000", false},
		{0, "4294967295", "1000", false},
		{0, "1000; rm", "1000", false},
		{0, "99999999999", "1000", false},
	} {
		uid, gid, ok := sudoUser(c.euid, func(k string) string {
			return map[string]string{"SUDO_UID": c.uid, "SUDO_GID": c.gid}[k]
		})
		if ok != c.want || ok && (uid != 1000 || gid != 1000) {
			t.Errorf("%+v: %d, %d, %v", c, uid, gid, ok)
		}
	}
}

func TestDefaultName(t *testing.T) {
	at := time.Date(2026, 1, 2, 4, 4, 5, 0, time.FixedZone("", 3600))
	for want, selection := range map[string][]string{
		"hopscope-all-20260102T030405Z.hop":                             nil,
		"hopscope-web-20260102T030405Z.hop":                             {"web"},
		"hopscope-web+api_2_-20260102T030405Z.hop":                      {"web", "api[2]"},
		"hopscope-.._.._etc-20260102T030405Z.hop":                       {"../../etc"},
		"hopscope-" + strings.Repeat("a", 64) + "-20260102T030405Z.hop": {strings.Repeat("a", 300)},
	} {
		got := DefaultName(selection, at)
		if got != want || filepath.Base(got) != got {
			t.Errorf("%q: %s, want %s", selection, got, want)
		}
	}
}
