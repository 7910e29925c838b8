package robust

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/hopscope/hopscope/internal/lab"
)

// The tests here that attach nothing need no lock.

func TestSeccompRefusesBPF(t *testing.T) {
	needsRoot(t)
	runWith(t, through(t, "no-bpf"), "trace", "--no-save", "--duration", "1s").
		wantError(t, 3, "not permitted", "seccomp filter", "hopscope doctor")
	o := runWith(t, through(t, "no-bpf"), "doctor")
	if o.code != 3 {
		t.Errorf("doctor: exit code %d", o.code)
	}
}

// Maps that do not fit into the memory that the process may have are no reason
// to crash.
func TestMemoryLimitTooSmall(t *testing.T) {
	needsRoot(t)
	group := memoryGroup(t, 200<<20)
	o := runWith(t, through(t, "cgroup:"+group), "trace", "--no-save", "--duration", "1s", "--ring-size", "1024MiB")
	o.wantError(t, 3, "memory", "--ring-size")
}

// The default fits into what a small service has.
func TestMemoryLimitOfAService(t *testing.T) {
	lab.Lock(t)
	group := memoryGroup(t, 256<<20)
	runWith(t, through(t, "cgroup:"+group), "trace", "--no-save", "--duration", "500ms").wantDone(t)
}

// needsRoot skips a test that attaches nothing where lab.Lock would.
func needsRoot(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("needs root, which -short does without")
	}
}

// memoryGroup makes a cgroup with a memory limit in bytes, of v1 or v2.
func memoryGroup(t *testing.T, limit int) string {
	t.Helper()
	for root, file := range map[string]string{"/sys/fs/cgroup/memory": "memory.limit_in_bytes", "/sys/fs/cgroup": "memory.max"} {
		group := filepath.Join(root, fmt.Sprintf("hopscope-robust-%d", os.Getpid()))
		if err := os.Mkdir(group, 0o755); err != nil {
			continue
		}
		if err := os.WriteFile(filepath.Join(group, file), []byte(strconv.Itoa(limit)), 0); err != nil {
			_ = os.Remove(group)
			continue
		}
		t.Cleanup(func() {
			eventually(t, "the cgroup is empty", func() bool { return os.Remove(group) == nil })
		})
		return group
	}
	t.Fatal("no cgroup with a memory limit can be made here")
	return ""
}
