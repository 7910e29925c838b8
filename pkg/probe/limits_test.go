package probe

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestMemoryLimit(t *testing.T) {
	const mib = "104857600"
	for name, c := range map[string]struct {
		cgroup, mounts string // TOP is where the hierarchy is mounted
		files          map[string]string
		want           uint64
	}{
		"v1": {
			cgroup: "4:memory:/svc/a\n0::/\n", mounts: "30 24 0:26 / TOP rw shared:1 - cgroup cgroup rw,memory\n",
			files: map[string]string{"svc/a/memory.limit_in_bytes": mib, "memory.limit_in_bytes": "9223372036854771712"}, want: 100 << 20,
		},
		"v2": {
			cgroup: "0::/svc/a\n", mounts: "30 24 0:26 / TOP rw - cgroup2 cgroup2 rw\n",
			files: map[string]string{"svc/a/memory.max": "max", "svc/memory.max": mib}, want: 100 << 20,
		},
		"in a container that shows its own part": {
			cgroup: "0::/docker/x\n", mounts: "30 24 0:26 /docker/x TOP ro - cgroup2 cgroup rw\n",
			files: map[string]string{"memory.max": mib}, want: 100 << 20,
		},
		"no limit":   {cgroup: "0::/\n", mounts: "30 24 0:26 / TOP rw - cgroup2 cgroup2 rw\n", files: map[string]string{"memory.max": "max"}},
		"no mount":   {cgroup: "4:memory:/a\n", mounts: "24 1 0:20 / /proc rw - proc proc rw\n"},
		"nonsense":   {cgroup: "x\n", mounts: "y - cgroup2\n"},
		"empty file": {},
	} {
		t.Run(name, func(t *testing.T) {
			proc, top := t.TempDir(), t.TempDir()
			put := func(path, text string) {
				t.Helper()
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			put(filepath.Join(proc, "self/cgroup"), c.cgroup)
			put(filepath.Join(proc, "self/mountinfo"), strings.ReplaceAll(c.mounts, "TOP", top))
			for file, text := range c.files {
				put(filepath.Join(top, file), text+"\n")
			}
			if got, ok := memoryLimit(proc); got != c.want || ok != (c.want != 0) {
				t.Errorf("%d, %v, want %d", got, ok, c.want)
			}
		})
	}
}
