package logic

// ipHeader says where things are in an IP header, which ends where the transport
// header begins.
type ipHeader struct {
	name                                  string
	first                                 byte // version, and length in IPv4
	size                                  int
	length, protocol, ttl, src, dst, same int // same: id or flow label, its last byte
	icmp                                  byte
}

const transport = 40 // where the transport header begins

// signature: what NAT rewrites does not count, all else does.
func (l *logic) signature() {
	for _, ip := range []ipHeader{
		{"IPv4", 0x45, 20, 3, 9, 8, 12, 16, 5, 1},
		{"IPv6", 0x60, 40, 5, 6, 7, 8, 24, 3, 58},
	} {
		l.signatures(ip)
	}
}

func (l *logic) signatures(ip ipHeader) {
	l.t.Helper()
	type change struct {
		name  string
		at    int // from the start of the transport header
		other bool
	}
	on := func(offset int) int { return offset - ip.size }
	nat := []change{
		{"TTL", on(ip.ttl), false}, {"source address", on(ip.src), false}, {"destination address", on(ip.dst), false},
		{"id or flow label", on(ip.same), true},
	}
	if ip.name == "IPv4" {
		nat = append(nat, change{"header checksum", on(10), false})
	}
	cases := map[byte][]change{
		6: {
			{"source port", 0, false}, {"destination port", 2, false}, {"checksum", 16, false},
			{"window", 14, false}, {"seq", 4, true}, {"ack", 8, true}, {"TSval", 24, true},
			{"length", on(ip.length), true},
		},
		17:      {{"source port", 0, false}, {"destination port", 2, false}, {"checksum", 6, false}, {"length", 5, true}},
		ip.icmp: {{"checksum", 2, false}, {"id", 4, true}, {"sequence", 6, true}, {"type", 0, true}},
	}
	for proto, changes := range cases {
		var header [72]byte
		start := transport - ip.size
		header[start], header[start+ip.length], header[start+ip.protocol] = ip.first, 100, proto
		if proto != ip.icmp {
			header[transport+12] = 8 << 4                                // TCP: 32 bytes
			copy(header[transport+20:], []byte{1, 1, 8, 10, 1, 2, 3, 4}) // two NOPs, timestamp, TSval
		}
		before := l.read(header)
		for _, c := range append(nat, changes...) {
			changed := header
			changed[transport+c.at] ^= 0x11
			if differs := l.read(changed) != before; differs != c.other {
				l.t.Errorf("%s, protocol %d: another %s makes another packet: %v, want %v", ip.name, proto, c.name, differs, c.other)
			}
		}
	}
}

// read gives struct hs_sig of a packet whose headers are those of struct
// hs_headers.
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
