package truth

import (
	"context"
	"net"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/hopscope/hopscope/bpf"
	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/pkg/probe"
)

// fastOpen is net.ipv4.tcp_fastopen for both sides, without cookies, and for
// every listener (ip-sysctl).
const fastOpen = "1543"

// A request that comes with the SYN (RFC 7413) is one like others; when it
// reached the server is not known.
func TestFastOpen(t *testing.T) {
	lab.Lock(t)
	shop := lab.NewShop(t)
	hasty := shop.Container(lab.ContainerSpec{Name: "hasty", Sysctls: map[string]string{"net.ipv4.tcp_fastopen": fastOpen}})
	tr := beginSockets(t, probe.Config{})
	opened := lab.ProtocolCount(t, hasty.PID, "netstat", "TcpExt", "TCPFastOpenPassive")
	k := newFastTalk(t, hasty.Netns)
	k.ask(10, 20)
	k.ask(10, 20)
	k.hangUp()
	if n := lab.ProtocolCount(t, hasty.PID, "netstat", "TcpExt", "TCPFastOpenPassive") - opened; n != 1 {
		t.Fatalf("%d connections were opened with a request in the SYN", n)
	}
	tr.end()
	told := k.told(tr)
	want := []bpf.HopscopeHsEventFlag{first, 0, wasClosed}
	if len(told) != len(want) {
		t.Errorf("%d exchanges, want %d", len(told), len(want))
	}
	for i, x := range told {
		if x.client.RequestNs == 0 || x.client.RequestBytes != 10 || x.server.RequestBytes != 10 || (x.server.RequestNs == 0) != (i == 0) {
			t.Errorf("exchange %d: %+v", i, x)
		}
		if i < len(want) && x.either() != want[i] {
			t.Errorf("exchange %d has flags %#x and %#x, want %#x", i, x.client.Flags, x.server.Flags, want[i])
		}
	}
}

// newFastTalk connects at the first byte that the client says, and takes the
// first turn.
func newFastTalk(t *testing.T, netns string) *talk {
	t.Helper()
	k := &talk{t: t, netns: netns}
	var listener net.Listener
	err := lab.InNetns(netns, func() (err error) {
		if listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return err
		}
		dialer := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error {
			return raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_FASTOPEN_CONNECT, 1) })
		}}
		conn, err := dialer.DialContext(context.Background(), "tcp", listener.Addr().String())
		if err != nil {
			return err
		}
		k.client = conn.(*net.TCPConn)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	k.say(k.client, 10)
	k.accept(listener)
	k.hear(k.server, 10)
	k.say(k.server, 20)
	k.hear(k.client, 20)
	return k
}
