package hostcounters

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// legacyFamily is iptables-legacy for one family
// (uapi/linux/netfilter_ipv4/ip_tables.h, .../netfilter_ipv6/ip6_tables.h).
type legacyFamily struct {
	name          string // as nf_tables calls it
	domain, level int
	tables        string // file that names those in use: asking for another would make it
	match         int    // size of struct ipt_ip, ip6t_ip6
}

var legacyFamilies = []legacyFamily{
	{"ip", unix.AF_INET, unix.SOL_IP, "/proc/thread-self/net/ip_tables_names", 84},
	{"ip6", unix.AF_INET6, unix.SOL_IPV6, "/proc/thread-self/net/ip6_tables_names", 136},
}

// Options of getsockopt(2), for both families.
const (
	getInfo    = 64 // IPT_SO_GET_INFO
	getEntries = 65 // IPT_SO_GET_ENTRIES
)

// legacyInfo is struct ipt_getinfo.
type legacyInfo struct {
	Name             [32]byte // XT_TABLE_MAXNAMELEN
	ValidHooks       uint32
	Entry, Underflow [unix.NF_INET_NUMHOOKS]uint32
	Entries, Size    uint32
}

const sizeofGetEntries = 40 // struct ipt_get_entries: name, size, padding

// legacyRules reads how many packets each rule of iptables-legacy dropped that
// drops or rejects, in this process's own namespace; nil when one of its tables
// cannot be read.
func legacyRules(inode uint32, names ruleNames) reading {
	var all []ruleCount
	for _, f := range legacyFamilies {
		names, err := os.ReadFile(f.tables)
		if err != nil || len(names) == 0 {
			continue
		}
		for _, table := range strings.Fields(string(names)) {
			rules, ok := f.table(table)
			if !ok {
				return nil
			}
			all = append(all, rules...)
		}
	}
	out := reading{}
	names.add(out, inode, all)
	return out
}

// table reads one, again if it changed meanwhile.
func (f legacyFamily) table(name string) (rules []ruleCount, ok bool) {
	fd, err := unix.Socket(f.domain, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, false
	}
	defer unix.Close(fd)
	for i := 0; i < dumpTries && !ok; i++ {
		rules, ok = f.read(fd, name)
	}
	return rules, ok
}

// read takes a table's rules, unless it cannot, or the table changed meanwhile.
func (f legacyFamily) read(fd int, table string) (rules []ruleCount, ok bool) {
	info := legacyInfo{}
	copy(info.Name[:len(info.Name)-1], table)
	if !getOption(fd, f.level, getInfo, unsafe.Slice((*byte)(unsafe.Pointer(&info)), unsafe.Sizeof(info))) {
		return nil, false
	}
	blob := make([]byte, sizeofGetEntries+int(info.Size))
	copy(blob, info.Name[:])
	binary.NativeEndian.PutUint32(blob[len(info.Name):], info.Size)
	if !getOption(fd, f.level, getEntries, blob) {
		return nil, false
	}
	t := legacyTable{family: f, table: table, info: &info}
	t.take(blob[sizeofGetEntries:])
	return t.rules, true
}

// getOption is getsockopt(2) into a buffer, which both options want whole.
func getOption(fd, level, option int, into []byte) bool {
	size := uint32(len(into))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), uintptr(level), uintptr(option),
		uintptr(unsafe.Pointer(&into[0])), uintptr(unsafe.Pointer(&size)), 0)
	return errno == 0
}

// legacyTable goes through the rules of a table.
type legacyTable struct {
	family legacyFamily
	table  string
	info   *legacyInfo
	rules  []ruleCount

	chain string
	place int // of the latest rule in its chain
}

// take reads entries, struct ipt_entry or ip6t_entry: what it matches, then
// nfcache (4 bytes), target_offset, next_offset (2 each), comefrom (4), the
// counters of packets and bytes (8 each), matches, target.
func (t *legacyTable) take(b []byte) {
	fixed := t.family.match + 12 // up to the counters
	fixed += -fixed & 7
	for at := 0; at+fixed+16 <= len(b); {
		e := b[at:]
		target := int(binary.NativeEndian.Uint16(e[t.family.match+4:]))
		next := int(binary.NativeEndian.Uint16(e[t.family.match+6:]))
		if next < fixed+16 || next > len(e) || target < fixed+16 || target+sizeofTarget > next {
			return
		}
		says := string(e[:t.family.match]) + string(e[fixed+16:next]) // neither counters nor offsets
		t.rule(uint32(at), binary.NativeEndian.Uint64(e[fixed:]), e[target:next], says)
		at += next
	}
}

const (
	sizeofTarget = 32 // struct xt_entry_target: size, name (29 bytes from 2 on), revision
	dropVerdict  = -1 // of the standard target: -NF_DROP - 1
)

// rule takes one. The last of a built-in chain is its policy; a user's chain
// begins with a target ERROR that names it.
func (t *legacyTable) rule(at uint32, packets uint64, target []byte, says string) {
	name := text(target[2:31])
	for hook, from := range t.info.Entry {
		if t.info.ValidHooks>>hook&1 != 0 && from == at {
			t.chain, t.place = strings.ToUpper(hooks[uint32(hook)]), 0
		}
	}
	if name == "ERROR" {
		t.chain, t.place = text(target[sizeofTarget:]), 0
		return
	}
	t.place++
	drops := name == "DROP" || name == "REJECT"
	if name == "" && len(target) >= sizeofTarget+4 {
		drops = int32(binary.NativeEndian.Uint32(target[sizeofTarget:])) == dropVerdict
	}
	if !drops {
		return
	}
	what := fmt.Sprintf("rule %d", t.place)
	for hook, policy := range t.info.Underflow {
		if t.info.ValidHooks>>hook&1 != 0 && policy == at {
			what, says = "policy", "policy"
		}
	}
	if len(t.rules) >= maxRules {
		return
	}
	chain := fmt.Sprintf("%s %s %s", t.family.name, t.table, t.chain)
	t.rules = append(t.rules, ruleCount{ruleID{chain, says}, fmt.Sprintf("%s %s (iptables-legacy)", chain, what), stageOfTable(t.table), packets})
}

func text(b []byte) string {
	b, _, _ = bytes.Cut(b, []byte{0})
	return string(b)
}
