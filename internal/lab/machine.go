package lab

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Machine is this machine as a host: its programs run in its own network
// namespace, and in a cgroup of their own, as those of a service or a login
// do. It has no addresses of its own to tell, only programs to run.
func Machine(t TB) *Host {
	t.Helper()
	mount, err := cgroup2()
	must(t, err, "find cgroup v2")
	h := &Host{Name: "this machine", Netns: HostNetns, t: t, cgroup: filepath.Join(mount, prefix+randomHex())}
	must(t, os.Mkdir(h.cgroup, 0o755), "make a cgroup")
	t.Cleanup(func() {
		// A process that was killed leaves its cgroup a moment later.
		for range 100 {
			if err = os.Remove(h.cgroup); !errors.Is(err, syscall.EBUSY) {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		if err != nil {
			t.Errorf("remove the cgroup: %v", err)
		}
	})
	return h
}

// cgroup2 is where cgroup v2 is mounted (proc_pid_mountinfo(5)).
func cgroup2() (string, error) {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(table)) {
		before, after, _ := strings.Cut(line, " - ")
		if fields := strings.Fields(before); len(fields) > 4 && strings.HasPrefix(after, "cgroup2 ") {
			return fields[4], nil
		}
	}
	return "", errors.New("it is not mounted")
}

// startIn starts a program in a cgroup (clone3(2), CLONE_INTO_CGROUP).
func startIn(cgroup string, cmd *exec.Cmd) error {
	if cgroup == "" {
		return cmd.Start()
	}
	dir, err := os.Open(cgroup)
	if err != nil {
		return err
	}
	defer dir.Close()
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(dir.Fd())}
	return cmd.Start()
}

// sweepCgroups removes what Machine makes. One that has processes stays.
func sweepCgroups() {
	mount, err := cgroup2()
	if err != nil {
		return
	}
	left, _ := filepath.Glob(filepath.Join(mount, prefix+"*")) // the pattern is well formed
	for _, dir := range left {
		_ = os.Remove(dir)
	}
}
