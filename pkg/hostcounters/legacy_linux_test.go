package hostcounters

import (
	"encoding/binary"
	"maps"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/hopscope/hopscope/pkg/model"
)

// blob is the rules of a table as the kernel hands them out.
type blob struct {
	family legacyFamily
	b      []byte
}

// add appends a rule with matches of 16 bytes, and gives its offset.
func (b *blob) add(packets uint64, target string, data []byte) uint32 {
	at := len(b.b)
	counters := (b.family.match + 12 + 7) &^ 7
	e := make([]byte, counters+16+16+sizeofTarget+len(data))
	binary.NativeEndian.PutUint16(e[b.family.match+4:], uint16(counters+32))
	binary.NativeEndian.PutUint16(e[b.family.match+6:], uint16(len(e)))
	binary.NativeEndian.PutUint64(e[counters:], packets)
	copy(e[counters+32+2:], target)
	copy(e[counters+32+sizeofTarget:], data)
	b.b = append(b.b, e...)
	return uint32(at)
}

func verdict(v int32) []byte { return binary.NativeEndian.AppendUint64(nil, uint64(uint32(v))) }

// The filter table with two rules in FORWARD, policy DROP, and a user's chain.
func TestLegacyTable(t *testing.T) {
	const accept, ret = -2, -5
	for _, f := range legacyFamilies {
		b := blob{family: f}
		var info legacyInfo
		info.ValidHooks = 1<<unix.NF_INET_LOCAL_IN | 1<<unix.NF_INET_FORWARD
		info.Entry[unix.NF_INET_LOCAL_IN] = b.add(9, "", verdict(accept))
		info.Underflow[unix.NF_INET_LOCAL_IN] = info.Entry[unix.NF_INET_LOCAL_IN]
		info.Entry[unix.NF_INET_FORWARD] = b.add(8, "", verdict(0)) // a jump
		b.add(7, "", verdict(dropVerdict))
		info.Underflow[unix.NF_INET_FORWARD] = b.add(6, "", verdict(dropVerdict))
		b.add(0, "ERROR", append([]byte("DOCKER-USER"), make([]byte, 21)...))
		b.add(5, "LOG", make([]byte, 32))
		b.add(4, "REJECT", make([]byte, 8))
		b.add(3, "", verdict(ret))
		b.add(0, "ERROR", append([]byte("ERROR"), make([]byte, 27)...))
		read := func(raw []byte) reading {
			table, out := legacyTable{family: f, table: "filter", info: &info}, reading{}
			table.take(raw)
			newRuleNames().add(out, 7, table.rules)
			return out
		}
		key := func(rule string) model.CounterKey {
			return model.CounterKey{Kind: model.CountRuleDrops, Netns: 7, Stage: model.StageFilter, Rule: f.name + " filter " + rule + " (iptables-legacy)"}
		}
		want := reading{key("FORWARD rule 2"): 7, key("FORWARD policy"): 6, key("DOCKER-USER rule 2"): 4}
		if got := read(b.b); !maps.Equal(got, want) {
			t.Errorf("%s: %v, want %v", f.name, got, want)
		}
		for n := range b.b { // cut short, it is no more than what is there
			if got := read(b.b[:n]); len(got) > len(want) {
				t.Errorf("%s: %d bytes: %v", f.name, n, got)
			}
		}
	}
}
