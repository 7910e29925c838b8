package logic

import "encoding/binary"

// signature: what NAT rewrites does not count, all else does.
func (l *logic) signature() {
	const protocol, totalLength, id = 9, 2, 4 // offsets in an IPv4 header
	type change struct {
		name  string
		at    int // from the start of the transport header, which begins at 40
		other bool
	}
	const ip, l4 = -40, 0
	nat := []change{
		{"TTL", ip + 8, false}, {"header checksum", ip + 10, false},
		{"source address", ip + 12, false}, {"destination address", ip + 16, false},
	}
	cases := map[byte][]change{
		6: {{"source port", l4, false}, {"destination port", l4 + 2, false}, {"checksum", l4 + 16, false},
			{"window", l4 + 14, false}, {"seq", l4 + 4, true}, {"ack", l4 + 8, true}, {"TSval", l4 + 24, true},
			{"IP id", ip + id, true}, {"length", ip + totalLength + 1, true}},
		17: {{"source port", l4, false}, {"destination port", l4 + 2, false}, {"checksum", l4 + 6, false},
			{"length", l4 + 5, true}, {"IP id", ip + id, true}},
		1: {{"checksum", l4 + 2, false}, {"id", l4 + 4, true}, {"sequence", l4 + 6, true}, {"type", l4, true},
			{"IP id", ip + id, true}},
	}
	for proto, changes := range cases {
		var header [72]byte
		header[0], header[protocol] = 0x45, proto
		binary.BigEndian.PutUint16(header[totalLength:], 100)
		header[40+12] = 8 << 4                                 // TCP: 32 bytes
		binary.BigEndian.PutUint32(header[40+20:], 0x0101080a) // two NOPs, timestamp
		binary.BigEndian.PutUint32(header[40+24:], 0x01020304) // TSval
		if proto == 1 {
			header[40+12], header[40+20] = 0, 0
		}
		before := l.read(header)
		for _, c := range append(nat, changes...) {
			changed := header
			changed[40+c.at] ^= 0x11
			if differs := l.read(changed) != before; differs != c.other {
				l.t.Errorf("protocol %d: another %s makes another packet: %v, want %v", proto, c.name, differs, c.other)
			}
		}
	}
}

// read gives struct hs_sig of an IPv4 packet.
func (l *logic) read(header [72]byte) [16]byte {
	l.t.Helper()
	headers := l.coll.Maps["logic_headers"]
	value := make([]byte, headers.ValueSize())
	copy(value, header[:])
	must(l.t, headers.Put(uint32(0), value), "put a header")
	l.must("read", fake{})
	must(l.t, headers.Lookup(uint32(0), &value), "read the signature")
	return [16]byte(value[72:])
}
