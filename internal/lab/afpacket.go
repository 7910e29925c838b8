package lab

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// snapLen is how much of a recorded packet is kept, from the IP header on.
const snapLen = 96

// PacketCounter counts the IPv4 and IPv6 packets that leave a device, with an
// AF_PACKET socket (packet(7)): a reference that shares nothing with the
// tracer. It sees skbs as they are handed to the driver, so that a GSO packet
// of many segments counts once.
type PacketCounter struct {
	t       TB
	fd      int
	clock   clockOffset
	record  bool
	stopped atomic.Bool
	done    chan struct{}

	since, until uint64

	mu      sync.Mutex
	packets uint64 // by the kernel's own count
	dropped uint64
	records []Packet
}

// Packet is one recorded packet.
type Packet struct {
	At     uint64 // CLOCK_MONOTONIC in ns, to a few µs: converted from the kernel's wall clock
	Header []byte // from the IP header on, at most 96 bytes
}

// Count is what a PacketCounter saw between two readings of CLOCK_MONOTONIC, in
// ns.
type Count struct {
	Since   uint64
	Until   uint64
	Packets uint64 // exact, also where Dropped is not 0
	Dropped uint64 // of Packets, those that are missing in Records
	Records []Packet
}

// AFPacketCount counts from its return to Stop.
func AFPacketCount(t TB, path, dev string) *PacketCounter {
	t.Helper()
	return newPacketCounter(t, path, dev, false)
}

// AFPacketRecord counts and keeps the start of each packet.
func AFPacketRecord(t TB, path, dev string) *PacketCounter {
	t.Helper()
	return newPacketCounter(t, path, dev, true)
}

func newPacketCounter(t TB, path, dev string, record bool) *PacketCounter {
	t.Helper()
	c := &PacketCounter{t: t, record: record, done: make(chan struct{}), clock: measureOffset()}
	err := InNetns(path, func() (err error) {
		c.fd, err = openTap(dev)
		return err
	})
	must(t, err, "count packets of %s", dev)
	c.since = uint64(now(unix.CLOCK_MONOTONIC))
	go c.read()
	t.Cleanup(func() { c.Stop() })
	return c
}

// openTap opens a socket that receives what leaves dev. Protocol 0 keeps it
// deaf until filter and device are set.
func openTap(dev string) (int, error) {
	iface, err := net.InterfaceByName(dev)
	if err != nil {
		return -1, err
	}
	// SOCK_DGRAM: data begins at the IP header.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	err = errors.Join(
		attach(fd, outgoingIP()),
		// Beyond net.core.rmem_max: a GSO packet is charged at its full length.
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 256<<20),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 20_000}),
	)
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: networkOrder(unix.ETH_P_ALL), Ifindex: iface.Index})
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func networkOrder(v uint16) uint16 { return v<<8 | v>>8 }

// Ancillary data of classic BPF (linux/filter.h): loads from here on are not
// from the packet. A negative offset, as the unsigned field holds it.
const (
	skfAdOff      = 0xfffff000
	skfAdProtocol = skfAdOff + 0
	skfAdPktType  = skfAdOff + 4
)

// outgoingIP accepts outgoing IPv4 and IPv6, and of those snapLen bytes.
func outgoingIP() []unix.SockFilter {
	const load, jumpEqual, ret = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, unix.BPF_JMP | unix.BPF_JEQ, unix.BPF_RET
	return []unix.SockFilter{
		{Code: load, K: skfAdPktType},
		{Code: jumpEqual, K: unix.PACKET_OUTGOING, Jf: 3},
		{Code: load, K: skfAdProtocol},
		{Code: jumpEqual, K: unix.ETH_P_IP, Jt: 2},
		{Code: jumpEqual, K: unix.ETH_P_IPV6, Jt: 1},
		{Code: ret, K: 0},
		{Code: ret, K: snapLen},
	}
}

// nothing rejects every packet.
func nothing() []unix.SockFilter { return []unix.SockFilter{{Code: unix.BPF_RET}} }

// attach replaces the socket's filter in one step.
func attach(fd int, filter []unix.SockFilter) error {
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]})
}

// read empties the socket until it is stopped and empty. Packets are read even
// when they are not kept: one that finds the socket full is freed as a drop,
// which a tracer of drops would see.
func (c *PacketCounter) read() {
	defer close(c.done)
	var buf [snapLen]byte
	var control [128]byte
	for {
		last := c.stopped.Load()
		n, cn, _, _, err := unix.Recvmsg(c.fd, buf[:], control[:], 0)
		switch {
		case err == nil:
			if c.record {
				c.keep(buf[:n], control[:cn])
			}
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			if last {
				return
			}
		default: // such as ENETDOWN when the device goes: what came before counts
			if last {
				return
			}
			time.Sleep(time.Millisecond)
		}
	}
}

func (c *PacketCounter) keep(header, control []byte) {
	p := Packet{Header: append([]byte(nil), header...)}
	if at, ok := timestamp(control); ok {
		p.At = c.clock.monotonic(at)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.records = append(c.records, p)
}

// Packets is the count so far.
func (c *PacketCounter) Packets() uint64 {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.collect()
	return c.packets
}

// collect adds the kernel's counters, which start again at 0 when read;
// tp_packets includes tp_drops (packet_getsockopt).
func (c *PacketCounter) collect() {
	c.t.Helper()
	stats, err := unix.GetsockoptTpacketStats(c.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	must(c.t, err, "PACKET_STATISTICS")
	c.packets += uint64(stats.Packets)
	c.dropped += uint64(stats.Drops)
}

// Stop ends the count. A second call gives the same again.
func (c *PacketCounter) Stop() Count {
	c.t.Helper()
	if !c.stopped.Load() {
		c.until = uint64(now(unix.CLOCK_MONOTONIC))
		must(c.t, attach(c.fd, nothing()), "stop counting")
		c.mu.Lock()
		c.collect()
		c.mu.Unlock()
		c.stopped.Store(true)
		<-c.done
		_ = unix.Close(c.fd)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return Count{Since: c.since, Until: c.until, Packets: c.packets, Dropped: c.dropped, Records: c.records}
}
