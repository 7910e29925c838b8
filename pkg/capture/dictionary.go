package capture

import (
	"encoding/binary"
	"net/netip"

	"github.com/hopscope/hopscope/pkg/journey"
)

// dictionary numbers what is repeated within a block. The key of an entry is
// its encoding, which ends by itself, so that the entries stand one after the
// other in the file.
type dictionary struct {
	index   map[string]uint32
	entries []byte
}

func newDictionary() dictionary { return dictionary{index: make(map[string]uint32)} }

// number gives the entry's number, and whether it is new.
func (d *dictionary) number(key []byte) (n uint32, isNew bool) {
	if n, ok := d.index[string(key)]; ok {
		return n, false
	}
	n = uint32(len(d.index))
	d.index[string(key)] = n
	d.entries = append(d.entries, key...)
	return n, true
}

func (d *dictionary) reset() {
	clear(d.index)
	d.entries = d.entries[:0]
}

func (d *dictionary) section(dst []byte, id uint64) []byte {
	return appendSection(dst, id, d.entries)
}

// flow is what the packets of one direction of a connection have in common.
type flow struct {
	first, last          journey.Tuple
	cgroupSrc, cgroupDst uint64
	family, proto        uint8
}

func appendFlow(dst []byte, j *journey.Journey) []byte {
	dst = append(dst, j.Family, j.Proto)
	dst = binary.AppendUvarint(dst, j.CgroupSrc)
	dst = binary.AppendUvarint(dst, j.CgroupDst)
	for _, a := range [...]netip.AddrPort{j.First.Src, j.First.Dst, j.Last.Src, j.Last.Dst} {
		dst = appendAddr(dst, a.Addr(), j.Family)
		dst = le.AppendUint16(dst, a.Port())
	}
	return dst
}

// appendAddr writes 4 or 16 bytes; a missing address is the unspecified one.
func appendAddr(dst []byte, a netip.Addr, family uint8) []byte {
	if family == 4 {
		var b [4]byte
		if a.Unmap().Is4() {
			b = a.Unmap().As4()
		}
		return append(dst, b[:]...)
	}
	var b [16]byte
	if a.IsValid() {
		b = a.As16()
	}
	return append(dst, b[:]...)
}

func parseFlow(c *cursor) (f flow) {
	f.family, f.proto = c.byte(), c.byte()
	if f.family != 4 && f.family != 6 {
		c.failed = true
	}
	f.cgroupSrc, f.cgroupDst = c.uvarint(), c.uvarint()
	for _, a := range [...]*netip.AddrPort{&f.first.Src, &f.first.Dst, &f.last.Src, &f.last.Dst} {
		addr := parseAddr(c, f.family)
		*a = netip.AddrPortFrom(addr, c.uint16())
	}
	return f
}

func parseAddr(c *cursor, family uint8) netip.Addr {
	n := uint64(16)
	if family == 4 {
		n = 4
	}
	a, _ := netip.AddrFromSlice(c.bytes(n))
	return a
}

// fate is how a journey went, apart from its stops.
type fate struct {
	location uint64
	reason   uint32
	weight   uint32
	segments uint16
	ending   journey.Ending
	flags    journey.Flags
	tcpFlags uint8
	known    bool // whether this version understands the ending
}

func appendFate(dst []byte, j *journey.Journey, flags journey.Flags) []byte {
	dst = append(dst, byte(j.Ending), byte(flags), j.TCPFlags)
	dst = binary.AppendUvarint(dst, uint64(j.Segments))
	dst = binary.AppendUvarint(dst, uint64(j.Weight))
	dst = binary.AppendUvarint(dst, uint64(j.DropReason))
	return le.AppendUint64(dst, j.DropLocation)
}

func parseFate(c *cursor) (f fate) {
	f.ending, f.flags, f.tcpFlags = journey.Ending(c.byte()), journey.Flags(c.byte()), c.byte()
	f.segments = uint16(c.limited(1<<16 - 1))
	f.weight = uint32(c.limited(1<<32 - 1))
	f.reason = uint32(c.limited(1<<32 - 1))
	f.location = c.uint64()
	if f.segments == 0 || f.weight == 0 || f.ending == journey.EndingNone {
		c.failed = true
	}
	_, f.known = journey.ParseEnding(f.ending.String())
	return f
}

// shape is the way of a journey without its times and CPUs.
type shape struct {
	stops []journey.Stop
	known bool // whether this version understands every stop
	count int  // journeys of the block that have it
	next  int  // of these, how many were read
	steps int  // where its times begin in their column
}

func appendShape(dst []byte, stops []journey.Stop) []byte {
	dst = append(dst, byte(len(stops)))
	for i := range stops {
		s := &stops[i]
		dst = binary.AppendUvarint(dst, uint64(s.Netns))
		dst = binary.AppendUvarint(dst, uint64(s.Ifindex))
		dst = append(dst, byte(s.Point), byte(s.Flags))
	}
	return dst
}

// parseShape keeps the stops in memory, which it returns with them added.
func parseShape(c *cursor, memory []journey.Stop) (shape, []journey.Stop) {
	n := int(c.byte())
	if n == 0 || n > journey.MaxStops {
		c.failed = true
		return shape{}, memory
	}
	known, start := true, len(memory)
	for range n {
		s := journey.Stop{
			Netns: uint32(c.limited(1<<32 - 1)), Ifindex: uint32(c.limited(1<<32 - 1)),
			Point: journey.Point(c.byte()), Flags: journey.StopFlags(c.byte()),
		}
		known = known && s.Point.Valid()
		memory = append(memory, s)
	}
	return shape{stops: memory[start:len(memory):len(memory)], known: known}, memory
}

// appendCPUs writes the CPUs of the stops in runs of the same one, and how
// many stops there are first.
func appendCPUs(dst []byte, stops []journey.Stop) []byte {
	dst = append(dst, byte(len(stops)))
	for i := 0; i < len(stops); {
		run := i + 1
		for run < len(stops) && stops[run].CPU == stops[i].CPU {
			run++
		}
		dst = append(dst, byte(run-i))
		dst = binary.AppendUvarint(dst, uint64(stops[i].CPU))
		i = run
	}
	return dst
}

// parseCPUs keeps the CPUs in memory, which it returns with them added.
func parseCPUs(c *cursor, memory []uint16) (cpus, all []uint16) {
	left := int(c.byte())
	if left == 0 || left > journey.MaxStops {
		c.failed = true
		return nil, memory
	}
	start := len(memory)
	for left > 0 && !c.failed {
		run, cpu := int(c.byte()), uint16(c.limited(1<<16-1))
		if run == 0 || run > left {
			c.failed = true
			break
		}
		for range run {
			memory = append(memory, cpu)
		}
		left -= run
	}
	return memory[start:len(memory):len(memory)], memory
}
