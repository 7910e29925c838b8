package journey

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// What [Decode] refuses; a [*RecordError] wraps one of these.
var (
	ErrShort    = errors.New("record ends too early")
	ErrTrailing = errors.New("record has bytes after its last stop")
	ErrStops    = errors.New("impossible number of stops")
	ErrPoint    = errors.New("unknown trace point")
	ErrDelta    = errors.New("impossible time of a stop")
	ErrEnding   = errors.New("unknown ending")
	ErrFamily   = errors.New("neither IPv4 nor IPv6")
	ErrAddress  = errors.New("address does not fit the family")
	ErrWeight   = errors.New("weight is 0")
	ErrSegments = errors.New("segments are 0")
)

// RecordError says which value of a record makes no sense.
type RecordError struct {
	Err   error  // one of the Err values of this package
	Value uint64 // the offending value; a length in bytes for ErrShort and ErrTrailing
}

func (e *RecordError) Error() string {
	return fmt.Sprintf("decode journey: %v (%d)", e.Err, e.Value)
}

// Unwrap serves errors.Is.
func (e *RecordError) Unwrap() error { return e.Err }

// coarseUnit is the unit of a stop's delta when StopCoarse is set.
const coarseUnit = 1024 * time.Nanosecond

// maxPadding is how many zero bytes may follow the last stop: ring buffers and
// files round records up to 8 bytes.
const maxPadding = 8

// le is the byte order of records: that of the machines which hopscope
// supports (amd64, arm64).
var le = binary.LittleEndian

// Decode reads one record of the kernel side (struct hs_journey and its stops,
// bpf/abi.h) into j, reusing the memory of j.Stops. It fails with a
// [*RecordError] when the record contradicts itself; j then holds no stops.
// Unknown flags and the reserved bytes of the head are left alone, so that a
// newer recorder's files can still be read.
func Decode(raw []byte, j *Journey) error {
	stops := j.Stops[:0]
	*j = Journey{Stops: stops}
	if len(raw) < sizeHead {
		return &RecordError{ErrShort, uint64(len(raw))}
	}
	if err := checkHead(raw); err != nil {
		return err
	}
	n := int(raw[offStops])
	end := sizeHead + n*sizeStop
	if len(raw) < end {
		return &RecordError{ErrShort, uint64(len(raw))}
	}
	if !isPadding(raw[end:]) {
		return &RecordError{ErrTrailing, uint64(len(raw) - end)}
	}
	if err := decodeHead(raw, j); err != nil {
		return err
	}
	stops, err := appendStops(stops, raw[sizeHead:end])
	if err != nil {
		return err
	}
	// The clock is read at birth and again for the first stop: what lies in
	// between is no time of the packet's.
	j.Start += uint64(stopDelta(le.Uint32(raw[sizeHead+offStopDelta:]), stops[0].Flags))
	j.Stops = stops
	return nil
}

func checkHead(raw []byte) error {
	if n := raw[offStops]; n == 0 || n > MaxStops {
		return &RecordError{ErrStops, uint64(n)}
	}
	if f := raw[offFamily]; f != 4 && f != 6 {
		return &RecordError{ErrFamily, uint64(f)}
	}
	if e := Ending(raw[offEnding]); e == EndingNone || e > EndingReassembled {
		return &RecordError{ErrEnding, uint64(e)}
	}
	if le.Uint32(raw[offWeight:]) == 0 {
		return &RecordError{ErrWeight, 0}
	}
	if le.Uint16(raw[offSegments:]) == 0 {
		return &RecordError{ErrSegments, 0}
	}
	return nil
}

func isPadding(b []byte) bool {
	if len(b) > maxPadding {
		return false
	}
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

func decodeHead(raw []byte, j *Journey) error {
	j.Start = le.Uint64(raw[offStart:])
	j.CgroupSrc = le.Uint64(raw[offCgroupSrc:])
	j.CgroupDst = le.Uint64(raw[offCgroupDst:])
	j.DropLocation = le.Uint64(raw[offDropLocation:])
	j.DropReason = le.Uint32(raw[offDropReason:])
	j.Sig.A = le.Uint64(raw[offSig+offSigA:])
	j.Sig.B = le.Uint64(raw[offSig+offSigB:])
	j.Weight = le.Uint32(raw[offWeight:])
	j.Bytes = le.Uint32(raw[offBytes:])
	j.Segments = le.Uint16(raw[offSegments:])
	j.Family = raw[offFamily]
	j.Proto = raw[offProto]
	j.Ending = Ending(raw[offEnding])
	j.Flags = Flags(raw[offFlags])
	j.TCPFlags = raw[offTCPFlags]
	j.SRTT = time.Duration(le.Uint32(raw[offSRTT:])) * time.Microsecond
	var err error
	if j.First, err = decodeTuple(raw[offFirst:], j.Family); err != nil {
		return err
	}
	j.Last, err = decodeTuple(raw[offLast:], j.Family)
	return err
}

func decodeTuple(b []byte, family uint8) (Tuple, error) {
	src, err := decodeAddr(b[offTupleSrc:], family)
	if err != nil {
		return Tuple{}, err
	}
	dst, err := decodeAddr(b[offTupleDst:], family)
	if err != nil {
		return Tuple{}, err
	}
	return Tuple{
		Src: netip.AddrPortFrom(src, le.Uint16(b[offTupleSrcPort:])),
		Dst: netip.AddrPortFrom(dst, le.Uint16(b[offTupleDstPort:])),
	}, nil
}

// decodeAddr reads an address; that of family 4 must be IPv4-mapped
// (RFC 4291, 2.5.5.2).
func decodeAddr(b []byte, family uint8) (netip.Addr, error) {
	addr := netip.AddrFrom16([sizeAddr]byte(b))
	if family == 6 {
		return addr, nil
	}
	if !addr.Is4In6() {
		return addr, &RecordError{ErrAddress, uint64(family)}
	}
	return addr.Unmap(), nil
}

// appendStops decodes stops and turns their deltas into times since the first.
func appendStops(dst []Stop, raw []byte) ([]Stop, error) {
	var at time.Duration
	for off := 0; off < len(raw); off += sizeStop {
		b := raw[off : off+sizeStop : off+sizeStop]
		s := Stop{
			Netns:   le.Uint32(b[offStopNetns:]),
			Ifindex: le.Uint32(b[offStopIfindex:]),
			CPU:     le.Uint16(b[offStopCPU:]),
			Point:   Point(b[offStopPoint]),
			Flags:   StopFlags(b[offStopFlags]),
		}
		if !s.Point.Valid() {
			return nil, &RecordError{ErrPoint, uint64(s.Point)}
		}
		delta := le.Uint32(b[offStopDelta:])
		if delta != 0 && s.Flags&StopBackward != 0 {
			return nil, &RecordError{ErrDelta, uint64(delta)}
		}
		if off > 0 {
			at += stopDelta(delta, s.Flags)
		}
		s.At = at
		dst = append(dst, s)
	}
	return dst, nil
}

func stopDelta(delta uint32, flags StopFlags) time.Duration {
	if flags&StopCoarse != 0 {
		return time.Duration(delta) * coarseUnit
	}
	return time.Duration(delta)
}
