package hostfacts

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// host writes files below a directory and reads the facts from there.
func host(t *testing.T, files map[string]string) Facts {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return Reader{Proc: filepath.Join(root, "proc"), Sys: filepath.Join(root, "sys"), offline: true}.Read()
}

const conntrackStat = `entries  clashres found new invalid ignore delete chainlength insert insert_failed drop early_drop icmp_error  expect_new expect_create expect_delete search_restart
00000091  00000000 00000000 00000000 0000023a 00000000 00000000 00000000 00000000 0000000a 00000010 00000002 00000000  00000000 00000000 00000000 00000000
00000091  00000000 00000000 00000000 0000003b 00000000 00000000 00000000 00000000 00000001 00000001 00000000 00000000  00000000 00000000 00000000 00000000
`

const softnetStat = `025651fb 00000000 00000011 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000
005bb1c9 00000007 00000003 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000003 00000000 00000000
`

func TestReadsAHost(t *testing.T) {
	f := host(t, map[string]string{
		"proc/sys/net/netfilter/nf_conntrack_count":                         "250000\n",
		"proc/sys/net/netfilter/nf_conntrack_max":                           "262144\n",
		"proc/net/stat/nf_conntrack":                                        conntrackStat,
		"proc/net/route":                                                    "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\ndocker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\neth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n",
		"proc/self/mountinfo":                                               "30 23 0:26 / /sys/fs/cgroup/unified rw - cgroup2 none rw\n31 23 0:27 / /sys/fs/cgroup/memory rw - cgroup none rw,memory\n",
		"proc/net/softnet_stat":                                             softnetStat,
		"proc/sys/net/bridge/bridge-nf-call-iptables":                       "1\n",
		"proc/sys/net/bridge/bridge-nf-call-ip6tables":                      "0\n",
		"proc/sys/net/core/netdev_max_backlog":                              "1000\n",
		"sys/devices/system/clocksource/clocksource0/current_clocksource":   "hpet\n",
		"sys/devices/system/clocksource/clocksource0/available_clocksource": "hpet acpi_pm \n",
		"sys/class/net/eth0/device/vendor":                                  "0x1af4\n",
		"sys/class/net/eth0/mtu":                                            "1500\n",
		"sys/class/net/eth0/operstate":                                      "up\n",
		"sys/class/net/eth0/statistics/rx_packets":                          "1000\n",
		"sys/class/net/eth0/queues/rx-0/rps_cpus":                           "00000000,00000000\n",
		"sys/class/net/eth0/queues/tx-0/xps_cpus":                           "00000000,00000001\n",
		"sys/class/net/eth0/queues/tx-1/xps_cpus":                           "0\n",
		"sys/class/net/docker0/mtu":                                         "1500\n",
	})
	if f.Conntrack == nil || *f.Conntrack != (Conntrack{Count: 250000, Max: 262144, Dropped: 17, EarlyDropped: 2, InsertFailed: 11}) {
		t.Errorf("conntrack: %+v", f.Conntrack)
	}
	if want := []Softnet{{0, 0x025651fb, 0, 0x11}, {3, 0x005bb1c9, 7, 3}}; !slices.Equal(f.Softnet, want) {
		t.Errorf("softnet: %+v", f.Softnet)
	}
	if !f.BridgeNF["iptables"] || f.BridgeNF["ip6tables"] || len(f.BridgeNF) != 2 {
		t.Errorf("bridge netfilter: %v", f.BridgeNF)
	}
	if f.Clock == nil || f.Clock.Source != "hpet" || len(f.Clock.Available) != 2 {
		t.Errorf("clock: %+v", f.Clock)
	}
	if len(f.NICs) != 1 {
		t.Fatalf("NICs: %+v", f.NICs)
	}
	if n := f.NICs[0]; n.Name != "eth0" || n.MTU != 1500 || !n.Up || n.RxQueues != 1 || n.TxQueues != 2 || n.RPS || !n.XPS || n.Rate != -1 {
		t.Errorf("NIC: %+v", n)
	}
	if f.Uplink != "eth0" || f.Cgroups != "hybrid" {
		t.Errorf("uplink %q, cgroups %q", f.Uplink, f.Cgroups)
	}
	if v := f.limit("net.core.netdev_max_backlog"); v != "1000" {
		t.Errorf("backlog: %q", v)
	}
}

// On a host that shows nothing, nothing is claimed.
func TestNothingKnownNothingSaid(t *testing.T) {
	f := host(t, nil)
	if got := Judge(f, nil); len(got) != 0 {
		t.Errorf("%+v", got)
	}
	if f.Conntrack != nil || f.BridgeNF != nil || f.Clock != nil || f.Softnet != nil {
		t.Errorf("%+v", f)
	}
}

// sound is a host of which there is nothing to say.
func sound() Facts {
	return Facts{
		CPUs:      4,
		Conntrack: &Conntrack{Count: 10, Max: 1000},
		BridgeNF:  map[string]bool{"iptables": false},
		Softnet:   []Softnet{{Processed: 1e6, Squeezed: 4}},
		Clock:     &Clock{Source: "tsc", ReadCost: 25 * time.Nanosecond},
		NICs:      []NIC{{Name: "eth0", Up: true, RxQueues: 4, TxQueues: 4, XPS: true, Rate: 1e5, Offloads: map[string]bool{"gro": true}}},
		Chains:    []Chain{{"ip", "filter", "FORWARD", 12}},
		Qdiscs:    []Qdisc{{Device: "eth0", Kind: "fq_codel"}, {Device: "eth1", Kind: "tbf"}},
		Limits:    []Limit{{"net.core.bpf_jit_enable", "1"}, {"kernel.bpf_stats_enabled", "0"}},
	}
}

func TestJudge(t *testing.T) {
	if got := Judge(sound(), nil); len(got) != 0 {
		t.Fatalf("of a sound host: %+v", got)
	}
	for _, c := range []struct {
		name           string
		change         func(*Facts)
		kind, severity string
		says           string // in text or evidence
	}{
		{"conntrack filling", func(f *Facts) { f.Conntrack.Count = 800 }, "conntrack_full", "warning", "800 of 1000 entries"},
		{"conntrack full", func(f *Facts) { f.Conntrack.Count = 960 }, "conntrack_full", "critical", "96 %"},
		{"conntrack dropped", func(f *Facts) { f.Conntrack.Dropped = 3 }, "conntrack_drops", "warning", "3 packets dropped"},
		{"conntrack raced", func(f *Facts) { f.Conntrack.InsertFailed = 1 }, "conntrack_races", "info", "1 failed insertion"},
		{"bridge netfilter", func(f *Facts) { f.BridgeNF["iptables"] = true }, "bridge_netfilter", "info", "bridge-nf-call-iptables = 1; 12 rules"},
		{"long chain", func(f *Facts) { f.Chains[0].Rules = 256 }, "long_chain", "info", "chain FORWARD of table ip filter"},
		{"shaper at work", func(f *Facts) { f.Qdiscs[1].Overlimits, f.Qdiscs[1].Rate = 9, 8_000_000 }, "qdisc", "warning", "qdisc tbf of eth1 holds packets back beyond 8 Mbit/s"},
		{"queue that drops", func(f *Facts) { f.Qdiscs[0].Drops = 2 }, "qdisc", "warning", "qdisc fq_codel of eth0 dropped packets"},
		{"backlog full", func(f *Facts) { f.Softnet[0].Dropped = 5 }, "backlog_drops", "warning", "CPU 0: 5"},
		{"one queue", func(f *Facts) { f.NICs[0].RxQueues = 1 }, "one_queue", "warning", "100000 packets/s, 1 receive queue"},
		{"no XPS", func(f *Facts) { f.NICs[0].XPS = false }, "no_xps", "info", "4 transmit queues"},
		{"offload off", func(f *Facts) { f.NICs[0].Offloads["gro"] = false }, "offload_off", "info", "off: gro"},
		{"slow clock", func(f *Facts) { f.Clock = &Clock{Source: "hpet", ReadCost: time.Microsecond} }, "slow_clock", "warning", "1000 ns a reading"},
		{"interpreter", func(f *Facts) { f.Limits[0].Value = "0" }, "no_jit", "warning", "bpf_jit_enable = 0"},
		{"statistics on", func(f *Facts) { f.Limits[1].Value = "1" }, "bpf_stats", "info", "bpf_stats_enabled = 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := sound()
			c.change(&f)
			got := Judge(f, nil)
			if len(got) != 1 || got[0].Kind != c.kind || got[0].Severity != c.severity {
				t.Fatalf("%+v", got)
			}
			if !strings.Contains(got[0].Text+" | "+got[0].Evidence, c.says) || got[0].Mend == "" || got[0].Evidence == "" {
				t.Errorf("%+v does not say %q", got[0], c.says)
			}
		})
	}
}

// An idle NIC with one queue is no finding: there is no evidence that it costs.
func TestIdleNICIsNoFinding(t *testing.T) {
	f := sound()
	f.NICs[0].RxQueues, f.NICs[0].XPS, f.NICs[0].Rate = 1, false, 12
	if got := Judge(f, nil); len(got) != 0 {
		t.Errorf("%+v", got)
	}
	f.NICs[0].Rate = -1
	if got := Judge(f, nil); len(got) != 0 {
		t.Errorf("not measured: %+v", got)
	}
}

func TestJudgeMTU(t *testing.T) {
	links := func(nic, bridge, port, leg, vxlan int) []Link {
		return []Link{
			{Name: "eth0", MTU: nic, Uplink: true},
			{Name: "br-shop", Kind: "bridge", MTU: bridge},
			{Name: "veth1", Kind: "veth", MTU: port, Bridge: "br-shop"},
			{Name: "eth0", Where: "web", Kind: "veth", MTU: leg, Lower: "veth1"},
			{Name: "vx1", Kind: "vxlan", MTU: vxlan, Lower: "eth0"},
		}
	}
	narrow := func(port, leg int) []Link {
		return append(links(1500, min(port, 1500), 1500, 1500, 1450),
			Link{Name: "veth2", Kind: "veth", MTU: port, Bridge: "br-shop"},
			Link{Name: "eth0", Where: "db", Kind: "veth", MTU: leg, Lower: "veth2"})
	}
	for _, c := range []struct {
		name  string
		links []Link
		says  string
	}{
		{"all fits", links(1500, 1500, 1500, 1500, 1450), ""},
		{"jumbo NIC", links(9000, 1500, 1500, 1500, 1450), ""},
		{"NIC smaller than the bridge", links(1400, 1500, 1500, 1500, 1350), "packets of full size from containers do not fit through eth0"},
		{"pair differs", links(1500, 1500, 1500, 1400, 1450), "eth0 of web and the host's end of its veth pair (veth1)"},
		{"bridge differs, which stops nothing", links(9000, 1500, 9000, 9000, 1450), ""},
		{"one port is narrow", narrow(1280, 1280), "longer than the MTU of eth0 of db is dropped at its port of br-shop"},
		{"one port is narrow and differs from its pair", narrow(1280, 1500), "eth0 of db and the host's end of its veth pair (veth2)"},
		{"tunnel too wide", links(1500, 1500, 1500, 1500, 1500), "vx1 do not fit through eth0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := JudgeMTU(c.links)
			if c.says == "" {
				if len(got) != 0 {
					t.Errorf("%+v", got)
				}
				return
			}
			if len(got) != 1 || !strings.Contains(got[0].Text, c.says) {
				t.Errorf("%+v, want %q", got, c.says)
			}
		})
	}
}

// This machine has a clock and, in every network namespace, soft network
// statistics.
func TestThisHost(t *testing.T) {
	if _, err := os.Stat("/proc/net/softnet_stat"); err != nil {
		t.Fatal(err)
	}
	f := Reader{Wait: 50 * time.Millisecond}.Read()
	if f.CPUs == 0 || f.Clock == nil || f.Clock.ReadCost <= 0 || f.Clock.ReadCost > 100*time.Microsecond {
		t.Errorf("%d CPUs, clock %+v", f.CPUs, f.Clock)
	}
	for _, n := range f.NICs {
		if n.Rate < 0 || n.RxQueues == 0 || n.MTU == 0 {
			t.Errorf("%+v", n)
		}
	}
}
