package robust

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// threadStatus is proc_pid_status(5) of every thread of a process.
func threadStatus(t *testing.T, pid int) (out []string) {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil || len(files) == 0 {
		t.Fatalf("process %d has no threads: %v", pid, err)
	}
	for _, f := range files {
		if b, err := os.ReadFile(f); err == nil { // a thread may end
			out = append(out, string(b))
		}
	}
	return out
}

// hexField is a field of /proc/PID/status in base 16.
func hexField(t *testing.T, status, name string) uint64 {
	t.Helper()
	for line := range strings.Lines(status) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			v, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
	}
	t.Fatalf("no %s in %s", name, status)
	return 0
}
