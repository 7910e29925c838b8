//go:build matrix

package guest

import (
	"encoding/binary"
	"net"
	"net/netip"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/hopscope/hopscope/bpf"
	"github.com/hopscope/hopscope/internal/lab"
)

// event keeps what the kernel side tells about sockets.
func (r *recorder) event(raw []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var err error
	switch bpf.HopscopeHsEventKind(raw[0]) {
	case bpf.HopscopeHsEventKindHS_EV_CONNECT:
		var c bpf.HopscopeHsConnect
		_, err = binary.Decode(raw, binary.LittleEndian, &c)
		r.connects = append(r.connects, c)
	case bpf.HopscopeHsEventKindHS_EV_ACCEPT:
		var c bpf.HopscopeHsConnect
		_, err = binary.Decode(raw, binary.LittleEndian, &c)
		r.accepts = append(r.accepts, c)
	default:
		var x bpf.HopscopeHsExchange
		_, err = binary.Decode(raw, binary.LittleEndian, &x)
		r.exchanges = append(r.exchanges, x)
	}
	if err != nil && r.broken == nil {
		r.broken = err
	}
}

// events is what came since forgetEvents.
func (r *recorder) events() ([]bpf.HopscopeHsExchange, []bpf.HopscopeHsConnect) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.exchanges, r.connects
}

func (r *recorder) forgetEvents() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.exchanges, r.connects, r.accepts = nil, nil, nil
}

// sockets: each request is told once at either end, each connect and each reset
// once.
func (s scene) sockets(t *testing.T) {
	t.Run("exchanges", s.exchanged)
	t.Run("connects", s.connected)
	t.Run("accepts", s.accepted)
	t.Run("resets", s.resets)
}

// accepted: connections that nobody fetches for a while are told to have waited
// for that long.
func (s scene) accepted(t *testing.T) {
	const connections, late = 3, 200 * time.Millisecond
	address := netip.AddrPortFrom(netip.MustParseAddr(addrB), port+2)
	s.forgetEvents()
	var listener net.Listener
	must(t, lab.InNetns(s.b.path, func() (err error) {
		listener, err = net.Listen("tcp", address.String())
		return err
	}), "listen in b")
	defer listener.Close()
	start := time.Now()
	s.during(t, delayedACK, func() {
		for range connections {
			must(t, lab.InNetns(s.a.path, func() error {
				conn, err := net.DialTimeout("tcp", address.String(), 5*time.Second)
				if err == nil {
					t.Cleanup(func() { conn.Close() })
				}
				return err
			}), "connect from a")
		}
		time.Sleep(late)
		for range connections {
			conn, err := listener.Accept()
			must(t, err, "accept in b")
			defer conn.Close()
		}
	})
	most := time.Since(start)
	s.mu.Lock()
	accepts := s.accepts
	s.mu.Unlock()
	if len(accepts) != connections {
		t.Errorf("%d connections accepted, told %d", connections, len(accepts))
	}
	for _, c := range accepts {
		waited := time.Duration(c.EndNs - c.StartNs)
		if waited < late || waited > most || c.Sock.Netns != s.b.inode || c.Sock.Lport != address.Port() {
			t.Errorf("waited %v, of %v to %v: %+v", waited, late, most, c.Sock)
		}
	}
	part(t, "accept_wait")
}

func (s scene) exchanged(t *testing.T) {
	const requests = 100
	s.forgetEvents()
	s.during(t, delayedACK, func() { s.a.run(t, "rr", "--count", strconv.Itoa(requests), "--size", "300", at(addrB)) })
	type key struct{ request, answer uint32 }
	clients, servers := map[key]bpf.HopscopeHsExchange{}, map[key]bpf.HopscopeHsExchange{}
	exchanges, _ := s.events()
	for _, x := range exchanges {
		ends := map[uint32]map[key]bpf.HopscopeHsExchange{s.a.inode: clients, s.b.inode: servers}[x.Sock.Netns]
		if ends != nil && x.RequestBytes == 300 {
			ends[key{x.RequestSeq, x.AnswerSeq}] = x
		}
	}
	if len(clients) != requests || len(servers) != requests {
		t.Errorf("%d records of the client, %d of the server, want %d each", len(clients), len(servers), requests)
	}
	for k, c := range clients {
		x, ok := servers[k]
		if !ok {
			t.Fatalf("no record of the server for %+v", c)
		}
		order := []uint64{
			c.RequestNs, c.RequestEndNs, x.RequestNs, x.RequestEndNs, x.RequestReadNs,
			x.AnswerNs, x.AnswerEndNs, c.AnswerNs, c.AnswerEndNs, c.AnswerReadNs,
		}
		for i := 1; i < len(order); i++ {
			if order[i-1] == 0 || order[i] < order[i-1] {
				t.Fatalf("time %d of %v", i, order)
			}
		}
		if role := bpf.HopscopeHsRole(x.Role); role != bpf.HopscopeHsRoleHS_ROLE_SERVER || x.Sock.Tgid == 0 || c.Sock.Tgid == 0 {
			t.Fatalf("the server's record is %+v, the client's %+v", x, c)
		}
	}
	part(t, "request", "request_network", "sock_recv", "app", "app_body", "response_network")
}

// part tells that this kernel lets a part of an exchange, or of a connection, be
// measured.
func part(t *testing.T, names ...string) {
	t.Helper()
	for i, name := range names {
		t.Attr("part_"+itoa(i), name)
	}
}

func (s scene) connected(t *testing.T) {
	const made, refused = 20, 5
	s.forgetEvents()
	s.during(t, delayedACK, func() {
		s.a.run(t, "short", "--count", strconv.Itoa(made), at(addrB))
		s.a.try(t, "short", "--wait", "0s", "--count", strconv.Itoa(refused), closedPort)
	})
	got := map[syscall.Errno]int{}
	_, connects := s.events()
	for _, c := range connects {
		if c.Sock.Netns == s.a.inode {
			got[syscall.Errno(c.Error)]++
		}
	}
	if got[0] != made || got[syscall.ECONNREFUSED] != refused || len(got) != 2 {
		t.Errorf("connects %v, want %d and %d refused", got, made, refused)
	}
	part(t, "connect")
}

var closedPort = netip.AddrPortFrom(netip.MustParseAddr(addrB), port+1).String()

func (s scene) resets(t *testing.T) {
	const refused, aborted = 5, 5
	_, _ = s.probe.Resets()
	s.during(t, delayedACK, func() {
		s.a.try(t, "short", "--wait", "0s", "--count", strconv.Itoa(refused), closedPort)
		for range aborted {
			abort(t, s.a, at(addrB))
		}
	})
	list, err := s.probe.Resets()
	must(t, err, "resets")
	var got struct{ sentA, sentB, receivedA, receivedB uint64 }
	for _, r := range list {
		switch r.Netns {
		case s.a.inode:
			got.sentA, got.receivedA = got.sentA+r.Sent, got.receivedA+r.Received
		case s.b.inode:
			got.sentB, got.receivedB = got.sentB+r.Sent, got.receivedB+r.Received
		}
	}
	want := got
	want.sentA, want.receivedB, want.receivedA, want.sentB = aborted, aborted, refused, 0
	if s.socketlessResets {
		want.sentB = refused
	}
	if got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// abort makes a connection and resets it.
func abort(t *testing.T, from *namespace, to string) {
	t.Helper()
	must(t, lab.InNetns(from.path, func() error {
		conn, err := net.DialTimeout("tcp", to, 5*time.Second)
		if err != nil {
			return err
		}
		if err := conn.(*net.TCPConn).SetLinger(0); err != nil {
			return err
		}
		return conn.Close()
	}), "abort a connection to %s", to)
}
