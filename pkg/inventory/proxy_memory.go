package inventory

import (
	"bufio"
	"os"
	"strconv"
	"strings"
)

// ProxyMemory counts the docker-proxy processes that run, and the bytes that
// they take: proportional set sizes, of which the program's pages are shared by
// all of them (proc_pid_smaps_rollup(5)).
func (inv *Inventory) ProxyMemory() (processes int, bytes uint64) {
	for _, p := range inv.View().Proxies() {
		if p.Gone.IsZero() {
			processes++
			bytes += inv.proc.memory(p.PID)
		}
	}
	return processes, bytes
}

// memory is 0 for a process that is gone.
func (p procfs) memory(pid int) uint64 {
	f, err := os.Open(p.path(pid, "smaps_rollup"))
	if err != nil {
		return 0
	}
	defer f.Close()
	for sc := bufio.NewScanner(f); sc.Scan(); {
		if kb, ok := strings.CutPrefix(sc.Text(), "Pss:"); ok {
			n, _ := strconv.ParseUint(strings.TrimSpace(strings.TrimSuffix(kb, "kB")), 10, 64)
			return n * 1024
		}
	}
	return 0
}

// RootCgroup is the id of the root of cgroup v2, 0 when unknown. What is in it
// cannot be told from the host's other processes by cgroup.
func (inv *Inventory) RootCgroup() uint64 {
	if inv.cgroup.mount == "" {
		return 0
	}
	id, _ := inode(inv.cgroup.mount) // 0 when it cannot be read
	return id
}
