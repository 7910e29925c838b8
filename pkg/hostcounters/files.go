package hostcounters

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/hopscope/hopscope/pkg/model"
)

// files reads what the kernel shows in file systems.
type files struct {
	proc   string
	groups groups
}

func number(pid int) string { return strconv.Itoa(pid) }

func compareCounts(x, y model.CounterCount) int {
	return cmp.Or(
		cmp.Compare(x.Kind, y.Kind), cmp.Compare(x.Netns, y.Netns), cmp.Compare(x.Ifindex, y.Ifindex),
		cmp.Compare(x.CPU, y.CPU), cmp.Compare(x.Container, y.Container), cmp.Compare(x.Qdisc, y.Qdisc), cmp.Compare(x.Rule, y.Rule),
		cmp.Compare(x.Hook, y.Hook), cmp.Compare(x.Stage, y.Stage))
}

func (f files) namespace(pid int) string { return filepath.Join(f.proc, number(pid), "ns/net") }

// isIn guards against a process id that was used again.
func (f files) isIn(pid string, netns uint32) bool {
	link, err := os.Readlink(filepath.Join(f.proc, pid, "ns/net"))
	return err == nil && link == fmt.Sprintf("net:[%d]", netns)
}

func (f files) runs(pid string) bool {
	_, err := os.Readlink(filepath.Join(f.proc, pid, "ns/net"))
	return err == nil
}

func (f files) text(names ...string) (string, bool) {
	b, err := os.ReadFile(filepath.Join(append([]string{f.proc}, names...)...))
	return string(b), err == nil
}

// netstat reads TcpExt of the namespace of a process (snmp(7) names of
// net/ipv4/proc.c): a line of names, then one of values.
func (f files) netstat(netns uint32, pid string) reading {
	s, ok := f.text(pid, "net/netstat")
	if !ok || !f.isIn(pid, netns) {
		return nil
	}
	var names []string
	for line := range strings.Lines(s) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] != "TcpExt:" {
			continue
		}
		if names == nil {
			names = fields
			continue
		}
		out := reading{}
		for i, name := range names[:min(len(names), len(fields))] {
			kind, wanted := map[string]model.CounterKind{
				"ListenOverflows": model.CountListenOverflows, "ListenDrops": model.CountListenDrops,
			}[name]
			if !wanted {
				continue
			}
			if n, err := strconv.ParseUint(fields[i], 10, 64); err == nil {
				out[model.CounterKey{Kind: kind, Netns: netns}] = n
			}
		}
		return out
	}
	return nil
}

// softnet reads hexadecimal columns, a line for each CPU that is online
// (softnet_seq_show, net/core/net-procfs.c); the 13th is the CPU's number.
func (f files) softnet() reading {
	s, ok := f.text("net/softnet_stat")
	if !ok {
		return nil
	}
	out := reading{}
	line := 0
	for text := range strings.Lines(s) {
		fields := strings.Fields(text)
		cpu := uint64(line)
		line++
		if len(fields) > 12 {
			if n, err := strconv.ParseUint(fields[12], 16, 32); err == nil {
				cpu = n
			}
		}
		for i, kind := range []model.CounterKind{model.CountSoftnetProcessed, model.CountSoftnetDropped, model.CountSoftnetSqueezed} {
			if i >= len(fields) {
				break
			}
			if n, err := strconv.ParseUint(fields[i], 16, 64); err == nil {
				out[model.CounterKey{Kind: kind, CPU: uint32(cpu)}] = n
			}
		}
	}
	return out
}

// conntrack reads the table's size and, CPU by CPU, what it refused
// (ct_cpu_seq_show, net/netfilter/nf_conntrack_standalone.c). The file has a
// line for each possible CPU; each counter may wrap on its own.
func (f files) conntrack(netns uint32) reading {
	out := reading{}
	for name, kind := range map[string]model.CounterKind{
		"nf_conntrack_count": model.CountConntrackEntries, "nf_conntrack_max": model.CountConntrackMax,
	} {
		s, ok := f.text("sys/net/netfilter", name)
		if !ok {
			return nil
		}
		n, err := strconv.ParseUint(strings.TrimSpace(s), 10, 64)
		if err != nil {
			return nil
		}
		out[model.CounterKey{Kind: kind, Netns: netns}] = n
	}
	s, _ := f.text("net/stat/nf_conntrack") // without it, the size alone is known
	var names []string
	cpu := uint32(0)
	for line := range strings.Lines(s) {
		fields := strings.Fields(line)
		if names == nil {
			names = fields
			continue
		}
		for i, name := range names[:min(len(names), len(fields))] {
			kind := model.CounterKind("conntrack_" + name)
			switch kind {
			case model.CountConntrackDrop, model.CountConntrackInsertFailed, model.CountConntrackEarlyDrop:
				if n, err := strconv.ParseUint(fields[i], 16, 64); err == nil {
					out[model.CounterKey{Kind: kind, Netns: netns, CPU: cpu}] = n
				}
			}
		}
		cpu++
	}
	return out
}

// groups are where the cgroups with the CPU's counters are mounted, "" where
// there is none.
type groups struct {
	unified string // cgroup v2: cpu.stat, cpu.pressure
	cpu     string // cgroup v1, controller cpu: cpu.stat
}

// findGroups reads the mounts of the host's init, or of this process (see
// proc_pid_mountinfo(5): mount point in field 5; type, source and options after
// the separator).
func findGroups(proc string) (g groups) {
	for _, pid := range []string{"1", "self"} {
		b, err := os.ReadFile(filepath.Join(proc, pid, "mountinfo"))
		if err != nil {
			continue
		}
		root := filepath.Join(proc, pid, "root")
		for line := range strings.Lines(string(b)) {
			before, after, ok := strings.Cut(line, " - ")
			fields, kind := strings.Fields(before), strings.Fields(after)
			if !ok || len(fields) < 5 || len(kind) < 3 {
				continue
			}
			path := filepath.Join(root, fields[4])
			if _, err := os.Stat(path); err != nil {
				continue
			}
			switch {
			case kind[0] == "cgroup2":
				g.unified = path
			case kind[0] == "cgroup" && strings.Contains(","+kind[2]+",", ",cpu,"):
				g.cpu = path
			}
		}
		if g != (groups{}) {
			return g
		}
	}
	return g
}

// cpu reads how long the container was held back by its CPU limit, and how long
// some task of it waited for a CPU.
func (f files) cpu(c Container) reading {
	s, ok := f.text(number(c.PID), "cgroup")
	if !ok {
		return nil
	}
	out := reading{}
	for line := range strings.Lines(s) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) < 3 {
			continue
		}
		path, ok := cutBehind(parts[2], c.ID)
		if !ok {
			continue
		}
		switch {
		case parts[1] == "" && f.groups.unified != "":
			dir := filepath.Join(f.groups.unified, path)
			out.add(model.CountCPUPressure, c.ID, pressure(dir), 1)
			out.add(model.CountThrottled, c.ID, field(dir, "cpu.stat", "throttled_usec"), 1000)
		case strings.Contains(","+parts[1]+",", ",cpu,") && f.groups.cpu != "":
			dir := filepath.Join(f.groups.cpu, path)
			out.add(model.CountThrottled, c.ID, field(dir, "cpu.stat", "throttled_time"), 1)
		}
	}
	return out
}

// add keeps a counter, unless it is unknown.
func (r reading) add(kind model.CounterKind, container string, n *uint64, unit uint64) {
	if n != nil {
		r[model.CounterKey{Kind: kind, Container: container}] = *n * unit
	}
}

// cutBehind is the container's own cgroup: its init may be in one below.
func cutBehind(path, id string) (string, bool) {
	i := strings.Index(path, id)
	if i < 0 || id == "" {
		return "", false
	}
	end := i + strings.IndexByte(path[i:]+"/", '/')
	return path[:end], true
}

// field finds "name value" in a flat keyed file (cgroups v2, "Conventions").
func field(dir, file, name string) *uint64 {
	b, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(b)) {
		var n uint64
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			if _, err := fmt.Sscan(rest, &n); err == nil {
				return &n
			}
		}
	}
	return nil
}

// pressure is the total of the first line (accounting/psi):
// "some avg10=0.00 avg60=0.00 avg300=0.00 total=0", in microseconds.
func pressure(dir string) *uint64 {
	b, err := os.ReadFile(filepath.Join(dir, "cpu.pressure"))
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(b)) {
		if _, total, ok := strings.Cut(line, "total="); ok && strings.HasPrefix(line, "some ") {
			if n, err := strconv.ParseUint(strings.TrimSpace(total), 10, 64); err == nil {
				return &n
			}
		}
	}
	return nil
}
