package program

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/hopscope/hopscope/internal/lab"
)

// RSS is the memory that the program holds at present, in kB
// (proc_pid_status(5)).
func (r *Running) RSS(t lab.TB) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", r.Cmd.Process.Pid))
	if err != nil {
		t.Fatalf("%v: %v; stderr: %s", r.Cmd.Args, err, r.Stderr.String())
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(value), " kB"))
			if err != nil {
				t.Fatalf("VmRSS: %v", err)
			}
			return kb
		}
	}
	t.Fatalf("%v has no VmRSS", r.Cmd.Args)
	return 0
}

// Descriptors are the files that the program holds open, as proc_pid_fd(5) names
// them: of five looks within a second the shortest, since a file that is just
// being read is none that is held.
func (r *Running) Descriptors(t lab.TB) []string {
	t.Helper()
	held := r.open(t)
	for range 4 {
		time.Sleep(200 * time.Millisecond)
		if now := r.open(t); len(now) < len(held) {
			held = now
		}
	}
	return held
}

func (r *Running) open(t lab.TB) []string {
	t.Helper()
	at := fmt.Sprintf("/proc/%d/fd", r.Cmd.Process.Pid)
	list, err := os.ReadDir(at)
	if err != nil {
		t.Fatalf("%v: %v; stderr: %s", r.Cmd.Args, err, r.Stderr.String())
	}
	var out []string
	for _, entry := range list {
		if name, err := os.Readlink(filepath.Join(at, entry.Name())); err == nil {
			out = append(out, name)
		}
	}
	return out
}
