package model

import (
	"cmp"
	"slices"
	"strings"

	"github.com/hopscope/hopscope/pkg/dropreason"
	"github.com/hopscope/hopscope/pkg/journey"
)

// netfilterDrop is the reason of what a rule or a part of netfilter dropped.
const netfilterDrop = "NETFILTER_DROP"

// Stage is a part of a hook of netfilter.
type Stage string

// The stages, in the order in which a hook runs those that it has
// (uapi/linux/netfilter_ipv4.h, enum nf_ip_hook_priorities).
const (
	StageRaw       Stage = "raw"
	StageConntrack Stage = "conntrack"
	StageMangle    Stage = "mangle"
	StageDNAT      Stage = "dnat"
	StageFilter    Stage = "filter"
	StageSNAT      Stage = "snat"
)

// hookFunctions are those from which netfilter's hooks are run, innermost
// function first; those of a bridge call the hooks of IP (br_netfilter).
var hookFunctions = map[string]journey.HopKind{
	"ip_rcv": journey.HopPrerouting, "ipv6_rcv": journey.HopPrerouting,
	"ip_list_rcv": journey.HopPrerouting, "ip_sublist_rcv": journey.HopPrerouting, "ipv6_list_rcv": journey.HopPrerouting, "ip6_sublist_rcv": journey.HopPrerouting,
	"br_nf_pre_routing": journey.HopPrerouting, "br_nf_pre_routing_ipv6": journey.HopPrerouting,
	"ip_local_deliver": journey.HopInput, "ip6_input": journey.HopInput,
	"ip_forward": journey.HopForward, "ip6_forward": journey.HopForward,
	"br_nf_forward": journey.HopForward, "br_nf_forward_ip": journey.HopForward,
	"__ip_local_out": journey.HopOutput, "ip_local_out": journey.HopOutput,
	"__ip6_local_out": journey.HopOutput, "ip6_local_out": journey.HopOutput, "ip6_xmit": journey.HopOutput,
	"ip_output": journey.HopPostrouting, "ip6_output": journey.HopPostrouting, "ip_mc_output": journey.HopPostrouting,
	"br_nf_post_routing": journey.HopPostrouting,
}

// hookPoints are the stops before each hook's own work; after it, confirming
// the connection is all that is left.
var hookPoints = map[journey.Point]journey.HopKind{
	journey.PointPreIn: journey.HopPrerouting, journey.PointInputIn: journey.HopInput,
	journey.PointForwardIn: journey.HopForward, journey.PointOutputIn: journey.HopOutput,
	journey.PointPostIn: journey.HopPostrouting,
}

// hookOf is the hook in which netfilter dropped a packet: by its last stop, else
// by the functions that led there; HopUnknown where neither tells.
func hookOf(last journey.Point, stack []string) journey.HopKind {
	if hook, ok := hookPoints[last]; ok {
		return hook
	}
	for _, f := range stack {
		if hook, ok := hookFunctions[f]; ok {
			return hook
		}
	}
	return journey.HopUnknown
}

// stageOf is the part of netfilter that dropped a packet, "" when unknown.
// Where a rule frees the packet itself, as nf_tables does since 6.9, the stack
// tells it from connection tracking; before, conntrackDropped does: whether that
// counted drops.
func stageOf(hook journey.HopKind, last journey.Point, track Track, stack []string, conntrackDropped bool) Stage {
	has := func(names ...string) bool { return containsAny(stack, names...) }
	incoming := hook == journey.HopPrerouting || hook == journey.HopOutput
	switch {
	case last == journey.PointInputOut || last == journey.PointPostOut || has("nf_confirm", "__nf_conntrack_confirm"):
		return StageConntrack
	case has("nft_nat_do_chain", "iptable_nat_do_chain", "nf_nat_inet_fn"):
		if incoming {
			return StageDNAT
		}
		return StageSNAT
	case hook == journey.HopForward || hook == journey.HopInput:
		return StageFilter
	case incoming && track == Untracked:
		if !byRule(stack) && conntrackDropped {
			return StageConntrack
		}
		return StageRaw
	case hook == journey.HopPrerouting || hook == journey.HopPostrouting:
		return StageMangle
	case hook == journey.HopOutput:
		return StageFilter
	}
	return ""
}

func containsAny(stack []string, names ...string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return slices.Contains(stack, n) })
}

// byRule tells whether a rule freed the packet.
func byRule(stack []string) bool {
	return containsAny(stack, "nft_do_chain", "ipt_do_table", "ip6t_do_table")
}

// ofBridge tells whether it was a rule of the bridge itself, not one of IP that
// the bridge has run for it (br_netfilter): by who ran the innermost hook.
func ofBridge(stack []string) bool {
	at := slices.Index(stack, "nf_hook_slow")
	if at < 0 {
		at = len(stack)
	}
	if containsAny(stack[:at], "nft_do_chain_bridge", "ebt_do_table") {
		return true
	}
	if at+1 >= len(stack) {
		return false
	}
	caller := stack[at+1]
	return strings.HasPrefix(strings.TrimLeft(caller, "_"), "br_") && !strings.HasPrefix(caller, "br_nf_")
}

// stageOfChains is more exact about what a rule dropped than stage is, which the
// packet told: a hook whose chains all have one stage dropped it there; "" when
// they have several. Without chains, or where the packet tells that connection
// tracking had not seen it, stage holds; so it does for iptables-legacy, whose
// chains are not listed.
func (c counters) stageOfChains(netns uint32, hook journey.HopKind, stage Stage, stack []string) Stage {
	if stage != StageMangle && stage != StageFilter || !slices.Contains(stack, "nft_do_chain") {
		return stage
	}
	found := Stage("")
	for k, n := range c {
		if k.Kind != CountChains || n == 0 || k.Netns != netns || k.Hook != hook.String() || k.Stage == StageRaw || k.Stage == found {
			continue
		}
		if found != "" {
			return ""
		}
		found = k.Stage
	}
	return cmp.Or(found, stage)
}

// functions are the names of a stack's functions.
func functions(stack []string) []string {
	out := make([]string, len(stack))
	for i, s := range stack {
		out[i] = dropreason.Function(s)
	}
	return out
}

// alike is how far the counter of a rule and that of the drops may be apart,
// since they are read one after the other.
const alike = 0.01

func movedAlike(rule, drops uint64) bool {
	diff := max(rule, drops) - min(rule, drops)
	return drops > 0 && float64(diff) <= alike*float64(drops)
}

// rule is one of a packet filter, and the stage of its chain, "" when unknown.
type rule struct {
	name  string
	stage Stage
}

// ruleFor infers which rule dropped n packets in a namespace: the only one
// whose counter moved alike, the zero rule when there is none, or more.
func (c counters) ruleFor(netns uint32, n uint64) (found rule) {
	for k, moved := range c {
		if k.Kind != CountRuleDrops || k.Netns != netns || !movedAlike(moved, n) {
			continue
		}
		if found != (rule{}) {
			return rule{}
		}
		found = rule{k.Rule, k.Stage}
	}
	return found
}
