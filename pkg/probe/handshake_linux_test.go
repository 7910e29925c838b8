package probe

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/hopscope/hopscope/bpf"
	"github.com/hopscope/hopscope/internal/lab"
)

// The kernel may leave out what tells that a connection is established. That it was
// is taken back here: what is said on it is still told, by its own sequence numbers.
func TestHandshakeMissed(t *testing.T) {
	lab.Lock(t)
	p, err := Open(Config{})
	if err != nil {
		t.Fatal(err)
	}
	client, server := loopback(t)
	port := uint16(client.LocalAddr().(*net.TCPAddr).Port)
	p.unsee(t, port)

	for _, end := range []struct {
		from, to net.Conn
		bytes    int
	}{{client, server, 10}, {server, client, 20}} {
		if _, err := end.from.Write(make([]byte, end.bytes)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(end.to, make([]byte, end.bytes)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(client.Close(), server.Close()); err != nil {
		t.Fatal(err)
	}

	var told []bpf.HopscopeHsExchange
	ctx, stop := context.WithTimeout(t.Context(), time.Second)
	defer stop()
	err = p.Read(ctx, 0, Records{Journey: func([]byte) {}, Event: func(raw []byte) {
		var x bpf.HopscopeHsExchange
		if n, err := binary.Decode(raw, binary.LittleEndian, &x); err == nil && n == len(raw) &&
			x.Kind == uint8(bpf.HopscopeHsEventKindHS_EV_EXCHANGE) && x.Sock.Lport == port {
			told = append(told, x)
		}
	}})
	if err := errors.Join(err, p.Close()); err != nil {
		t.Fatal(err)
	}
	if len(told) != 1 {
		t.Fatalf("%d exchanges of the client, want 1: %+v", len(told), told)
	}
	if x := told[0]; x.RequestBytes != 10 || x.AnswerBytes != 20 || x.RequestSeq == 0 || x.AnswerReadNs == 0 ||
		x.Flags&uint8(bpf.HopscopeHsEventFlagHS_EF_MIDWAY) == 0 {
		t.Errorf("%+v", x)
	}
}

// loopback is a connection whose both ends the test has in hand.
func loopback(t *testing.T) (client, server net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if client, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []net.Conn{client, server} {
		t.Cleanup(func() { _ = c.Close() })
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	}
	return client, server
}

// unsee makes the connection from a port one that has sent its SYN, as far as is known.
func (p *Probe) unsee(t *testing.T, port uint16) {
	t.Helper()
	conns, seen := p.coll.Maps["hs_conns"], 0
	var socket uint64
	var c bpf.HopscopeHsConn
	for all := conns.Iterate(); all.Next(&socket, &c); {
		if c.X.Sock.Lport != port {
			continue
		}
		c.Turn.Sent, c.Turn.Received, c.Turn.Phase = 0, 0, uint32(bpf.HopscopeConnPhaseCONN_OPENING)
		c.X.Sock.Lport, c.Spoken, c.Watched = 0, 0, 0
		if err := conns.Put(socket, &c); err != nil {
			t.Fatal(err)
		}
		seen++
	}
	if seen != 1 {
		t.Fatalf("%d connections from port %d, want 1", seen, port)
	}
}
