package truth

import (
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hopscope/hopscope/bpf"
	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/pkg/probe"
)

// talk is a connection over loopback whose both ends the test has in hand.
type talk struct {
	t              *testing.T
	netns          string
	client, server *net.TCPConn
}

func newTalk(t *testing.T) *talk {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	client, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	k := &talk{t: t, netns: lab.HostNetns, client: client.(*net.TCPConn)}
	k.accept(listener)
	return k
}

func (k *talk) port() uint16 { return uint16(k.server.LocalAddr().(*net.TCPAddr).Port) }

func (k *talk) say(c *net.TCPConn, n int) {
	k.t.Helper()
	if _, err := c.Write(make([]byte, n)); err != nil {
		k.t.Fatal(err)
	}
}

func (k *talk) hear(c *net.TCPConn, n int) {
	k.t.Helper()
	if _, err := io.ReadFull(c, make([]byte, n)); err != nil {
		k.t.Fatal(err)
	}
}

// accept takes the server's end, and bounds the conversation.
func (k *talk) accept(listener net.Listener) {
	k.t.Helper()
	server, err := listener.Accept()
	if err != nil {
		k.t.Fatal(err)
	}
	k.server = server.(*net.TCPConn)
	for _, c := range []net.Conn{k.client, k.server} {
		_ = c.SetDeadline(time.Now().Add(30 * time.Second))
		k.t.Cleanup(func() { _ = c.Close() })
	}
}

// arrive waits until n bytes lie unread at an end (SIOCINQ, tcp(7)): whether what it
// says now crosses them must not depend on who comes first.
func (k *talk) arrive(c *net.TCPConn, n int) {
	k.t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		k.t.Fatal(err)
	}
	lab.Eventually(k.t, "what was said has arrived", func() bool {
		unread := 0
		err := raw.Control(func(fd uintptr) { unread, _ = unix.IoctlGetInt(int(fd), unix.SIOCINQ) })
		return err == nil && unread == n
	})
}

// interleave has two requests under way at a time, and their answers in between, as
// HTTP/2 does.
func (k *talk) interleave() {
	k.t.Helper()
	k.say(k.client, 10)
	k.hear(k.server, 10)
	k.say(k.client, 10)
	k.arrive(k.server, 10)
	k.say(k.server, 20)
	k.hear(k.client, 20)
	k.hear(k.server, 10)
	k.say(k.server, 20)
	k.hear(k.client, 20)
}

func (k *talk) hangUp() {
	k.t.Helper()
	for _, c := range []*net.TCPConn{k.client, k.server} {
		if err := c.Close(); err != nil {
			k.t.Fatal(err)
		}
	}
}

// ask is a fair turn of both sides.
func (k *talk) ask(request, answer int) {
	k.t.Helper()
	k.say(k.client, request)
	k.hear(k.server, request)
	k.say(k.server, answer)
	k.hear(k.client, answer)
}

// told is what the ends of a conversation recorded, joined.
func (k *talk) told(tr *socketTrace) []exchange {
	k.t.Helper()
	here := netnsInode(k.t, k.netns)
	return join(k.t,
		tr.of(here, bpf.HopscopeHsRoleHS_ROLE_CLIENT, k.port()),
		tr.of(here, bpf.HopscopeHsRoleHS_ROLE_SERVER, k.port()))
}

const (
	first       = bpf.HopscopeHsEventFlagHS_EF_FIRST
	pipelined   = bpf.HopscopeHsEventFlagHS_EF_PIPELINED
	serverFirst = bpf.HopscopeHsEventFlagHS_EF_SERVER_FIRST
	stream      = bpf.HopscopeHsEventFlagHS_EF_STREAM
	wasClosed   = bpf.HopscopeHsEventFlagHS_EF_CLOSED
	wasReset    = bpf.HopscopeHsEventFlagHS_EF_RESET
)

// either is the flags of both records: one that is flagged at one end is not to
// be counted.
func (x exchange) either() bpf.HopscopeHsEventFlag {
	return bpf.HopscopeHsEventFlag(x.client.Flags | x.server.Flags)
}

// What is no fair exchange of request and answer is told apart from what is.
func TestExchangesThatAreNone(t *testing.T) {
	lab.Lock(t)
	for name, test := range map[string]struct {
		talk func(*talk)
		want []bpf.HopscopeHsEventFlag // of each exchange, at one of its ends
	}{
		"taking turns": {func(k *talk) {
			for range 4 {
				k.ask(10, 20)
			}
			k.hangUp()
		}, []bpf.HopscopeHsEventFlag{first, 0, 0, wasClosed}},
		"at rest": {func(k *talk) {
			k.ask(10, 20)
			k.ask(10, 20)
		}, []bpf.HopscopeHsEventFlag{first, 0}},
		"a request in pieces": {func(k *talk) {
			for range 5 {
				k.say(k.client, 10)
				k.hear(k.server, 10)
			}
			k.say(k.server, 20)
			k.hear(k.client, 20)
			k.hangUp()
		}, []bpf.HopscopeHsEventFlag{first | wasClosed}},
		"two requests at once": {func(k *talk) {
			k.interleave()
			k.ask(10, 20)
			k.hangUp()
		}, []bpf.HopscopeHsEventFlag{first | pipelined, wasClosed}},
		"a request before the answer was read": {func(k *talk) {
			k.say(k.client, 10)
			k.hear(k.server, 10)
			k.say(k.server, 20)
			k.arrive(k.client, 20)
			k.say(k.client, 10)
			k.hear(k.client, 20)
			k.hear(k.server, 10)
			k.say(k.server, 20)
			k.hear(k.client, 20)
			k.hangUp()
		}, []bpf.HopscopeHsEventFlag{first | pipelined, pipelined | wasClosed}},
		"both at once": {func(k *talk) {
			for range 5 {
				k.say(k.client, 10)
				k.arrive(k.server, 10)
				k.say(k.server, 20)
				k.hear(k.client, 20)
				k.hear(k.server, 10)
			}
			k.hangUp()
		}, []bpf.HopscopeHsEventFlag{
			first | pipelined, pipelined, pipelined | stream, pipelined | stream, pipelined | stream | wasClosed,
		}},
		"the server greets": {func(k *talk) {
			k.say(k.server, 30)
			k.hear(k.client, 30)
			k.ask(10, 20)
			k.ask(10, 20)
			k.hangUp()
		}, []bpf.HopscopeHsEventFlag{first | serverFirst, 0, wasClosed}},
		"the server pushes": {func(k *talk) {
			k.ask(10, 20)
			time.Sleep(3500 * time.Millisecond)
			k.say(k.server, 30)
			k.hear(k.client, 30)
			k.ask(10, 20)
			k.hangUp()
		}, []bpf.HopscopeHsEventFlag{first, stream, wasClosed}},
		"the client has no more to say": {func(k *talk) {
			k.say(k.client, 10)
			if err := k.client.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			k.hear(k.server, 10)
			k.say(k.server, 20)
			k.hear(k.client, 20)
			k.hangUp()
		}, []bpf.HopscopeHsEventFlag{first | wasClosed}},
		"a reset": {func(k *talk) {
			k.ask(10, 20)
			k.say(k.client, 10)
			if err := k.client.SetLinger(0); err != nil {
				t.Fatal(err)
			}
			k.hear(k.server, 10)
			_ = k.client.Close()
		}, []bpf.HopscopeHsEventFlag{first, wasClosed | wasReset}},
	} {
		t.Run(name, func(t *testing.T) {
			tr := beginSockets(t, probe.Config{})
			k := newTalk(t)
			test.talk(k)
			tr.end()
			told := k.told(tr)
			if len(told) != len(test.want) {
				t.Errorf("%d exchanges, want %d", len(told), len(test.want))
			}
			for i, x := range told {
				if i < len(test.want) && x.either() != test.want[i] {
					t.Errorf("exchange %d has flags %#x and %#x, want %#x", i, x.client.Flags, x.server.Flags, test.want[i])
				}
				if x.client.RequestBytes != x.server.RequestBytes || x.client.AnswerBytes != x.server.AnswerBytes {
					t.Errorf("exchange %d: bytes differ at both ends: %+v", i, x)
				}
			}
		})
	}
}
