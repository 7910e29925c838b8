// Package hostfacts reads what a host's own configuration does to latency:
// connection tracking, rules, qdiscs, NIC settings, clock. It only reads; what
// cannot be read is unknown, never 0.
package hostfacts

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Facts is the host at one moment. A nil pointer, map or list is unknown, or
// not there.
type Facts struct {
	CPUs      int
	Conntrack *Conntrack
	BridgeNF  map[string]bool // by family: iptables, ip6tables, arptables; nil: br_netfilter is not loaded
	Softnet   []Softnet       // by CPU that is online
	Clock     *Clock
	NICs      []NIC
	Chains    []Chain // the longest first
	Qdiscs    []Qdisc // of this process's namespace, but for those of no effect; others by [QdiscsIn]
	Limits    []Limit
	Uplink    string // device of the default route (IPv4), "" without one
	Cgroups   string // v1, v2, hybrid, "" when unknown
}

// Limit is one kernel setting that bounds or slows tracing or the network.
type Limit struct {
	Name  string // as sysctl(8) takes it
	Value string
}

// Reader reads the facts. The zero value reads this host.
type Reader struct {
	Proc string        // "": /proc
	Sys  string        // "": /sys
	Wait time.Duration // how long rates are measured for; 0: they are unknown

	offline bool // tests on fixtures ask no kernel
}

// Read takes the facts in. It does not fail: what is not there stays unknown.
func (r Reader) Read() Facts {
	if r.Proc == "" {
		r.Proc = "/proc"
	}
	if r.Sys == "" {
		r.Sys = "/sys"
	}
	f := Facts{
		Conntrack: r.conntrack(), BridgeNF: r.bridgeNF(), Softnet: r.softnet(),
		Clock: r.clock(), Limits: r.limits(), Uplink: r.uplink(), Cgroups: r.cgroups(),
	}
	f.CPUs = len(f.Softnet)
	f.NICs = r.nics()
	if r.Wait > 0 {
		time.Sleep(r.Wait)
		rates(f.NICs, r.nics(), r.Wait)
	}
	if !r.offline {
		f.Chains, f.Qdiscs = readChains(), readQdiscs()
		for i := range f.NICs {
			f.NICs[i].Offloads = readOffloads(f.NICs[i].Name)
		}
	}
	return f
}

// bridgeNF says which rules a bridge calls (net/bridge/br_netfilter_hooks.c).
func (r Reader) bridgeNF() map[string]bool {
	var out map[string]bool
	for _, family := range []string{"iptables", "ip6tables", "arptables"} {
		if v, ok := r.number(r.Proc, "sys/net/bridge/bridge-nf-call-"+family); ok {
			if out == nil {
				out = make(map[string]bool)
			}
			out[family] = v != 0
		}
	}
	return out
}

// uplink reads the routing table (net/ipv4/fib_trie.c, fib_route_seq_show): the
// default route has destination and mask 0.
func (r Reader) uplink() string {
	s, _ := r.text(r.Proc, "net/route")
	for line := range strings.Lines(s) {
		f := strings.Fields(line)
		if len(f) > 7 && f[1] == "00000000" && f[7] == "00000000" {
			return f[0]
		}
	}
	return ""
}

// cgroups says which hierarchies are mounted (proc_pid_mountinfo(5): the type
// follows the separator).
func (r Reader) cgroups() string {
	s, _ := r.text(r.Proc, "self/mountinfo")
	v1, v2 := strings.Contains(s, " - cgroup "), strings.Contains(s, " - cgroup2 ")
	switch {
	case v1 && v2:
		return "hybrid"
	case v1:
		return "v1"
	case v2:
		return "v2"
	}
	return ""
}

// limits are the settings that are worth a line.
func (r Reader) limits() []Limit {
	var out []Limit
	for _, name := range []string{
		"kernel.unprivileged_bpf_disabled", "kernel.bpf_stats_enabled", "kernel.kptr_restrict",
		"net.core.bpf_jit_enable", "net.core.netdev_max_backlog", "net.core.netdev_budget", "net.core.somaxconn",
	} {
		if v, ok := r.text(r.Proc, "sys/"+strings.ReplaceAll(name, ".", "/")); ok {
			out = append(out, Limit{name, v})
		}
	}
	return out
}

// limit is the value of a setting, "" when unknown.
func (f Facts) limit(name string) string {
	for _, l := range f.Limits {
		if l.Name == name {
			return l.Value
		}
	}
	return ""
}

func (r Reader) text(root, name string) (string, bool) {
	b, err := os.ReadFile(filepath.Join(root, name))
	return strings.TrimSpace(string(b)), err == nil
}

func (r Reader) number(root, name string) (uint64, bool) {
	s, ok := r.text(root, name)
	if !ok {
		return 0, false
	}
	v, err := strconv.ParseUint(s, 10, 64)
	return v, err == nil
}

// hexTable reads a table of hexadecimal columns, one row a CPU. With a header,
// columns go by name, without one by number.
func (r Reader) hexTable(name string, header bool) (rows []map[string]uint64) {
	s, ok := r.text(r.Proc, name)
	if !ok {
		return nil
	}
	var columns []string
	for line := range strings.Lines(s) {
		fields := strings.Fields(line)
		if header && columns == nil {
			columns = fields
			continue
		}
		row := make(map[string]uint64, len(fields))
		for i, f := range fields {
			column := strconv.Itoa(i)
			if i < len(columns) {
				column = columns[i]
			}
			if v, err := strconv.ParseUint(f, 16, 64); err == nil {
				row[column] = v
			}
		}
		rows = append(rows, row)
	}
	return rows
}

func plural(n uint64, what string) string {
	if n == 1 {
		return fmt.Sprintf("%d %s", n, what)
	}
	if stem, ok := strings.CutSuffix(what, "y"); ok {
		return fmt.Sprintf("%d %sies", n, stem)
	}
	return fmt.Sprintf("%d %ss", n, what)
}
