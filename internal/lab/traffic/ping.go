package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hopscope/hopscope/internal/lab/outcome"
)

// The types of echo messages: RFC 792, RFC 4443.
const (
	echoRequest4, echoReply4 = 8, 0
	echoRequest6, echoReply6 = 128, 129
	echoHeader               = 8
)

// pinger is one run of the mode "ping".
type pinger struct {
	fd             int
	request, reply byte
	raw, ipv6      bool
	id             uint16 // of a raw socket; the kernel gives others theirs
}

// ping is the mode "ping": ICMP echo, each request waits for its reply. It uses
// an ICMP socket, as today's ping(8) does where the kernel lets it
// (net.ipv4.ping_group_range, which Docker opens), or a raw one.
func ping(ctx context.Context, args []string) (outcome.Result, error) {
	c := newClient("ping", 100)
	size := c.flags.Int("size", 56, "bytes after the ICMP header")
	raw := c.flags.Bool("raw", false, "use a raw socket")
	ctx, cancel, err := c.parse(ctx, args)
	if err != nil {
		return outcome.Result{}, err
	}
	defer cancel()
	p, err := newPinger(c.address, *raw)
	if err != nil {
		return outcome.Result{}, err
	}
	defer unix.Close(p.fd)
	counts, pacing := newTally(), newPace(c.rate)
	for i := 0; i < c.count && ctx.Err() == nil; i++ {
		pacing.before(i)
		start := time.Now()
		if err := p.once(uint16(i), *size); err != nil {
			counts.fail(err)
			continue
		}
		counts.took(time.Since(start), *size, *size)
	}
	return counts.result(), nil
}

func newPinger(address string, raw bool) (*pinger, error) {
	to, err := net.ResolveIPAddr("ip", address)
	if err != nil {
		return nil, err
	}
	p := &pinger{request: echoRequest4, reply: echoReply4, raw: raw, id: uint16(os.Getpid())}
	family, proto, at := unix.AF_INET6, unix.IPPROTO_ICMPV6, unix.Sockaddr(&unix.SockaddrInet6{Addr: [16]byte(to.IP.To16())})
	if to4 := to.IP.To4(); to4 != nil {
		family, proto, at = unix.AF_INET, unix.IPPROTO_ICMP, &unix.SockaddrInet4{Addr: [4]byte(to4)}
	} else {
		p.request, p.reply, p.ipv6 = echoRequest6, echoReply6, true
	}
	if !p.raw {
		p.fd, err = unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, proto)
		p.raw = errors.Is(err, unix.EACCES)
	}
	if p.raw {
		p.fd, err = unix.Socket(family, unix.SOCK_RAW|unix.SOCK_CLOEXEC, proto)
	}
	if err != nil {
		return nil, fmt.Errorf("open an ICMP socket: %w", err)
	}
	timeout := unix.NsecToTimeval(echoTimeout.Nanoseconds())
	return p, errors.Join(unix.SetsockoptTimeval(p.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout), unix.Connect(p.fd, at))
}

func (p *pinger) once(seq uint16, size int) error {
	message := make([]byte, echoHeader+size)
	message[0] = p.request
	binary.BigEndian.PutUint16(message[4:], p.id)
	binary.BigEndian.PutUint16(message[6:], seq)
	if p.raw && !p.ipv6 { // of the others the kernel makes the checksum
		binary.BigEndian.PutUint16(message[2:], checksum(message))
	}
	if _, err := unix.Write(p.fd, message); err != nil {
		return err
	}
	in := make([]byte, maxDatagram)
	for {
		n, err := unix.Read(p.fd, in)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		got := p.message(in[:n])
		if len(got) < echoHeader || got[0] != p.reply || binary.BigEndian.Uint16(got[6:]) != seq ||
			p.raw && binary.BigEndian.Uint16(got[4:]) != p.id {
			continue // a raw socket gets the messages of all
		}
		if len(got) != len(message) {
			return errors.New("a reply of another length")
		}
		return nil
	}
}

// message is what follows the IP header, which raw IPv4 sockets get too
// (raw(7)).
func (p *pinger) message(in []byte) []byte {
	if !p.raw || p.ipv6 || len(in) == 0 {
		return in
	}
	return in[min(len(in), 4*int(in[0]&15)):]
}

// checksum is that of RFC 1071.
func checksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	if len(b)%2 == 1 {
		sum += uint32(b[len(b)-1]) << 8
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}
