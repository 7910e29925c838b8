package truth

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/pkg/journey"
	"github.com/hopscope/hopscope/pkg/pipeline"
)

const rttPort = 8301

// TestRTTIsTheKernels compares the round trip time that comes with a packet with
// that of INET_DIAG (sock_diag(7), what ss -ti prints) just before: the packet's
// acknowledgement changes it only after it was seen. The requests wait longer and
// longer in a queue, so that no two times are alike by chance.
func TestRTTIsTheKernels(t *testing.T) {
	p := sharedPair(t)
	client := p.echoed(t)
	lab.TBF(t, p.client.Netns, "eth0", 1_000_000, 3000, 1_000_000)
	port := client.LocalAddr().(*net.TCPAddr).AddrPort().Port()
	tr := begin(t, pipeline.Options{})
	const rounds = 40
	var begun []uint64
	var want []time.Duration
	for n := range rounds {
		time.Sleep(50 * time.Millisecond) // until no packet is under way
		begun, want = append(begun, monotonic(t)), append(want, p.diagRTT(t, port))
		echo(t, client, 1000+500*n)
	}
	r := tr.end()

	first := firstOf(r.Journeys, port, begun)
	same, missed := 0, 0
	for n, j := range first {
		switch {
		case j == nil || j.SRTT == 0: // tcp_probe was not seen, see missed_runs
			missed++
		case j.SRTT != want[n]:
			t.Errorf("round %d: %v told, %v by the kernel", n, j.SRTT, want[n])
		default:
			same++
		}
	}
	t.Logf("%d of %d rounds told as the kernel has them, from %v to %v; %d not seen", same, rounds, want[0], want[rounds-1], missed)
	if missed > rounds/20 {
		t.Errorf("%d of %d rounds not seen", missed, rounds)
	}
	if grown := want[rounds-1] - want[0]; grown < 10*time.Millisecond {
		t.Errorf("the times grew only by %v", grown)
	}
	p.wantRTT(t, r, want[rounds-1])
}

// wantRTT: the client's row of the summary has seen times as long as the last.
func (p *pair) wantRTT(t *testing.T, r result, last time.Duration) {
	t.Helper()
	for _, side := range r.Snapshot.TCP {
		if side.From.Name == p.client.Name && side.Port == rttPort {
			if side.RTT.MaxNs == nil || float64(*side.RTT.MaxNs) < 0.98*float64(last) {
				t.Errorf("round trip times %+v, the last was %v", side.RTT, last)
			}
			return
		}
	}
	t.Errorf("no row of %s at port %d", p.client.Name, rttPort)
}

// firstOf gives the first journey to a port in each round.
func firstOf(journeys []journey.Journey, port uint16, begun []uint64) []*journey.Journey {
	first := make([]*journey.Journey, len(begun))
	for i := range journeys {
		j := &journeys[i]
		if j.Last.Dst.Port() != port || j.Start < begun[0] {
			continue
		}
		n := len(begun) - 1
		for begun[n] > j.Start {
			n--
		}
		if first[n] == nil || j.Start < first[n].Start {
			first[n] = j
		}
	}
	return first
}

func monotonic(t *testing.T) uint64 {
	t.Helper()
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		t.Fatal(err)
	}
	return uint64(ts.Nano())
}

// echoed connects client to a socket of web's that sends all back.
func (p *pair) echoed(t *testing.T) net.Conn {
	t.Helper()
	var listener net.Listener
	var conn net.Conn
	at := &net.TCPAddr{IP: p.web.IP(p.net).AsSlice(), Port: rttPort}
	err := lab.InNetns(p.web.Netns, func() (err error) {
		listener, err = net.ListenTCP("tcp4", at)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		if peer, err := listener.Accept(); err == nil {
			_, _ = io.Copy(peer, peer)
			_ = peer.Close()
		}
	}()
	err = lab.InNetns(p.client.Netns, func() (err error) {
		conn, err = net.DialTCP("tcp4", nil, at)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func echo(t *testing.T, conn net.Conn, n int) {
	t.Helper()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	buf := make([]byte, n)
	_, err := conn.Write(buf)
	if err == nil {
		_, err = io.ReadFull(conn, buf)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// diagRTT asks the client's kernel for the connection from a port.
func (p *pair) diagRTT(t *testing.T, port uint16) (rtt time.Duration) {
	t.Helper()
	err := lab.InNetns(p.client.Netns, func() error {
		list, err := netlink.SocketDiagTCPInfo(unix.AF_INET)
		for _, s := range list {
			if s.InetDiagMsg != nil && s.InetDiagMsg.ID.SourcePort == port && s.TCPInfo != nil {
				rtt = time.Duration(s.TCPInfo.Rtt) * time.Microsecond
			}
		}
		return err
	})
	if err != nil || rtt == 0 {
		t.Fatalf("no round trip time of port %d: %v", port, err)
	}
	return rtt
}
