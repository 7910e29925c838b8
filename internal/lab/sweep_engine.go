package lab

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/vishvananda/netlink"
)

// sweepPrivate removes the containers that a [Private] engine left running when
// it died, or its test, and the bridges that they are on: two bridges of one
// subnet would lead the next test astray. Under the lock there is no living
// engine of a test's own.
func sweepPrivate(t TB) {
	t.Helper()
	children := make(map[int][]int)
	var shims []int
	for _, pid := range processes() {
		children[parentOf(pid)] = append(children[parentOf(pid)], pid)
		if args := arguments(pid); strings.Contains(args[0], "containerd-shim") && privateDir(args) {
			shims = append(shims, pid)
		}
	}
	for _, shim := range shims {
		t.Logf("removing what a private engine left: process %d", shim)
		for _, pid := range children[shim] {
			sweepBridges(pid)
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may have gone
		}
		_ = syscall.Kill(shim, syscall.SIGKILL)
	}
}

// sweepBridges removes the bridges of the host that a container is on, with
// their rules, which would masquerade what the next test sends.
func sweepBridges(pid int) {
	links, err := linksOf(NetnsOf(pid))
	if err != nil {
		return // it is ending
	}
	for _, l := range links {
		host, err := netlink.LinkByName(l.HostName)
		if err != nil || host.Attrs().MasterIndex == 0 {
			continue
		}
		if bridge, err := netlink.LinkByIndex(host.Attrs().MasterIndex); err == nil && strings.HasPrefix(bridge.Attrs().Name, "br-") {
			_ = netlink.LinkDel(bridge)
			for _, program := range []string{"iptables", "ip6tables"} {
				_ = dropRules(workingIptables(program), bridge.Attrs().Name)
			}
		}
	}
}

func processes() (pids []int) {
	entries, _ := os.ReadDir("/proc") // is always there
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// arguments of a process; there is at least one, "" when it has gone.
func arguments(pid int) []string {
	text, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
	return strings.Split(string(text), "\x00")
}

// parentOf reads the fourth field of proc_pid_stat(5), the second after the
// name in brackets.
func parentOf(pid int) int {
	text, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	_, after, _ := strings.Cut(string(text), ") ")
	if fields := strings.Fields(after); len(fields) > 1 {
		ppid, _ := strconv.Atoi(fields[1])
		return ppid
	}
	return 0
}

// privateDir says whether an argument names a private engine's directory.
func privateDir(args []string) bool {
	start := filepath.Join(os.TempDir(), prefix+"engine-")
	for _, a := range args {
		if strings.HasPrefix(a, start) {
			return true
		}
	}
	return false
}
