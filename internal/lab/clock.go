package lab

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// clockOffset converts the wall clock of socket timestamps into the monotonic
// clock of BPF (bpf_ktime_get_ns).
type clockOffset int64

// measureOffset reads the wall clock between two readings of the monotonic one
// and takes the tightest of several tries.
func measureOffset() clockOffset {
	var offset clockOffset
	tightest := int64(1 << 62)
	for range 16 {
		before, wall, after := now(unix.CLOCK_MONOTONIC), now(unix.CLOCK_REALTIME), now(unix.CLOCK_MONOTONIC)
		if after-before < tightest {
			tightest = after - before
			offset = clockOffset(before + (after-before)/2 - wall)
		}
	}
	return offset
}

func now(clock int32) int64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(clock, &ts) // fails only for clocks that do not exist
	return ts.Nano()
}

func (o clockOffset) monotonic(wall int64) uint64 { return uint64(wall + int64(o)) }

// timestamp finds the wall clock time, in ns, that SO_TIMESTAMPNS adds to a
// message (socket(7)).
func timestamp(control []byte) (int64, bool) {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return 0, false
	}
	for _, m := range messages {
		if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SCM_TIMESTAMPNS && len(m.Data) >= 16 {
			sec := binary.NativeEndian.Uint64(m.Data)
			nsec := binary.NativeEndian.Uint64(m.Data[8:])
			return int64(sec)*1e9 + int64(nsec), true
		}
	}
	return 0, false
}
