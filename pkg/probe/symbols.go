package probe

import (
	"bufio"
	"bytes"
	"os"
	"slices"
	"sort"
	"strconv"
)

// symbolRange is the code of one kernel function.
type symbolRange struct{ start, end uint64 }

// quietFunctions free packets by kfree_skb without a reason when they have
// dealt with them: what a TIME_WAIT socket has answered ends so
// (net/ipv4/tcp_ipv4.c, net/ipv6/tcp_ipv6.c, label discard_it), and, in
// 5.10 and 6.1, every neighbour discovery message (net/ipv6/icmp.c).
var quietFunctions = []string{"tcp_v4_rcv", "tcp_v6_rcv", "icmpv6_rcv"}

// quietWithoutReasons does so with every message, too, where the kernel has no
// reasons at all (net/ipv4/icmp.c, before 5.17).
const quietWithoutReasons = "icmp_rcv"

// quiet is empty where kallsyms hides addresses: such packets are then
// reported as dropped without a reason. reasons: the kernel has some.
func (s *Symbols) quiet(reasons bool) []symbolRange {
	names := quietFunctions
	if !reasons {
		names = append(slices.Clone(names), quietWithoutReasons)
	}
	var out []symbolRange
	for _, name := range names {
		if r, ok := s.rangeOf(name); ok {
			out = append(out, r)
		}
	}
	return out
}

// Symbols names kernel addresses.
type Symbols struct {
	addrs []uint64 // ascending
	names []string
}

// readSymbols reads the functions of /proc/kallsyms. Without the privilege to
// see addresses the result is empty.
func readSymbols(path string) (*Symbols, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s := &Symbols{}
	sc := bufio.NewScanner(f)
	for sc.Scan() {
		addr, name, ok := textSymbol(sc.Bytes())
		if ok {
			s.addrs = append(s.addrs, addr)
			s.names = append(s.names, name)
		}
	}
	if err := sc.Err(); err != nil {
		return nil, err
	}
	sort.Sort(byAddr{s})
	return s, nil
}

// textSymbol parses "ffffffff81000000 T _stext", with "\t[module]" where it is of
// one (kernel/kallsyms.c, s_show).
func textSymbol(line []byte) (uint64, string, bool) {
	at, rest, _ := bytes.Cut(line, []byte(" "))
	kind, rest, ok := bytes.Cut(rest, []byte(" "))
	if !ok || !bytes.ContainsAny(kind, "tTwW") {
		return 0, "", false
	}
	addr, err := strconv.ParseUint(string(at), 16, 64)
	name, _, _ := bytes.Cut(rest, []byte("\t")) // the module
	return addr, string(name), err == nil && addr != 0
}

type byAddr struct{ *Symbols }

func (b byAddr) Len() int           { return len(b.addrs) }
func (b byAddr) Less(i, j int) bool { return b.addrs[i] < b.addrs[j] }
func (b byAddr) Swap(i, j int) {
	b.addrs[i], b.addrs[j] = b.addrs[j], b.addrs[i]
	b.names[i], b.names[j] = b.names[j], b.names[i]
}

func (s *Symbols) rangeOf(name string) (symbolRange, bool) {
	i := slices.Index(s.names, name)
	if i < 0 {
		return symbolRange{}, false
	}
	for _, a := range s.addrs[i:] {
		if a > s.addrs[i] {
			return symbolRange{s.addrs[i], a}, true
		}
	}
	return symbolRange{}, false
}

// Name gives the function that holds addr, "" when it is not known.
func (s *Symbols) Name(addr uint64) string {
	i := sort.Search(len(s.addrs), func(i int) bool { return s.addrs[i] > addr })
	if i == 0 || addr == 0 {
		return ""
	}
	return s.names[i-1]
}
