package probe

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// What loading takes at most, as measured, and some more: programs, maps and links
// are descriptors; maps, and the kernel's type information while it is read, are
// memory.
const (
	leastFiles  = 192
	leastMemory = 80 << 20 // besides the ring
)

// ErrLimit says that this process may have less of something than tracing takes.
var ErrLimit = errors.New("a limit of this process is too low")

// Limit is one of this process's.
type Limit struct {
	Name  string // "open files", "memory"
	Has   uint64 // in bytes where it is memory; 0: no limit, or none that is known
	Takes uint64 // what tracing takes at most
}

// Enough says whether tracing fits in.
func (l Limit) Enough() bool { return l.Has == 0 || l.Has >= l.Takes }

// Limits are those that tracing with the default ring can run into.
func Limits() []Limit { return []Limit{fileLimit(), memoryLimitFor(DefaultRingBytes)} }

func fileLimit() Limit {
	l := Limit{Name: "open files", Takes: leastFiles}
	var files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err == nil {
		l.Has = files.Cur
	}
	return l
}

func memoryLimitFor(ringBytes int) Limit {
	has, _ := memoryLimit("/proc")
	return Limit{Name: "memory", Has: has, Takes: uint64(leastMemory + ringBytes)}
}

// withinLimits finds out first what would show later as something else: a process
// that runs out of its cgroup's memory is killed without a word.
func withinLimits(ringBytes int) error {
	if l := fileLimit(); !l.Enough() {
		return fmt.Errorf("%w: it may open %d files, tracing takes up to %d (ulimit -n)", ErrLimit, l.Has, l.Takes)
	}
	if l := memoryLimitFor(ringBytes); !l.Enough() {
		return fmt.Errorf("%w: this process may have %d MiB, with a ring of %d MiB tracing takes up to %d MiB (a smaller --ring-size, or a higher memory limit)",
			ErrMemory, l.Has>>20, ringBytes>>20, l.Takes>>20)
	}
	return nil
}

// memoryLimit is the lowest limit of this process's cgroup and of those above it,
// in bytes (cgroups(7)); ok is false where none is known.
func memoryLimit(proc string) (lowest uint64, ok bool) {
	groups, err := os.ReadFile(filepath.Join(proc, "self/cgroup"))
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(groups)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 {
			continue
		}
		kind, option, file := "cgroup", "memory", "memory.limit_in_bytes"
		switch {
		case f[0] == "0" && f[1] == "":
			kind, option, file = "cgroup2", "", "memory.max"
		case f[1] != "memory":
			continue
		}
		root, top := mountOf(proc, kind, option)
		if top == "" {
			continue
		}
		for dir := filepath.Join(top, strings.TrimPrefix(f[2], root)); strings.HasPrefix(dir, top); dir = filepath.Dir(dir) {
			if v, known := limitIn(filepath.Join(dir, file)); known && (!ok || v < lowest) {
				lowest, ok = v, true
			}
		}
	}
	return lowest, ok
}

// mountOf finds a hierarchy by its kind and an option of it: the part that is
// mounted, and where (proc_pid_mountinfo(5)).
func mountOf(proc, kind, option string) (root, at string) {
	mounts, err := os.ReadFile(filepath.Join(proc, "self/mountinfo"))
	if err != nil {
		return "", ""
	}
	for line := range strings.Lines(string(mounts)) {
		before, after, _ := strings.Cut(strings.TrimSpace(line), " - ")
		f, fs := strings.Fields(before), strings.Fields(after)
		if len(f) < 5 || len(fs) < 3 || fs[0] != kind {
			continue
		}
		if option == "" || strings.Contains(","+fs[2]+",", ","+option+",") {
			return strings.TrimSuffix(f[3], "/"), f[4]
		}
	}
	return "", ""
}

// limitIn reads a limit. None is "max", or with v1 the largest number of pages.
func limitIn(path string) (uint64, bool) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	v, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	return v, err == nil && v < 1<<62
}
