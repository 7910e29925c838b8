package probe

// Capability is one thing that this kernel offers or does not.
type Capability struct {
	Name      string // as the kernel calls it
	Available bool
	Essential bool   // without it there is no tracing
	Lost      string // what is lost without it
	Mend      string // what the operator can do, "" when nothing
}

// Capabilities reads the table; nothing stays loaded. It fails only where the
// kernel has no type information.
func Capabilities() ([]Capability, error) {
	k, err := readKernel()
	if err != nil {
		return nil, err
	}
	return k.capabilities(), nil
}

var traceLost = map[string]struct {
	lost      string
	essential bool
}{
	"net_dev_queue":          {"births of packets, hop qdisc", true},
	"net_dev_start_xmit":     {"hops qdisc and xmit", true},
	"netif_rx":               {"hop backlog", true},
	"netif_receive_skb":      {"hops backlog, bridge and stack_rx", true},
	"napi_gro_receive_entry": {"births at NICs, hop gro", false},
	"napi_gro_receive_exit":  {"the ending gro_merged", false},
	"napi_gro_frags_entry":   {"births at NICs whose driver builds frags", false},
	"napi_gro_frags_exit":    {"the ending gro_merged at such NICs", false},
	"tcp_probe":              {"hop sock_lock", false},
	"kfree_skb":              {"the ending dropped", true},
	"consume_skb":            {"the endings left, segmented and rebuilt", true},
	"tcp_retransmit_skb":     {"retransmissions", false},
	"tcp_retransmit_synack":  {"retransmissions of SYN-ACKs", false},
	"tcp_rcv_space_adjust":   {"sock_recv and app of exchanges", false},
	"inet_sock_set_state":    {"connects, and which end of a connection is the server", false},
	"tcp_destroy_sock":       {"nothing: inet_sock_set_state tells of the end, too", false},
	"tcp_send_reset":         {"resets sent", false},
	"tcp_receive_reset":      {"resets received", false},
}

func (k kernelFacts) capabilities() []Capability {
	caps := []Capability{{Name: "BTF type information", Available: true, Essential: true}}
	for _, name := range tracepoints {
		_, ok := k.traces[name]
		l := traceLost[name]
		caps = append(caps, Capability{Name: "tracepoint " + name, Available: ok, Essential: l.essential, Lost: l.lost})
	}
	return append(caps,
		Capability{Name: "kfree_skb reason", Available: k.kfreeHasReason(),
			Lost: "why a packet was dropped, beyond what the function tells that freed it", Mend: "Linux 5.17 or newer"},
		Capability{Name: "tcp_send_reset reason", Available: k.traces["tcp_send_reset"] >= 3,
			Lost: "resets that no socket sends, such as that of a refused connection", Mend: "Linux 6.10 or newer"},
		Capability{Name: "fexit " + acceptFunction, Available: k.accept > 0,
			Lost: "accept_wait: how long connections wait to be accepted", Mend: "Linux 5.5 or newer that allows BPF trampolines"},
		Capability{Name: "netfilter links", Available: k.netfilter, Lost: k.withoutNetfilter(),
			Mend: "Linux 6.4 or newer with CONFIG_NETFILTER_BPF_LINK"},
		Capability{Name: "cgroup v2 hierarchy", Available: k.cgroup2 != "",
			Lost: "containers that share a network namespace are not told apart; " + k.withoutCast(),
			Mend: "mount -t cgroup2 none /sys/fs/cgroup/unified"},
		Capability{Name: "bpf_cast_to_kern_ctx", Available: k.castKernCtx, Lost: k.withoutCast(),
			Mend: "Linux 6.2 or newer"},
		Capability{Name: "kernel symbols", Available: len(k.symbols.addrs) > 0,
			Lost: "names of drop locations; which of the packets freed without a reason are losses (freed_unclear)",
			Mend: "sysctl kernel.kptr_restrict=1 and CAP_SYSLOG"},
	)
}

func (k kernelFacts) withoutNetfilter() string {
	if k.functions["nf_hook_slow"] {
		return "hops of hooks in which nothing is registered, and speed: nf_hook_slow is traced in its place"
	}
	return "hops prerouting, input, forward, output, postrouting and routing are merged into one"
}

func (k kernelFacts) withoutCast() string {
	if k.functions["sk_filter_trim_cap"] {
		return "nothing but speed: sk_filter_trim_cap is traced in its place"
	}
	return "the ending delivered, except for established TCP; DNS"
}

func (k kernelFacts) kfreeHasReason() bool { return k.traces["kfree_skb"] >= 3 }
