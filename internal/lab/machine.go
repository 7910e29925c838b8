package lab

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
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
		err := removeCgroup(h.cgroup)
		if err != nil {
			t.Errorf("remove the cgroup: %v", err)
		}
	})
	return h
}

// BesideProxy is Machine, but in the cgroup of the docker-proxy processes that
// run, which is the engine's: as on a host whose engine no service manager gave
// a cgroup of its own.
func BesideProxy(t TB) *Host {
	t.Helper()
	mount, err := cgroup2()
	must(t, err, "find cgroup v2")
	for _, pid := range processes() {
		if filepath.Base(arguments(pid)[0]) != "docker-proxy" {
			continue
		}
		text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cgroup"))
		must(t, err, "read docker-proxy's cgroup")
		for line := range strings.Lines(string(text)) {
			if path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
				return &Host{Name: "this machine", Netns: HostNetns, t: t, cgroup: filepath.Join(mount, path)}
			}
		}
	}
	t.Fatalf("no docker-proxy runs in a cgroup v2")
	return nil
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

// removeCgroup waits for the processes in it, which leave a moment after they
// end.
func removeCgroup(dir string) (err error) {
	for range 100 {
		if err = os.Remove(dir); !errors.Is(err, syscall.EBUSY) {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	return err
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
