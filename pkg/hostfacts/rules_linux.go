package hostfacts

import (
	"fmt"
	"io/fs"
	"os"
	"strings"
	"unsafe"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// families are the netfilter families by number (uapi/linux/netfilter.h).
var families = map[byte]string{
	unix.NFPROTO_INET: "inet", unix.NFPROTO_IPV4: "ip", unix.NFPROTO_ARP: "arp",
	unix.NFPROTO_NETDEV: "netdev", unix.NFPROTO_BRIDGE: "bridge", unix.NFPROTO_IPV6: "ip6",
}

// readChains counts the rules of nf_tables, which is where those of
// iptables-nft are too, and of iptables-legacy. nil: not permitted.
func readChains() []Chain {
	count := make(map[Chain]int)
	req := nl.NewNetlinkRequest(unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_GETRULE, unix.NLM_F_DUMP)
	req.AddData(&nl.Nfgenmsg{NfgenFamily: unix.NFPROTO_UNSPEC, Version: unix.NFNETLINK_V0})
	err := req.ExecuteIter(unix.NETLINK_NETFILTER, unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_NEWRULE, func(msg []byte) bool {
		if c, ok := chainOf(msg); ok {
			count[c]++
		}
		return true
	})
	for name, rules := range legacyTables() {
		count[Chain{Family: "ip", Table: name}] += rules
	}
	if err != nil && len(count) == 0 {
		return nil
	}
	return longestFirst(count)
}

// chainOf reads the head of one rule: nfgenmsg, then attributes.
func chainOf(msg []byte) (c Chain, ok bool) {
	const head = 4
	if len(msg) < head {
		return c, false
	}
	attrs, err := nl.ParseRouteAttr(msg[head:])
	if err != nil {
		return c, false
	}
	c.Family = families[msg[0]]
	for _, a := range attrs {
		switch a.Attr.Type &^ unix.NLA_F_NESTED {
		case unix.NFTA_RULE_TABLE:
			c.Table = nl.BytesToString(a.Value)
		case unix.NFTA_RULE_CHAIN:
			c.Name = nl.BytesToString(a.Value)
		}
	}
	return c, c.Table != "" && c.Name != ""
}

// iptGetInfo is IPT_SO_GET_INFO (uapi/linux/netfilter_ipv4/ip_tables.h).
const iptGetInfo = 64

// iptInfo is struct ipt_getinfo.
type iptInfo struct {
	name       [32]byte
	validHooks uint32
	hookEntry  [5]uint32
	underflow  [5]uint32
	entries    uint32
	size       uint32
}

// legacyTables counts the rules of each table of iptables-legacy. Each built-in
// chain has a rule for its policy, and each table one that ends it.
func legacyTables() map[string]int {
	names, err := os.ReadFile("/proc/net/ip_tables_names")
	if err != nil || len(names) == 0 {
		return nil
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	out := make(map[string]int)
	for name := range strings.FieldsSeq(string(names)) {
		var info iptInfo
		copy(info.name[:len(info.name)-1], name)
		size := uint32(unsafe.Sizeof(info))
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_IP, iptGetInfo,
			uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
		if errno == 0 {
			out[name] = int(info.entries)
		}
	}
	return out
}

// idle are the qdiscs that queue nothing themselves.
var idle = map[string]bool{"noqueue": true, "mq": true, "ingress": true, "clsact": true, "pfifo_fast": true}

// readQdiscs lists those of this process's namespace.
func readQdiscs() []Qdisc {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil
	}
	defer h.Close()
	out, err := qdiscsOf(h)
	if err != nil {
		return nil
	}
	return out
}

// QdiscsIn lists those of the network namespace with an inode that a process is
// in, which takes CAP_SYS_ADMIN and CAP_SYS_PTRACE. The error is fs.ErrNotExist
// when the process ended, or is in another one by now.
func QdiscsIn(pid int, inode uint32) ([]Qdisc, error) {
	fd, err := netns.GetFromPid(pid)
	if err != nil {
		return nil, fmt.Errorf("open network namespace of process %d: %w", pid, err)
	}
	defer fd.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(fd), &st); err != nil || uint32(st.Ino) != inode {
		return nil, fmt.Errorf("network namespace of process %d: it has changed: %w", pid, fs.ErrNotExist)
	}
	h, err := netlink.NewHandleAt(fd, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("enter network namespace of process %d: %w", pid, err)
	}
	defer h.Close()
	return qdiscsOf(h)
}

// qdiscsOf lists what stands in the way of packets in a namespace: the default
// queues count only when they dropped something or hold packets.
func qdiscsOf(h *netlink.Handle) (out []Qdisc, err error) {
	links, err := h.LinkList()
	if err != nil {
		return nil, fmt.Errorf("list devices: %w", err)
	}
	names := make(map[int]string, len(links))
	for _, l := range links {
		names[l.Attrs().Index] = l.Attrs().Name
	}
	all, err := h.QdiscList(nil)
	if err != nil {
		return nil, fmt.Errorf("list qdiscs: %w", err)
	}
	for _, q := range all {
		d := qdiscOf(q)
		d.Device = names[q.Attrs().LinkIndex]
		if d.Device != "" && (!idle[d.Kind] || d.Drops > 0 || d.Queued > 0) {
			out = append(out, d)
		}
	}
	return out, nil
}

func qdiscOf(q netlink.Qdisc) Qdisc {
	a := q.Attrs()
	d := Qdisc{Kind: q.Type(), Root: a.Parent == netlink.HANDLE_ROOT}
	if a.Statistics != nil && a.Statistics.Queue != nil {
		d.Drops, d.Overlimits, d.Queued = a.Statistics.Queue.Drops, a.Statistics.Queue.Overlimits, a.Statistics.Queue.Qlen
	}
	if tbf, ok := q.(*netlink.Tbf); ok {
		d.Rate = tbf.Rate * 8
	}
	return d
}

// offloads are the switches that one call of ethtool each reads
// (uapi/linux/ethtool.h).
var offloads = map[string]uint32{"gro": unix.ETHTOOL_GGRO, "gso": unix.ETHTOOL_GGSO, "tso": unix.ETHTOOL_GTSO}

// ifreqData is struct ifreq with a pointer in its union (netdevice(7)).
type ifreqData struct {
	name [unix.IFNAMSIZ]byte
	data unsafe.Pointer
	_    [16]byte
}

// readOffloads asks SIOCETHTOOL. nil: the device does not say.
func readOffloads(device string) map[string]bool {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	var out map[string]bool
	for name, command := range offloads {
		value := struct{ cmd, data uint32 }{cmd: command} // struct ethtool_value
		req := ifreqData{data: unsafe.Pointer(&value)}
		copy(req.name[:len(req.name)-1], device)
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&req)))
		if errno == 0 {
			if out == nil {
				out = make(map[string]bool)
			}
			out[name] = value.data != 0
		}
	}
	return out
}
