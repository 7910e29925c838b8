package journey

import (
	"errors"
	"net/netip"
	"reflect"
	"testing"
	"time"
)

// recordV4 is a record byte by byte, as a little-endian kernel writes it.
var recordV4 = []byte{
	// struct hs_journey
	0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, // __u64 start_ns
	0xa1, 0x0b, 0, 0, 0, 0, 0, 0, // __u64 cgroup_src
	0xa2, 0x0b, 0, 0, 0, 0, 0, 0, // __u64 cgroup_dst
	0x10, 0x20, 0x30, 0x81, 0xff, 0xff, 0xff, 0xff, // __u64 drop_location
	1, 2, 3, 4, 5, 6, 7, 8, // struct hs_sig sig: __u64 a
	9, 10, 11, 12, 13, 14, 15, 16, // __u64 b
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 198, 51, 100, 7, // struct hs_tuple first: __u8 saddr[16]
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 203, 0, 113, 1, // __u8 daddr[16]
	0x39, 0x30, // __u16 sport = 12345
	0x90, 0x1f, // __u16 dport = 8080
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 198, 51, 100, 7, // struct hs_tuple last: __u8 saddr[16]
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 172, 18, 0, 2, // __u8 daddr[16]
	0x39, 0x30, // __u16 sport
	0x50, 0x00, // __u16 dport = 80
	64, 0, 0, 0, // __u32 weight
	0xdc, 0x05, 0, 0, // __u32 bytes = 1500
	5, 0, 1, 0, // __u32 drop_reason = 0x10005
	3, 0, // __u16 segments
	4,           // __u8 family
	6,           // __u8 proto
	2,           // __u8 ending = HS_E_DROPPED
	0x0c,        // __u8 flags = HS_J_RECEIVED | HS_J_PRIORITY
	0x18,        // __u8 tcp_flags = PSH ACK
	3,           // __u8 stops
	70, 1, 0, 0, // __u32 srtt_us = 326
	// struct hs_stop
	0, 0, 0, 0, // __u32 delta
	2, 0, 0, 0, // __u32 ifindex
	0xf8, 0xff, 0xff, 0xef, // __u32 netns = 4026531832
	4,    // __u8 point = HS_P_RECEIVE
	6,    // __u8 flags = HS_S_PORT | HS_S_PHYS
	1, 0, // __u16 cpu
	// struct hs_stop
	0xe8, 0x03, 0, 0, // __u32 delta = 1000 ns
	5, 0, 0, 0,
	0xf8, 0xff, 0xff, 0xef,
	20, // HS_P_NF + 4: FORWARD in
	1,  // HS_S_BRIDGE
	0, 1,
	// struct hs_stop
	0x80, 0x84, 0x1e, 0, // __u32 delta = 2,000,000 units
	0, 0, 0, 0,
	0, 0, 0, 0,
	8,  // HS_P_FREE
	32, // HS_S_COARSE: the unit is 1,024 ns
	1, 0,
}

func wantV4() Journey {
	const host = 4026531832
	return Journey{
		Start:     0x1122334455667788,
		CgroupSrc: 0xba1, CgroupDst: 0xba2,
		DropLocation: 0xffffffff81302010, DropReason: 0x10005,
		Sig: Sig{A: 0x0807060504030201, B: 0x100f0e0d0c0b0a09},
		First: Tuple{
			Src: netip.MustParseAddrPort("198.51.100.7:12345"),
			Dst: netip.MustParseAddrPort("203.0.113.1:8080"),
		},
		Last: Tuple{
			Src: netip.MustParseAddrPort("198.51.100.7:12345"),
			Dst: netip.MustParseAddrPort("172.18.0.2:80"),
		},
		Weight: 64, Bytes: 1500, Segments: 3, SRTT: 326 * time.Microsecond,
		Family: 4, Proto: ProtoTCP, TCPFlags: 0x18,
		Ending: EndingDropped, Flags: FlagReceived | FlagPriority,
		Stops: []Stop{
			{0, host, 2, 1, PointReceive, StopPort | StopPhys},
			{1000, host, 5, 256, PointForwardIn, StopBridge},
			{1000 + 2_048_000_000*time.Nanosecond, 0, 0, 1, PointFree, StopCoarse},
		},
	}
}

func TestDecode(t *testing.T) {
	var j Journey
	if err := Decode(recordV4, &j); err != nil {
		t.Fatal(err)
	}
	if want := wantV4(); !reflect.DeepEqual(j, want) {
		t.Errorf("decoded\n got %+v\nwant %+v", j, want)
	}
}

func TestAppendRaw(t *testing.T) {
	j := wantV4()
	prefix := []byte("kept")
	got := AppendRaw(prefix, &j)
	if string(got[:4]) != "kept" || string(got[4:]) != string(recordV4) {
		t.Errorf("encoded\n got %v\nwant %v", got[4:], recordV4)
	}
}

func TestDecodeIPv6(t *testing.T) {
	want := wantV4()
	want.Family = 6
	want.First.Src = netip.MustParseAddrPort("[2001:db8::7]:12345")
	want.First.Dst = netip.MustParseAddrPort("[2001:db8::1]:8080")
	want.Last = want.First
	var got Journey
	if err := Decode(AppendRaw(nil, &want), &got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("decoded\n got %+v\nwant %+v", got, want)
	}
}

// The first stop is time zero, wherever birth read the clock.
func TestDecodeFirstDelta(t *testing.T) {
	raw := append([]byte{}, recordV4...)
	raw[sizeHead+offStopDelta] = 43
	want := wantV4()
	want.Start += 43
	var got Journey
	if err := Decode(raw, &got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("decoded\n got %+v\nwant %+v", got, want)
	}
}

// A record that is decoded into again leaves nothing of the one before it.
func TestDecodeReuse(t *testing.T) {
	var j Journey
	if err := Decode(recordV4, &j); err != nil {
		t.Fatal(err)
	}
	memory := &j.Stops[0]
	if err := Decode(recordV4[:10], &j); err == nil || len(j.Stops) != 0 || j.Weight != 0 {
		t.Errorf("after a short record: %v, %+v", err, j)
	}
	if err := Decode(recordV4, &j); err != nil {
		t.Fatal(err)
	}
	if &j.Stops[0] != memory {
		t.Error("stops were allocated again")
	}
}

func TestDecodePadding(t *testing.T) {
	for _, c := range []struct {
		tail []byte
		want error
	}{
		{nil, nil},
		{make([]byte, 8), nil},
		{make([]byte, 9), ErrTrailing},
		{[]byte{0, 0, 0, 1}, ErrTrailing},
	} {
		var j Journey
		raw := append(append([]byte{}, recordV4...), c.tail...)
		if err := Decode(raw, &j); !errors.Is(err, c.want) {
			t.Errorf("%d bytes after the record: %v, want %v", len(c.tail), err, c.want)
		}
	}
}

func TestDecodeShort(t *testing.T) {
	for n := range len(recordV4) {
		var j Journey
		if err := Decode(recordV4[:n], &j); !errors.Is(err, ErrShort) {
			t.Fatalf("%d bytes: %v, want %v", n, err, ErrShort)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	const stop1 = sizeHead + sizeStop
	for _, c := range []struct {
		name  string
		off   int
		value byte
		want  error
	}{
		{"no stops", offStops, 0, ErrStops},
		{"too many stops", offStops, MaxStops + 1, ErrStops},
		{"more stops than bytes", offStops, 4, ErrShort},
		{"fewer stops than bytes", offStops, 2, ErrTrailing},
		{"family", offFamily, 5, ErrFamily},
		{"IPv4 address not mapped", offLast + 10, 0, ErrAddress},
		{"IPv4 address not mapped, first", offFirst + offTupleDst + 3, 1, ErrAddress},
		{"no ending", offEnding, 0, ErrEnding},
		{"ending", offEnding, 9, ErrEnding},
		{"weight", offWeight, 0, ErrWeight},
		{"segments", offSegments, 0, ErrSegments},
		{"point 0", stop1 + offStopPoint, 0, ErrPoint},
		{"point between", stop1 + offStopPoint, 11, ErrPoint},
		{"point", stop1 + offStopPoint, 26, ErrPoint},
		{"backward with a time", stop1 + offStopFlags, byte(StopBackward), ErrDelta},
	} {
		t.Run(c.name, func(t *testing.T) {
			raw := append([]byte{}, recordV4...)
			raw[c.off] = c.value
			var j Journey
			err := Decode(raw, &j)
			var record *RecordError
			if !errors.Is(err, c.want) || !errors.As(err, &record) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			if len(j.Stops) != 0 {
				t.Errorf("%d stops are left", len(j.Stops))
			}
		})
	}
}

// What AppendRaw cannot write as it is, it writes as the kernel side would.
func TestAppendRawLimits(t *testing.T) {
	j := wantV4()
	j.First.Src = netip.AddrPort{}
	j.Stops = nil
	for i := range MaxStops + 1 {
		j.Stops = append(j.Stops, Stop{At: 10*time.Second + time.Duration(i)*5*time.Second, Point: PointQueue})
	}
	j.Stops[2].At = 0
	var got Journey
	if err := Decode(AppendRaw(nil, &j), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Stops) != MaxStops || got.Flags&FlagTruncated == 0 {
		t.Errorf("%d stops, flags %#x", len(got.Stops), got.Flags)
	}
	if s := got.Stops[2]; s.Flags&StopBackward == 0 || s.At != got.Stops[1].At {
		t.Errorf("a step back became %+v", s)
	}
	for i, s := range got.Stops {
		late := j.Stops[i].At - j.Stops[0].At - s.At
		if i != 2 && (late < 0 || late >= coarseUnit) {
			t.Errorf("stop %d is %v off", i, late)
		}
	}
}
