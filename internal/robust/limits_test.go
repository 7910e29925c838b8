package robust

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/internal/lab/program"
)

// The tests here that attach nothing need no lock.

func TestSeccompRefusesBPF(t *testing.T) {
	needsRoot(t)
	runWith(t, through(t, "no-bpf"), "trace", "--no-save", "--duration", "1s").
		WantError(t, 3, "not permitted", "seccomp filter", "hopscope doctor")
	o := runWith(t, through(t, "no-bpf"), "doctor")
	if o.Code != 3 {
		t.Errorf("doctor: exit code %d", o.Code)
	}
}

// A kernel without type information about itself is said to be one, by trace and
// by doctor.
func TestNoBTF(t *testing.T) {
	needsRoot(t)
	runWith(t, through(t, "no-btf"), "trace", "--no-save", "--duration", "1s").
		WantError(t, 3, "no BTF type information", "CONFIG_DEBUG_INFO_BTF")
	o := runWith(t, through(t, "no-btf"), "doctor")
	if o.Code != 3 || !strings.Contains(o.Stdout, "a kernel with CONFIG_DEBUG_INFO_BTF") {
		t.Errorf("doctor: exit code %d: %s", o.Code, o.Stdout)
	}
}

// What does not fit into the memory that the process may have is said before the
// kernel kills it for that, whatever the limit and the ring.
func TestMemoryLimitTooSmall(t *testing.T) {
	needsRoot(t)
	for _, c := range []struct {
		limit int // MiB
		ring  string
	}{{24, "16MiB"}, {40, "16MiB"}, {60, "16MiB"}, {95, "16MiB"}, {200, "256MiB"}, {200, "1024MiB"}} {
		t.Run(fmt.Sprintf("%d MiB for a ring of %s", c.limit, c.ring), func(t *testing.T) {
			group := memoryGroup(t, c.limit<<20)
			runWith(t, through(t, "cgroup:"+group), "trace", "--no-save", "--duration", "1s", "--ring-size", c.ring).
				WantError(t, 3, fmt.Sprintf("not enough memory: this process may have %d MiB", c.limit), "--ring-size")
		})
	}
}

// What is said to be enough is, with traffic.
func (p *pair) justEnoughMemory(t *testing.T) {
	group := memoryGroup(t, 96<<20)
	r := program.Command(t, "trace", "--no-save", "--format", "json", "--sample", "1", "--container", p.web.Name)
	through(t, "cgroup:"+group)(r.Cmd)
	r.Start(t)
	r.Tracing(t)
	wantOK(t, p.client.Run("rr", "--count", "10000", p.at), 10000)
	if s := summaryOf(t, r); s.Accounting.Tracked < 20000 {
		t.Errorf("%d packets tracked", s.Accounting.Tracked)
	}
}

// A process that may open few files is told so, and how many it takes; with as
// many it works.
func TestFewFiles(t *testing.T) {
	lab.Lock(t)
	for _, files := range []int{20, 40, 80, 120, 191} {
		runWith(t, through(t, fmt.Sprintf("files:%d", files)), "trace", "--no-save", "--duration", "1s").
			WantError(t, 3, fmt.Sprintf("it may open %d files, tracing takes up to 192 (ulimit -n)", files))
	}
	runWith(t, through(t, "files:192"), "trace", "--no-save", "--duration", "100ms").WantDone(t)
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
		// The kernel made the file, if this is a cgroup: with v1 the root of v2
		// may be a tmpfs, where anyone can make one.
		if err := write(filepath.Join(group, file), strconv.Itoa(limit)); err != nil {
			_ = os.Remove(group)
			continue
		}
		t.Cleanup(func() {
			lab.Eventually(t, "the cgroup is empty", func() bool { return os.Remove(group) == nil })
		})
		return group
	}
	t.Fatal("no cgroup with a memory limit can be made here")
	return ""
}

// write writes to a file that exists.
func write(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}
