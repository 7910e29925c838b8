package hostcounters

import (
	"encoding/binary"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/hopscope/hopscope/pkg/model"
)

// Priorities at which the stages of netfilter begin, but raw and mangle, which
// connection tracking parts (uapi/linux/netfilter_ipv4.h, enum
// nf_ip_hook_priorities).
const (
	afterConntrack = -200 // NF_IP_PRI_CONNTRACK
	fromDNAT       = -100 // NF_IP_PRI_NAT_DST
	fromFilter     = 0    // NF_IP_PRI_FILTER
	fromSNAT       = 100  // NF_IP_PRI_NAT_SRC
)

// stageAt is the stage of a chain that a hook of IP (enum nf_inet_hooks) runs at
// a priority.
func stageAt(hook uint32, priority int32, nat bool) model.Stage {
	before := hook == unix.NF_INET_PRE_ROUTING || hook == unix.NF_INET_LOCAL_OUT
	source := hook == unix.NF_INET_POST_ROUTING || hook == unix.NF_INET_LOCAL_IN
	switch {
	case nat && before:
		return model.StageDNAT
	case nat:
		return model.StageSNAT
	case priority < afterConntrack:
		return model.StageRaw
	case priority < fromDNAT || priority < fromFilter && !before:
		return model.StageMangle
	case priority < fromFilter:
		return model.StageDNAT
	case priority >= fromSNAT && source:
		return model.StageSNAT
	}
	return model.StageFilter
}

// hooks of IP by number.
var hooks = map[uint32]string{
	unix.NF_INET_PRE_ROUTING: "prerouting", unix.NF_INET_LOCAL_IN: "input", unix.NF_INET_FORWARD: "forward",
	unix.NF_INET_LOCAL_OUT: "output", unix.NF_INET_POST_ROUTING: "postrouting",
}

// ofIP tells whether the chains of a family are run by the hooks of IP.
func ofIP(family byte) bool {
	return family == unix.NFPROTO_INET || family == unix.NFPROTO_IPV4 || family == unix.NFPROTO_IPV6
}

// chain reads one: nfgenmsg, then attributes (enum nft_chain_attributes). Those
// that no hook runs have no place of their own.
func (r *ruleReader) chain(msg []byte) {
	if len(msg) < sizeofNfgenmsg || !ofIP(msg[0]) {
		return
	}
	var table, name, kind string
	var hook []byte
	for a, value := range attributes(msg[sizeofNfgenmsg:]) {
		switch a {
		case unix.NFTA_CHAIN_TABLE:
			table = nl.BytesToString(value)
		case unix.NFTA_CHAIN_NAME:
			name = nl.BytesToString(value)
		case unix.NFTA_CHAIN_TYPE:
			kind = nl.BytesToString(value)
		case unix.NFTA_CHAIN_HOOK:
			hook = value
		}
	}
	at, priority := find(hook, unix.NFTA_HOOK_HOOKNUM), find(hook, unix.NFTA_HOOK_PRIORITY)
	if len(at) != 4 || len(priority) != 4 {
		return
	}
	number := binary.BigEndian.Uint32(at)
	stage := stageAt(number, int32(binary.BigEndian.Uint32(priority)), kind == "nat")
	r.stage[chainName(msg[0], table, name)] = stage
	if hooks[number] != "" && kind != "nat" {
		r.out[model.CounterKey{Kind: model.CountChains, Netns: r.netns, Hook: hooks[number], Stage: stage}]++
	}
}

// stageOf is the stage of a rule: that of its chain, or, where another chain
// jumps to that one, of a table of iptables, whose chains all have one.
func (r *ruleReader) stageOf(chain string, family byte, table string) model.Stage {
	if stage := r.stage[chain]; stage != "" || !ofIP(family) || family == unix.NFPROTO_INET {
		return stage
	}
	return stageOfTable(table)
}

// stageOfTable is that of iptables' tables, "" of others.
func stageOfTable(table string) model.Stage {
	switch stage := model.Stage(table); stage {
	case model.StageRaw, model.StageMangle, model.StageFilter:
		return stage
	}
	return ""
}
