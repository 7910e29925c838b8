package truth

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/pkg/journey"
)

// seen is one packet that a tap recorded.
type seen struct {
	at       uint64 // CLOCK_MONOTONIC, ns
	out      bool   // it left through the device; else it came in
	tuple    journey.Tuple
	proto    uint8
	ipID     uint32 // IPv4 id, IPv6 flow label
	length   int    // of a UDP datagram, or of TCP payload
	seq, ack uint32
	serial   uint64 // the traffic program's, in a UDP payload
}

// tap records what crosses a device, both ways, with the kernel's timestamps:
// those of outgoing packets are taken as they are handed to the driver
// (dev_queue_xmit_nit), those of incoming ones as the stack takes them up
// (__netif_receive_skb_core). The kernel copies headers into shared memory that
// holds the whole run (packet(7), PACKET_RX_RING): nobody reads meanwhile, and
// no skb is held back, which would keep its address from being used again.
type tap struct {
	t      *testing.T
	fd     int
	ring   []byte
	offset int64 // monotonic less wall clock
}

const (
	tapFrame  = 256 // headers of tpacket2_hdr and sockaddr_ll, and 128 bytes of packet
	tapFrames = 1 << 17
	tapBlock  = 1 << 16
)

func newTap(t *testing.T, netns, dev string) *tap {
	t.Helper()
	p := &tap{t: t, offset: clockOffset()}
	if err := lab.InNetns(netns, func() error { return p.open(dev) }); err != nil {
		t.Fatalf("tap %s: %v", dev, err)
	}
	t.Cleanup(p.close)
	return p
}

func (p *tap) close() {
	if p.ring != nil {
		_ = unix.Munmap(p.ring)
		_ = unix.Close(p.fd)
		p.ring = nil
	}
}

func (p *tap) open(dev string) error {
	iface, err := net.InterfaceByName(dev)
	if err != nil {
		return err
	}
	if p.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); err != nil {
		return err
	}
	err = errors.Join(
		unix.SetsockoptInt(p.fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V2),
		unix.SetsockoptTpacketReq(p.fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &unix.TpacketReq{
			Block_size: tapBlock, Block_nr: tapFrames * tapFrame / tapBlock, Frame_size: tapFrame, Frame_nr: tapFrames,
		}),
	)
	if err != nil {
		return err
	}
	p.ring, err = unix.Mmap(p.fd, 0, tapFrames*tapFrame, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	const all = unix.ETH_P_ALL << 8 // network order
	return unix.Bind(p.fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: iface.Index})
}

// clockOffset is the monotonic clock less the wall clock, from the tightest of
// several readings.
func clockOffset() int64 {
	read := func(clock int32) int64 {
		var ts unix.Timespec
		_ = unix.ClockGettime(clock, &ts) // fails only for clocks that do not exist
		return ts.Nano()
	}
	offset, tightest := int64(0), int64(1<<62)
	for range 64 {
		before, wall, after := read(unix.CLOCK_MONOTONIC), read(unix.CLOCK_REALTIME), read(unix.CLOCK_MONOTONIC)
		if after-before < tightest {
			tightest, offset = after-before, before+(after-before)/2-wall
		}
	}
	return offset
}

// end gives what was recorded, in the order of the device, and fails the test
// if something did not fit.
func (p *tap) end() []seen {
	p.t.Helper()
	stats, err := unix.GetsockoptTpacketStats(p.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil || stats.Drops != 0 {
		p.t.Fatalf("tap: %v, %d of %d packets dropped", err, stats.Drops, stats.Packets)
	}
	var records []seen
	for i := range int(stats.Packets) {
		if s, ok := p.frame(p.ring[i*tapFrame:][:tapFrame]); ok {
			records = append(records, s)
		}
	}
	return records
}

// frame reads one frame: struct tpacket2_hdr, struct sockaddr_ll behind it,
// and the packet from the IP header on.
func (p *tap) frame(b []byte) (seen, bool) {
	const addressAt, packetTypeAt = 32, 10
	word := func(at int) int { return int(binary.NativeEndian.Uint32(b[at:])) }
	length, start := word(8), int(binary.NativeEndian.Uint16(b[14:])) // tp_snaplen, tp_net
	s, ok := parsePacket(b[start:min(start+length, len(b))])
	s.at = uint64(int64(word(16))*1e9 + int64(word(20)) + p.offset) // tp_sec, tp_nsec
	s.out = b[addressAt+packetTypeAt] == unix.PACKET_OUTGOING
	return s, ok
}

// parsePacket reads TCP and UDP without extension headers.
func parsePacket(b []byte) (seen, bool) {
	var s seen
	var src, dst netip.Addr
	var l4 []byte
	var l4Len int
	switch {
	case len(b) >= 28 && b[0]>>4 == 4:
		header := int(b[0]&15) * 4
		s.proto, s.ipID = b[9], uint32(binary.BigEndian.Uint16(b[4:]))
		src, dst = netip.AddrFrom4([4]byte(b[12:])), netip.AddrFrom4([4]byte(b[16:]))
		l4, l4Len = b[header:], int(binary.BigEndian.Uint16(b[2:]))-header
	case len(b) >= 48 && b[0]>>4 == 6:
		s.proto, s.ipID = b[6], binary.BigEndian.Uint32(b)&0xfffff
		src, dst = netip.AddrFrom16([16]byte(b[8:])), netip.AddrFrom16([16]byte(b[24:]))
		l4, l4Len = b[40:], int(binary.BigEndian.Uint16(b[4:]))
	default:
		return s, false
	}
	switch {
	case s.proto == journey.ProtoTCP && len(l4) >= 20:
		s.seq, s.ack = binary.BigEndian.Uint32(l4[4:]), binary.BigEndian.Uint32(l4[8:])
		s.length = l4Len - int(l4[12]>>4)*4
	case s.proto == journey.ProtoUDP && len(l4) >= 16:
		s.length, s.serial = int(binary.BigEndian.Uint16(l4[4:])), binary.BigEndian.Uint64(l4[8:])
	default:
		return s, false
	}
	s.tuple = journey.Tuple{
		Src: netip.AddrPortFrom(src, binary.BigEndian.Uint16(l4)),
		Dst: netip.AddrPortFrom(dst, binary.BigEndian.Uint16(l4[2:])),
	}
	return s, true
}
