package cgroup2

import (
	"os"
	"path/filepath"
	"testing"
)

const (
	hybrid = "30 24 0:26 / /sys/fs/cgroup ro - tmpfs tmpfs ro\n31 30 0:27 / /sys/fs/cgroup/unified rw,nosuid shared:9 - cgroup2 cgroup2 rw\n"
	nested = "40 24 0:27 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n"
	none   = "24 1 0:20 / /proc rw - proc proc rw\n"
)

func TestFind(t *testing.T) {
	for name, tc := range map[string]struct {
		self, init     string // mounts of
		ownNamespace   bool   // the program is in a cgroup namespace of its own
		throughInit    bool   // init's root can be looked into
		path, wantRoot string // path: relative to proc where it goes through it
	}{
		"host":                             {self: hybrid, init: hybrid, throughInit: true, path: "/sys/fs/cgroup/unified", wantRoot: "/"},
		"container without a mount":        {self: none, init: hybrid, throughInit: true, path: "1/root/sys/fs/cgroup/unified", wantRoot: "/"},
		"container with its own cgroup":    {self: nested, init: hybrid, ownNamespace: true, throughInit: true, path: "1/root/sys/fs/cgroup/unified", wantRoot: "/"},
		"the same, init is out of reach":   {self: nested, init: hybrid, ownNamespace: true, path: "/sys/fs/cgroup", wantRoot: "/docker/abc"},
		"container in the host's (a part)": {self: nested, init: hybrid, throughInit: true, path: "/sys/fs/cgroup", wantRoot: "/docker/abc"},
		"nowhere":                          {self: none, init: none, throughInit: true},
	} {
		t.Run(name, func(t *testing.T) {
			proc := t.TempDir()
			write := func(path, text string) {
				t.Helper()
				path = filepath.Join(proc, path)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			link := func(path, to string) {
				t.Helper()
				path = filepath.Join(proc, path)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.Symlink(to, path); err != nil {
					t.Fatal(err)
				}
			}
			write("self/mountinfo", tc.self)
			write("1/mountinfo", tc.init)
			link("1/ns/cgroup", "cgroup:[1]")
			link("self/ns/cgroup", map[bool]string{false: "cgroup:[1]", true: "cgroup:[2]"}[tc.ownNamespace])
			if tc.throughInit {
				write("1/root/sys/fs/cgroup/unified/cgroup.procs", "")
			}
			want := Mount{Path: tc.path, Root: tc.wantRoot}
			if tc.path != "" && !filepath.IsAbs(tc.path) {
				want.Path = filepath.Join(proc, tc.path)
			}
			if got := Find(proc); got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}
