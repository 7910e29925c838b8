package lab

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// ownerEnv marks what a test process starts, and what that starts, as its own. The
// value tells the process from a later one of its number.
const ownerEnv = "HOPSCOPE_LAB_OWNER"

// Mark makes what this process starts from now on its own: when it is gone, the next
// [Sweep] ends what it has left. [Lock] does so.
func Mark() { _ = os.Setenv(ownerEnv, identity(os.Getpid())) } // the name is a good one

// OwnerEnv is the mark for a program that is given no more of the environment.
func OwnerEnv() string {
	Mark()
	return ownerEnv + "=" + os.Getenv(ownerEnv)
}

// identity is the number and the start of a process, "" when it is gone or all but
// gone (proc_pid_stat(5): fields 3 and 22).
func identity(pid int) string {
	const state, start = 0, 22 - 3 // after the name in brackets, which is field 2
	text, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) <= start || fields[state] == "Z" || fields[state] == "X" {
		return ""
	}
	return strconv.Itoa(pid) + "." + fields[start]
}

// ownerOf is the mark of a process, "" without one.
func ownerOf(pid int) string {
	text, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "environ"))
	for variable := range strings.SplitSeq(string(text), "\x00") {
		if owner, ok := strings.CutPrefix(variable, ownerEnv+"="); ok {
			return owner
		}
	}
	return ""
}

// SweepPrograms ends what test processes that are gone have left running, such as
// hopscope, which holds its place at the kernel's hooks. [Sweep] does so.
func SweepPrograms(t TB) {
	t.Helper()
	for _, pid := range processes() {
		owner := ownerOf(pid)
		number, _, _ := strings.Cut(owner, ".")
		if of, err := strconv.Atoi(number); err != nil || identity(of) == owner {
			continue
		}
		was := identity(pid)
		t.Logf("ending a left program, process %d: %s", pid, strings.Join(arguments(pid), " "))
		_ = syscall.Kill(pid, syscall.SIGKILL) // it may have gone
		Eventually(t, "a left program has ended", func() bool { return was == "" || identity(pid) != was })
	}
}
