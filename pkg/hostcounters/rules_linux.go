package hostcounters

import (
	"encoding/binary"
	"fmt"
	"strconv"

	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/hopscope/hopscope/pkg/model"
)

const sizeofNfgenmsg = 4 // struct nfgenmsg (uapi/linux/netfilter/nfnetlink.h)

// rules reads how many packets each rule of nf_tables dropped that drops or
// rejects and has a counter, as those of iptables-nft do. "" is this process's
// own namespace; nil when they cannot be read.
func rules(inode uint32, path string, names ruleNames) reading {
	var sockets map[int]*nl.SocketHandle
	if path != "" {
		fd, err := openNamespace(inode, path)
		if err != nil {
			return nil
		}
		defer fd.Close()
		s, err := nl.GetNetlinkSocketAt(fd, netns.None(), unix.NETLINK_NETFILTER)
		if err != nil {
			return nil
		}
		defer s.Close()
		sockets = map[int]*nl.SocketHandle{unix.NETLINK_NETFILTER: {Socket: s}}
	}
	r, err := whole(func() (*ruleReader, error) { return dumpRules(inode, sockets) })
	if err != nil {
		return nil
	}
	names.add(r.out, inode, r.rules)
	return r.out
}

func dumpRules(inode uint32, sockets map[int]*nl.SocketHandle) (*ruleReader, error) {
	r := newRuleReader(inode)
	if err := dump(sockets, unix.NFT_MSG_GETCHAIN, unix.NFT_MSG_NEWCHAIN, r.chain); err != nil {
		return nil, err
	}
	return r, dump(sockets, unix.NFT_MSG_GETRULE, unix.NFT_MSG_NEWRULE, r.rule)
}

// dump asks nf_tables for all that it has of one kind; without sockets it asks
// this process's own namespace.
func dump(sockets map[int]*nl.SocketHandle, ask int, answer uint16, take func(msg []byte)) error {
	req := nl.NewNetlinkRequest(unix.NFNL_SUBSYS_NFTABLES<<8|ask, unix.NLM_F_DUMP)
	req.AddData(&nl.Nfgenmsg{NfgenFamily: unix.NFPROTO_UNSPEC, Version: unix.NFNETLINK_V0})
	req.Sockets = sockets
	return req.ExecuteIter(unix.NETLINK_NETFILTER, unix.NFNL_SUBSYS_NFTABLES<<8|answer, func(msg []byte) bool {
		take(msg)
		return true
	})
}

// ruleReader takes chains, then rules in the order of their chains.
type ruleReader struct {
	netns uint32
	out   reading // chains
	rules []ruleCount
	place map[string]int         // rules seen so far, by chain
	stage map[string]model.Stage // by chain that a hook runs
}

func newRuleReader(netns uint32) *ruleReader {
	return &ruleReader{netns: netns, out: reading{}, place: map[string]int{}, stage: map[string]model.Stage{}}
}

// families of nf_tables by number (uapi/linux/netfilter.h).
var families = map[byte]string{
	unix.NFPROTO_INET: "inet", unix.NFPROTO_IPV4: "ip", unix.NFPROTO_ARP: "arp",
	unix.NFPROTO_NETDEV: "netdev", unix.NFPROTO_BRIDGE: "bridge", unix.NFPROTO_IPV6: "ip6",
}

// rule reads one: nfgenmsg, then attributes (enum nft_rule_attributes).
func (r *ruleReader) rule(msg []byte) {
	if len(msg) < sizeofNfgenmsg {
		return
	}
	table, chain, handle := "", "", uint64(0)
	var parts []byte
	for a, value := range attributes(msg[sizeofNfgenmsg:]) {
		switch a {
		case unix.NFTA_RULE_TABLE:
			table = nl.BytesToString(value)
		case unix.NFTA_RULE_CHAIN:
			chain = nl.BytesToString(value)
		case unix.NFTA_RULE_HANDLE:
			handle = number64(value)
		case unix.NFTA_RULE_EXPRESSIONS:
			parts = value
		}
	}
	at := chainName(msg[0], table, chain)
	r.place[at]++
	packets, counts, drops := expressions(parts)
	if counts && drops && len(r.rules) < maxRules {
		r.rules = append(r.rules, ruleCount{
			ruleID{at, strconv.FormatUint(handle, 10)}, fmt.Sprintf("%s rule %d (handle %d)", at, r.place[at], handle),
			r.stageOf(at, msg[0], table), packets,
		})
	}
}

func chainName(family byte, table, chain string) string {
	return families[family] + " " + table + " " + chain
}

// expressions tells what a rule does with packets, and how many it had.
func expressions(list []byte) (packets uint64, counts, drops bool) {
	for _, element := range attributes(list) {
		name, data := "", []byte(nil)
		for a, value := range attributes(element) {
			switch a {
			case unix.NFTA_EXPR_NAME:
				name = nl.BytesToString(value)
			case unix.NFTA_EXPR_DATA:
				data = value
			}
		}
		switch name {
		case "counter":
			if n := find(data, unix.NFTA_COUNTER_PACKETS); len(n) == 8 {
				packets, counts = number64(n), true
			}
		case "reject":
			drops = true
		case "immediate":
			verdict := find(find(data, unix.NFTA_IMMEDIATE_DATA), unix.NFTA_DATA_VERDICT)
			code := find(verdict, unix.NFTA_VERDICT_CODE)
			drops = drops || len(code) == 4 && binary.BigEndian.Uint32(code) == 0 // NF_DROP
		case "target":
			target := nl.BytesToString(find(data, unix.NFTA_TARGET_NAME))
			drops = drops || target == "DROP" || target == "REJECT"
		}
	}
	return packets, counts, drops
}

func number64(b []byte) uint64 {
	if len(b) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(b)
}

// find gives the value of an attribute, nil without it.
func find(attrs []byte, kind uint16) []byte {
	for a, value := range attributes(attrs) {
		if a == kind {
			return value
		}
	}
	return nil
}

// attributes walks through netlink attributes (netlink(7)): length, type, value,
// padding to 4 bytes.
func attributes(b []byte) func(yield func(uint16, []byte) bool) {
	return func(yield func(uint16, []byte) bool) {
		for len(b) >= unix.SizeofNlAttr {
			n := int(binary.NativeEndian.Uint16(b))
			if n < unix.SizeofNlAttr || n > len(b) {
				return
			}
			if !yield(binary.NativeEndian.Uint16(b[2:])&^unix.NLA_F_NESTED, b[unix.SizeofNlAttr:n]) {
				return
			}
			b = b[min((n+3)&^3, len(b)):]
		}
	}
}
