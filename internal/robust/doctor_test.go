package robust

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/internal/lab/program"
)

// checkup is what the tests read of doctor's JSON document.
type checkup struct {
	Works, Degraded bool
	Sections        []struct {
		Title  string
		Checks []struct{ Name, Status, Detail, Lost, Mend string }
	}
	Findings []finding
}

type finding struct{ Kind, Severity, Text, Evidence, Mend string }

// examine runs doctor in the namespace at path; its document follows the schema.
func examine(t *testing.T, path string) (c checkup) {
	t.Helper()
	r := program.Command(t, "doctor", "--json")
	if err := lab.InNetns(path, func() error { r.Start(t); return nil }); err != nil {
		t.Fatal(err)
	}
	o := r.Wait(t)
	o.WantDone(t)
	lab.WantSchema(t, "../../docs/doctor.schema.json", o.Stdout)
	if err := json.Unmarshal([]byte(o.Stdout), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// detail is what a line of doctor says, "" without one.
func (c checkup) detail(name string) string {
	for _, s := range c.Sections {
		for _, x := range s.Checks {
			if x.Name == name {
				return x.Status + ": " + x.Detail
			}
		}
	}
	return ""
}

// with are the findings of a kind that have a text in them.
func (c checkup) with(kind, text string) (out []finding) {
	for _, f := range c.Findings {
		if f.Kind == kind && strings.Contains(f.Text+" | "+f.Evidence, text) {
			out = append(out, f)
		}
	}
	return out
}

// want looks for one finding of a kind that says something.
func (c checkup) want(t *testing.T, kind, severity, text string) {
	t.Helper()
	if got := c.with(kind, text); len(got) != 1 || got[0].Severity != severity || got[0].Mend == "" {
		t.Errorf("%s %s with %q: %+v of %+v", severity, kind, text, got, c.Findings)
	}
}

// Doctor has a line for everything that tracing rests on, and each finding a
// cause on this host: where there is none there is no finding.
func (p *pair) doctor(t *testing.T) {
	lab.BridgeNF(t, false)
	before := examine(t, lab.HostNetns)
	for _, f := range []string{"bridge_netfilter", "bpf_stats", "conntrack_full"} {
		if got := before.with(f, ""); len(got) > 0 {
			t.Errorf("without a cause: %+v", got)
		}
	}
	if got := before.with("mtu", p.web.Name); len(got) > 0 {
		t.Errorf("without a cause: %+v", got)
	}
	for _, name := range []string{
		"CAP_BPF", "CAP_PERFMON", "CAP_NET_ADMIN", "CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH", "CAP_SYS_ADMIN", "CAP_SYSLOG", "kernel lockdown",
		"BTF type information", "tracepoint net_dev_queue", "tracepoint kfree_skb", "netfilter links", "cgroup v2 hierarchy", "kernel symbols",
		"limit of open files", "limit of memory", "load and attach the programs", "ring buffer", "a packet over loopback",
		"netfilter hook prerouting", "netfilter hook input", "netfilter hook forward", "netfilter hook output", "netfilter hook postrouting",
		"docker", "cgroup mode", "qdiscs of containers", "docker-proxy", "clock source", "connection tracking", "kernel.unprivileged_bpf_disabled", "net.core.netdev_max_backlog",
	} {
		if status, _, _ := strings.Cut(before.detail(name), ":"); status != "ok" && status != "info" {
			t.Errorf("%s: %q", name, before.detail(name))
		}
	}

	lab.BridgeNF(t, true)
	lab.Sysctl(t, "kernel/bpf_stats_enabled", "1")
	proxied := p.shop.Container(lab.ContainerSpec{Name: "proxied", Publish: []string{"8000", "8001"}, Args: []string{"serve"}})
	differs, narrow := proxied.Links[0], p.web.Links[0]
	lab.SetMTU(t, lab.HostNetns, differs.HostName, 1280)
	lab.SetMTU(t, lab.HostNetns, narrow.HostName, 1300)
	lab.SetMTU(t, p.web.Netns, narrow.Name, 1300)
	after := examine(t, lab.HostNetns)
	lab.SetMTU(t, p.web.Netns, narrow.Name, 1500)
	lab.SetMTU(t, lab.HostNetns, narrow.HostName, 1500)
	after.want(t, "bridge_netfilter", "info", "bridge-nf-call-iptables, bridge-nf-call-ip6tables = 1")
	after.want(t, "bpf_stats", "info", "kernel.bpf_stats_enabled = 1")
	after.want(t, "mtu", "warning", fmt.Sprintf("%s of %s and the host's end of its veth pair (%s) differ", differs.Name, proxied.Name, differs.HostName))
	after.want(t, "mtu", "warning", "MTU 1500 and 1280")
	after.want(t, "mtu", "warning", fmt.Sprintf("longer than the MTU of %s of %s is dropped at its port of %s", narrow.Name, p.web.Name, p.net.Bridge))
	wantProxies(t, after.detail("docker-proxy"))
	proxied.Remove()
}

// wantProxies compares a line with what /proc says of the processes.
func wantProxies(t *testing.T, says string) {
	t.Helper()
	comms, err := filepath.Glob("/proc/[0-9]*/comm")
	if err != nil {
		t.Fatal(err)
	}
	processes, kb := 0, 0.0
	for _, path := range comms {
		if comm, err := os.ReadFile(path); err != nil || string(comm) != "docker-proxy\n" {
			continue
		}
		processes++
		maps, err := os.ReadFile(filepath.Join(filepath.Dir(path), "smaps"))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(maps)) {
			if pss, ok := strings.CutPrefix(line, "Pss:"); ok {
				n, err := strconv.Atoi(strings.Fields(pss)[0])
				if err != nil {
					t.Fatal(err)
				}
				kb += float64(n)
			}
		}
	}
	var gotProcesses, ports int
	var mb float64
	if _, err := fmt.Sscanf(says, "ok: %d processes for %d published ports, %fMB of memory", &gotProcesses, &ports, &mb); err != nil {
		t.Fatalf("%q: %v", says, err)
	}
	want := kb * 1024 / 1e6
	if gotProcesses != processes || processes < 2 || ports < 2 || mb < 0.8*want || mb > 1.2*want {
		t.Errorf("%q, /proc has %d processes with %.1f MB", says, processes, want)
	}
}

// A namespace of its own can have what the host must not: a table of connections
// that is nearly full, hundreds of rules, a queue that holds packets back.
func (p *pair) doctorElsewhere(t *testing.T) {
	lab.Sysctl(t, "net/netfilter/nf_conntrack_max", "2000")
	const entries = 1700
	makeConnections(t, p.client.Netns, entries)
	lab.LongChain(t, lab.Chain{Netns: p.client.Netns, Hook: "output"}, 300)
	queue := lab.TBF(t, p.client.Netns, "eth0", 8_000_000, 3000, 4000) // drops most of it
	defer queue.Remove()
	p.client.Run("udp", "--echo=false", "--count", "50", "--size", "1000", p.at)
	drops := queue.Counts().Drops
	c := examine(t, p.client.Netns)
	c.want(t, "long_chain", "info", "chain long of table ip hopscope-lab")
	c.want(t, "long_chain", "info", "300 rules")
	c.want(t, "qdisc", "warning", "qdisc tbf of eth0 holds packets back beyond 8 Mbit/s")
	c.want(t, "qdisc", "warning", fmt.Sprintf("%d packets dropped", drops))
	got := c.with("conntrack_full", "of 2000 entries")
	var count int
	if len(got) == 1 {
		_, _ = fmt.Sscanf(got[0].Evidence, "%d of 2000 entries", &count)
	}
	if now := connections(t, p.client.Netns); count < entries || count < now-20 || count > now+20 || drops < 2 {
		t.Errorf("%+v, the namespace has %d; %d drops", got, now, drops)
	}
}

// A queue inside of a container is found from the host, by the container's name.
func (p *pair) doctorInside(t *testing.T) {
	device := p.client.Links[0].Name
	queue := lab.TBF(t, p.client.Netns, device, 8_000_000, 3000, 4000) // drops most of it
	defer queue.Remove()
	p.client.Run("udp", "--echo=false", "--count", "50", "--size", "1000", p.at)
	drops := queue.Counts().Drops
	c := examine(t, lab.HostNetns)
	c.want(t, "qdisc", "warning", fmt.Sprintf("qdisc tbf of %s of %s holds packets back beyond 8 Mbit/s", device, p.client.Name))
	c.want(t, "qdisc", "warning", fmt.Sprintf("%d packets dropped", drops))
	if got := c.detail("qdisc of " + device + " of " + p.client.Name); got != "info: tbf" || drops < 2 {
		t.Errorf("%q, %d drops", got, drops)
	}
	t.Logf("%d drops; %s", drops, c.detail("qdiscs of containers"))
}

// connections is how many entries a namespace has.
func connections(t *testing.T, path string) (n int) {
	t.Helper()
	err := lab.InNetns(path, func() error {
		text, err := os.ReadFile("/proc/sys/net/netfilter/nf_conntrack_count")
		if err != nil {
			return err
		}
		n, err = strconv.Atoi(strings.TrimSpace(string(text)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// makeConnections puts entries into a namespace's connection tracking.
func makeConnections(t *testing.T, path string, n int) {
	t.Helper()
	err := lab.InNetns(path, func() error {
		for i := range n {
			from := netlink.IPTuple{SrcIP: []byte{198, 51, 100, 1}, DstIP: []byte{198, 51, 100, 2}, Protocol: 17, SrcPort: uint16(10_000 + i), DstPort: 9}
			back := netlink.IPTuple{SrcIP: from.DstIP, DstIP: from.SrcIP, Protocol: 17, SrcPort: from.DstPort, DstPort: from.SrcPort}
			flow := netlink.ConntrackFlow{FamilyType: netlink.FAMILY_V4, Forward: from, Reverse: back, TimeOut: 600}
			if err := netlink.ConntrackCreate(netlink.ConntrackTable, netlink.FAMILY_V4, &flow); err != nil {
				return fmt.Errorf("entry %d: %w", i, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
