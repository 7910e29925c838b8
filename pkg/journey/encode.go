package journey

import (
	"math"
	"net/netip"
	"time"
)

// AppendRaw appends j as a record of bpf/abi.h, the inverse of [Decode]:
// captures store it and tests feed it. As the kernel side does, it cuts a
// journey that has more than [MaxStops] stops and flags it, counts a step that
// does not fit 32 bits of ns in units of 1,024 ns, and flags a step backwards.
func AppendRaw(dst []byte, j *Journey) []byte {
	stops, flags := j.Stops, j.Flags
	if len(stops) > MaxStops {
		stops, flags = stops[:MaxStops], flags|FlagTruncated
	}
	dst = appendHead(dst, j, flags, uint8(len(stops)))
	return appendRawStops(dst, stops)
}

func appendHead(dst []byte, j *Journey, flags Flags, stops uint8) []byte {
	var b [sizeHead]byte
	le.PutUint64(b[offStart:], j.Start)
	le.PutUint64(b[offCgroupSrc:], j.CgroupSrc)
	le.PutUint64(b[offCgroupDst:], j.CgroupDst)
	le.PutUint64(b[offDropLocation:], j.DropLocation)
	le.PutUint64(b[offSig+offSigA:], j.Sig.A)
	le.PutUint64(b[offSig+offSigB:], j.Sig.B)
	putTuple(b[offFirst:], j.First, j.Family)
	putTuple(b[offLast:], j.Last, j.Family)
	le.PutUint32(b[offWeight:], j.Weight)
	le.PutUint32(b[offBytes:], j.Bytes)
	le.PutUint32(b[offDropReason:], j.DropReason)
	le.PutUint16(b[offSegments:], j.Segments)
	b[offFamily] = j.Family
	b[offProto] = j.Proto
	b[offEnding] = uint8(j.Ending)
	b[offFlags] = uint8(flags)
	b[offTCPFlags] = j.TCPFlags
	b[offStops] = stops
	le.PutUint32(b[offSRTT:], uint32(j.SRTT/time.Microsecond))
	return append(dst, b[:]...)
}

func putTuple(b []byte, t Tuple, family uint8) {
	putAddr(b[offTupleSrc:], t.Src.Addr(), family)
	putAddr(b[offTupleDst:], t.Dst.Addr(), family)
	le.PutUint16(b[offTupleSrcPort:], t.Src.Port())
	le.PutUint16(b[offTupleDstPort:], t.Dst.Port())
}

// putAddr writes 16 bytes; a missing address is the unspecified one.
func putAddr(b []byte, addr netip.Addr, family uint8) {
	if !addr.IsValid() && family == 4 {
		addr = netip.IPv4Unspecified()
	}
	raw := addr.As16()
	copy(b, raw[:])
}

func appendRawStops(dst []byte, stops []Stop) []byte {
	var at time.Duration // as a reader of the record will add it up
	for i, s := range stops {
		if i == 0 {
			at = s.At
		}
		delta, flags := rawDelta(s.At-at, s.Flags)
		at += stopDelta(delta, flags)

		var b [sizeStop]byte
		le.PutUint32(b[offStopDelta:], delta)
		le.PutUint32(b[offStopIfindex:], s.Ifindex)
		le.PutUint32(b[offStopNetns:], s.Netns)
		b[offStopPoint] = uint8(s.Point)
		b[offStopFlags] = uint8(flags)
		le.PutUint16(b[offStopCPU:], s.CPU)
		dst = append(dst, b[:]...)
	}
	return dst
}

// rawDelta is d as struct hs_stop writes it, and the flags that say how.
func rawDelta(d time.Duration, flags StopFlags) (uint32, StopFlags) {
	switch {
	case d < 0 || flags&StopBackward != 0:
		return 0, flags | StopBackward
	case d > math.MaxUint32 || flags&StopCoarse != 0:
		return uint32(min(d/coarseUnit, math.MaxUint32)), flags | StopCoarse
	}
	return uint32(d), flags
}
