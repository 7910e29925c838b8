package lab

import (
	"encoding/binary"
	"net/netip"
	"os"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Stranger is a host outside of which this machine's kernel knows nothing but its
// packets: its TCP is the test's own, behind a TUN device. A [Host] has a namespace
// here, so that its sockets are this kernel's.
type Stranger struct {
	Addr, HostAddr netip.Addr

	t     TB
	tun   *os.File
	delay time.Duration
}

// NewStranger makes one that takes delay to answer each packet. It needs the [Lock].
func NewStranger(t TB, delay time.Duration) *Stranger {
	t.Helper()
	subnet := netip.MustParsePrefix("198.51.100.0/24")
	s := &Stranger{HostAddr: subnet.Addr().Next(), t: t, delay: delay}
	s.Addr = s.HostAddr.Next()
	dev := hostDevPrefix + randomHex()
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	must(t, err, "open a tun device")
	request, err := unix.NewIfreq(dev)
	must(t, err, "name a tun device")
	request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	must(t, unix.IoctlIfreq(fd, unix.TUNSETIFF, request), "make a tun device")
	s.tun = os.NewFile(uintptr(fd), dev)
	t.Cleanup(func() { _ = s.tun.Close() }) // the device goes with it
	// No packets of its own: neighbours and routers are IPv6's.
	must(t, os.WriteFile("/proc/sys/net/ipv6/conf/"+dev+"/disable_ipv6", []byte("1"), 0), "quiet %s", dev)
	must(t, withNetlink(HostNetns, func(n *netlink.Handle) error {
		return bringUp(n, dev, []netip.Prefix{netip.PrefixFrom(s.HostAddr, subnet.Bits())})
	}), "set %s up", dev)
	return s
}

// StrangerConn is a connection of a stranger's. It sends again nothing and has no
// timers: nothing is lost between here and the host.
type StrangerConn struct {
	s        *Stranger
	from, to uint16 // ports
	seq, ack uint32
	buf      [65536]byte
}

// TCP's flags (RFC 9293, 3.1).
const tcpFIN, tcpSYN, tcpPSH, tcpACK = 1, 2, 8, 16

// Dial connects to a port of the host's.
func (s *Stranger) Dial(port uint16) *StrangerConn {
	s.t.Helper()
	c := &StrangerConn{s: s, from: 40000 + uint16(time.Now().UnixNano()%20000), to: port, seq: uint32(time.Now().UnixNano())}
	c.send(tcpSYN, nil)
	c.seq++
	flags, _, seq := c.receive()
	if flags&(tcpSYN|tcpACK) != tcpSYN|tcpACK {
		s.t.Fatalf("flags %#x in answer to a SYN", flags)
	}
	c.ack = seq + 1
	time.Sleep(s.delay)
	c.send(tcpACK, nil)
	return c
}

// Ask sends a request and takes in so many bytes of answer. It gives the time
// between the two, as it passes where the stranger meets the host, and then
// acknowledges what came after the stranger's delay.
func (c *StrangerConn) Ask(request []byte, answer int) time.Duration {
	c.s.t.Helper()
	start := time.Now()
	c.send(tcpPSH|tcpACK, request)
	c.seq += uint32(len(request))
	for answer > 0 {
		_, payload, seq := c.receive()
		if payload > 0 && seq != c.ack {
			c.s.t.Fatalf("sequence number %d instead of %d", seq, c.ack)
		}
		c.ack += uint32(payload)
		answer -= payload
	}
	took := time.Since(start)
	time.Sleep(c.s.delay)
	c.send(tcpACK, nil)
	return took
}

// Close ends the stranger's side.
func (c *StrangerConn) Close() {
	c.send(tcpFIN|tcpACK, nil)
	c.seq++
}

// receive waits for the next segment of the connection.
func (c *StrangerConn) receive() (flags byte, payload int, seq uint32) {
	c.s.t.Helper()
	_ = c.s.tun.SetReadDeadline(time.Now().Add(10 * time.Second))
	for {
		n, err := c.s.tun.Read(c.buf[:])
		must(c.s.t, err, "receive from the host")
		ip := c.buf[:n]
		if n < 40 || ip[0]>>4 != 4 || ip[9] != unix.IPPROTO_TCP {
			continue
		}
		tcp := ip[int(ip[0]&15)*4:]
		if binary.BigEndian.Uint16(tcp) != c.to || binary.BigEndian.Uint16(tcp[2:]) != c.from {
			continue
		}
		return tcp[13], len(tcp) - int(tcp[12]>>4)*4, binary.BigEndian.Uint32(tcp[4:])
	}
}

// send hands a segment to the host.
func (c *StrangerConn) send(flags byte, data []byte) {
	c.s.t.Helper()
	const ipLen, tcpLen = 20, 20
	b := make([]byte, ipLen+tcpLen, ipLen+tcpLen+len(data))
	b = append(b, data...)
	ip, tcp := b[:ipLen], b[ipLen:]
	src, dst := c.s.Addr.As4(), c.s.HostAddr.As4()
	ip[0], ip[8], ip[9] = 0x45, 64, unix.IPPROTO_TCP
	binary.BigEndian.PutUint16(ip[2:], uint16(len(b)))
	copy(ip[12:], src[:])
	copy(ip[16:], dst[:])
	binary.BigEndian.PutUint16(ip[10:], checksum(0, ip))
	binary.BigEndian.PutUint16(tcp, c.from)
	binary.BigEndian.PutUint16(tcp[2:], c.to)
	binary.BigEndian.PutUint32(tcp[4:], c.seq)
	binary.BigEndian.PutUint32(tcp[8:], c.ack)
	tcp[12], tcp[13] = tcpLen/4<<4, flags
	binary.BigEndian.PutUint16(tcp[14:], 65535)
	pseudo := uint32(unix.IPPROTO_TCP) + uint32(len(tcp))
	binary.BigEndian.PutUint16(tcp[16:], checksum(pseudo, ip[12:20], tcp))
	_, err := c.s.tun.Write(b)
	must(c.s.t, err, "send to the host")
}

// checksum is the Internet's (RFC 1071) of parts, all but the last even.
func checksum(sum uint32, parts ...[]byte) uint16 {
	for _, p := range parts {
		for i := 0; i+1 < len(p); i += 2 {
			sum += uint32(binary.BigEndian.Uint16(p[i:]))
		}
		if len(p)%2 == 1 {
			sum += uint32(p[len(p)-1]) << 8
		}
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
