package hostfacts

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Finding is a thing on this host that costs latency or packets by itself. Its
// fields are those of the findings of a summary.
type Finding struct {
	Kind     string `json:"kind"`
	Severity string `json:"severity"` // info, warning, critical
	Text     string `json:"text"`
	Evidence string `json:"evidence"` // numbers of this host
	Mend     string `json:"mend"`
}

// From these on there is something to say.
const (
	conntrackWarning  = 0.80 // of the table's entries
	conntrackCritical = 0.95
	longChain         = 256    // rules: some microseconds for who walks them all
	busyNIC           = 20_000 // packets a second
	slowClock         = 100 * time.Nanosecond
)

// Link is a network device as the MTU check sees it.
type Link struct {
	Name   string
	Where  string // the namespace's owner, "" for the host
	Kind   string // bridge, veth, vxlan, ... "" for a NIC
	MTU    int
	Bridge string // that it is a port of
	Lower  string // that it sends through
	Uplink bool   // the default route leads here
}

// Judge says what the facts mean.
func Judge(f Facts, links []Link) []Finding {
	return slices.Concat(
		judgeConntrack(f.Conntrack),
		judgeBridgeNF(f),
		judgeChains(f.Chains),
		judgeQdiscs(f.Qdiscs),
		judgeSoftnet(f),
		judgeNICs(f),
		judgeClock(f.Clock),
		judgeLimits(f),
		JudgeMTU(links),
	)
}

func judgeConntrack(c *Conntrack) (out []Finding) {
	if c == nil {
		return nil
	}
	full := float64(c.Count) / float64(c.Max)
	if full >= conntrackWarning {
		severity := "warning"
		if full >= conntrackCritical {
			severity = "critical"
		}
		out = append(out, Finding{"conntrack_full", severity,
			fmt.Sprintf("the connection tracking table is %.0f %% full; once it is full, packets of new connections are dropped", 100*full),
			fmt.Sprintf("%d of %d entries", c.Count, c.Max),
			"sysctl net.netfilter.nf_conntrack_max, or shorter time-outs (net.netfilter.nf_conntrack_tcp_timeout_time_wait)"})
	}
	if c.Dropped+c.EarlyDropped > 0 {
		out = append(out, Finding{"conntrack_drops", "warning",
			"the connection tracking table was full since boot: new connections were refused, or old ones forgotten",
			fmt.Sprintf("%s dropped, %s thrown out early", plural(c.Dropped, "packet"), plural(c.EarlyDropped, "entry")),
			"sysctl net.netfilter.nf_conntrack_max"})
	}
	if c.InsertFailed > 0 {
		out = append(out, Finding{"conntrack_races", "info",
			"packets were dropped since boot because two of one new connection raced for the same entry, as DNS lookups of A and AAAA do",
			plural(c.InsertFailed, "failed insertion"), "a resolver in the container's own network, or `options single-request-reopen`"})
	}
	return out
}

func judgeBridgeNF(f Facts) []Finding {
	var on []string
	for _, family := range []string{"iptables", "ip6tables"} {
		if f.BridgeNF[family] {
			on = append(on, "bridge-nf-call-"+family)
		}
	}
	if len(on) == 0 {
		return nil
	}
	return []Finding{{"bridge_netfilter", "info",
		"packets between containers of one bridge pass the host's netfilter rules too, which shows as hops prerouting, forward and postrouting on the bridge",
		fmt.Sprintf("%s = 1; %s in the ip family", strings.Join(on, ", "), plural(uint64(rulesOf(f.Chains, "ip")), "rule")),
		"sysctl net.bridge.bridge-nf-call-iptables=0, unless a network is made with enable_icc=false or Kubernetes runs here"}}
}

func rulesOf(chains []Chain, family string) (n int) {
	for _, c := range chains {
		if c.Family == family {
			n += c.Rules
		}
	}
	return n
}

func judgeChains(chains []Chain) (out []Finding) {
	const most = 3
	for _, c := range chains {
		if c.Rules < longChain || len(out) == most {
			break
		}
		place := fmt.Sprintf("chain %s of table %s %s", c.Name, c.Family, c.Table)
		if c.Name == "" {
			place = fmt.Sprintf("table %s (iptables-legacy)", c.Table)
		}
		out = append(out, Finding{"long_chain", "info",
			fmt.Sprintf("%s is long: a packet that matches none of its rules is compared with each", place),
			plural(uint64(c.Rules), "rule"),
			"a set or map (nft), ipset (iptables); `hopscope trace` shows the time as hops prerouting, input, forward, output and postrouting"})
	}
	return out
}

// shaping qdiscs hold packets back on purpose.
var shaping = map[string]bool{"tbf": true, "htb": true, "hfsc": true, "cbq": true, "netem": true, "cake": true}

func judgeQdiscs(qdiscs []Qdisc) (out []Finding) {
	for _, q := range qdiscs {
		shapes := shaping[q.Kind] && (q.Overlimits > 0 || q.Queued > 0)
		if !shapes && q.Drops == 0 {
			continue
		}
		text := fmt.Sprintf("qdisc %s of %s dropped packets", q.Kind, q.Place())
		if shapes {
			text = fmt.Sprintf("qdisc %s of %s holds packets back", q.Kind, q.Place())
			if q.Rate > 0 {
				text += fmt.Sprintf(" beyond %.4g Mbit/s", float64(q.Rate)/1e6)
			}
		}
		out = append(out, Finding{"qdisc", "warning", text,
			fmt.Sprintf("%s dropped, %d times over the limit, %d queued now", plural(uint64(q.Drops), "packet"), q.Overlimits, q.Queued),
			q.show() + "; hop qdisc shows the wait"})
	}
	return out
}

func judgeSoftnet(f Facts) []Finding {
	var dropped uint64
	var where []string
	for _, s := range f.Softnet {
		if s.Dropped > 0 {
			dropped += s.Dropped
			where = append(where, fmt.Sprintf("CPU %d: %d", s.CPU, s.Dropped))
		}
	}
	if dropped == 0 {
		return nil
	}
	return []Finding{{"backlog_drops", "warning",
		"packets were dropped since boot because a CPU's backlog was full", strings.Join(where, ", "),
		"sysctl net.core.netdev_max_backlog (now " + f.limit("net.core.netdev_max_backlog") + ")"}}
}

func judgeNICs(f Facts) (out []Finding) {
	for _, n := range f.NICs {
		if !n.Up {
			continue
		}
		if n.Rate >= busyNIC && n.RxQueues == 1 && !n.RPS && f.CPUs > 1 {
			out = append(out, Finding{"one_queue", "warning",
				fmt.Sprintf("%s is busy and gives all that it receives to one CPU", n.Name),
				fmt.Sprintf("%.0f packets/s, 1 receive queue, RPS off, %d CPUs", n.Rate, f.CPUs),
				fmt.Sprintf("more queues (ethtool -L %s), or RPS (/sys/class/net/%s/queues/rx-0/rps_cpus)", n.Name, n.Name)})
		}
		if n.Rate >= busyNIC && n.TxQueues > 1 && !n.XPS && f.CPUs > 1 {
			out = append(out, Finding{"no_xps", "info",
				fmt.Sprintf("%s is busy and its transmit queues belong to no CPU", n.Name),
				fmt.Sprintf("%.0f packets/s, %d transmit queues, XPS off", n.Rate, n.TxQueues),
				fmt.Sprintf("/sys/class/net/%s/queues/tx-*/xps_cpus", n.Name)})
		}
		var off []string
		for _, name := range []string{"gro", "gso", "tso"} {
			if on, known := n.Offloads[name]; known && !on {
				off = append(off, name)
			}
		}
		if len(off) > 0 {
			out = append(out, Finding{"offload_off", "info",
				fmt.Sprintf("%s works packet by packet where it could work by the dozen", n.Name),
				"off: " + strings.Join(off, ", "), fmt.Sprintf("ethtool -K %s %s on, where the driver can", n.Name, off[0])})
		}
	}
	return out
}

func judgeClock(c *Clock) []Finding {
	if c == nil || c.ReadCost < slowClock {
		return nil
	}
	return []Finding{{"slow_clock", "warning",
		fmt.Sprintf("reading the clock (%s) is slow, for every program and for tracing, which reads it at each stop", c.Source),
		fmt.Sprintf("%d ns a reading; available: %s", c.ReadCost.Nanoseconds(), strings.Join(c.Available, ", ")),
		"echo tsc > /sys/devices/system/clocksource/clocksource0/current_clocksource, where tsc is available and stable"}}
}

func judgeLimits(f Facts) (out []Finding) {
	if f.limit("net.core.bpf_jit_enable") == "0" {
		out = append(out, Finding{"no_jit", "warning", "BPF programs are interpreted, which makes tracing several times as expensive",
			"net.core.bpf_jit_enable = 0", "sysctl net.core.bpf_jit_enable=1"})
	}
	if v := f.limit("kernel.bpf_stats_enabled"); v != "" && v != "0" {
		out = append(out, Finding{"bpf_stats", "info", "the kernel times every run of every BPF program, which adds two readings of the clock to each",
			"kernel.bpf_stats_enabled = " + v, "sysctl kernel.bpf_stats_enabled=0"})
	}
	return out
}
