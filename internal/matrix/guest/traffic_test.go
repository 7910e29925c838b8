//go:build matrix

package guest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/internal/lab/outcome"
)

const (
	trafficProgram = "/bin/traffic"
	cgroups        = "/sys/fs/cgroup"
	port           = 8000
)

// cgroup makes the namespace's cgroup, as an engine does for a container, and
// gives its id, which is its inode (cgroup_id in include/linux/cgroup.h).
func (ns *namespace) cgroup(t *testing.T) (path string, id uint64) {
	t.Helper()
	path = filepath.Join(cgroups, ns.name)
	if err := os.Mkdir(path, 0o755); err != nil && !os.IsExist(err) {
		t.Fatal(err)
	}
	return path, inode(t, path)
}

func inode(t *testing.T, path string) uint64 {
	t.Helper()
	info, err := os.Stat(path)
	must(t, err, "stat %s", path)
	return info.Sys().(*syscall.Stat_t).Ino
}

// start runs the traffic program in the namespace and its cgroup.
func (ns *namespace) start(t *testing.T, args ...string) (cmd *exec.Cmd, stdout *bytes.Buffer) {
	t.Helper()
	path, _ := ns.cgroup(t)
	group, err := os.Open(path)
	must(t, err, "cgroup of %s", ns.name)
	defer group.Close()
	stdout = new(bytes.Buffer)
	cmd = exec.Command(trafficProgram, args...)
	cmd.Stdout, cmd.Stderr = stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(group.Fd())}
	must(t, lab.InNetns(ns.path, cmd.Start), "traffic %s in %s", strings.Join(args, " "), ns.name)
	return cmd, stdout
}

// serve answers on port until the test ends.
func (ns *namespace) serve(t *testing.T) {
	t.Helper()
	ns.listen(t, port, "serve")
}

// listen runs the traffic program until the test ends, and waits until it
// listens.
func (ns *namespace) listen(t *testing.T, port int, args ...string) {
	t.Helper()
	cmd, _ := ns.start(t, args...)
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	deadline := time.Now().Add(10 * time.Second)
	for !listening(cmd.Process.Pid, port) {
		if time.Now().After(deadline) {
			t.Fatalf("nothing listens in %s", ns.name)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// listening looks for a port in state LISTEN (0A), proc(5).
func listening(pid, port int) bool {
	table, err := os.ReadFile(filepath.Join("/proc", itoa(pid), "net/tcp6"))
	return err == nil && bytes.Contains(table, fmt.Appendf(nil, ":%04X 00000000000000000000000000000000:0000 0A", port))
}

// echoed is traffic of datagrams that all have their echo, however busy the machine
// is that emulates this one.
func echoed(args ...string) []string { return append([]string{"udp", "--timeout", "10s"}, args...) }

// run runs the traffic program to its end. Nothing that it sends may fail.
func (ns *namespace) run(t *testing.T, args ...string) {
	t.Helper()
	if r := ns.try(t, args...); r.Errors != 0 {
		t.Errorf("traffic %s in %s: %d errors, the first: %s", strings.Join(args, " "), ns.name, r.Errors, r.FirstError)
	}
}

// try is run where packets may be lost.
func (ns *namespace) try(t *testing.T, args ...string) outcome.Result {
	t.Helper()
	cmd, stdout := ns.start(t, args...)
	must(t, cmd.Wait(), "traffic %s in %s", strings.Join(args, " "), ns.name)
	var result outcome.Result
	must(t, json.Unmarshal(stdout.Bytes(), &result), "result of traffic %s", args[0])
	return result
}

func at(addr string) string {
	return netip.AddrPortFrom(netip.MustParseAddr(addr), port).String()
}

// rules loads an nftables rule set into the host (nft(8)) for as long as the
// test runs.
func (w *world) rules(t *testing.T, set string) {
	t.Helper()
	nft(t, set)
	t.Cleanup(func() { nft(t, "flush ruleset\n") })
}

func nft(t *testing.T, set string) {
	t.Helper()
	cmd := exec.Command("nft", "-f", "-")
	cmd.Stdin = strings.NewReader(set)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("nft: %v\n%s", err, out)
	}
}
