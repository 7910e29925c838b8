package truth

import (
	"context"
	"encoding/binary"
	"sync"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"github.com/hopscope/hopscope/bpf"
	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/pkg/probe"
)

// socketTrace keeps what the kernel side tells about TCP sockets.
type socketTrace struct {
	t      *testing.T
	probe  *probe.Probe
	cancel context.CancelFunc
	done   chan error

	mu        sync.Mutex
	exchanges []bpf.HopscopeHsExchange
	connects  []bpf.HopscopeHsConnect
	accepts   []bpf.HopscopeHsConnect
}

func beginSockets(t *testing.T, cfg probe.Config) *socketTrace {
	t.Helper()
	p, err := probe.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	tr := &socketTrace{t: t, probe: p, cancel: cancel, done: make(chan error, 1)}
	t.Cleanup(func() {
		cancel()
		if err := p.Close(); err != nil {
			t.Errorf("close the probe: %v", err)
		}
	})
	go func() {
		tr.done <- p.Read(ctx, 300*time.Millisecond, probe.Records{Journey: func([]byte) {}, Event: tr.event})
	}()
	return tr
}

func (tr *socketTrace) event(raw []byte) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	switch bpf.HopscopeHsEventKind(raw[0]) {
	case bpf.HopscopeHsEventKindHS_EV_EXCHANGE:
		tr.exchanges = append(tr.exchanges, decode[bpf.HopscopeHsExchange](tr.t, raw))
	case bpf.HopscopeHsEventKindHS_EV_CONNECT:
		tr.connects = append(tr.connects, decode[bpf.HopscopeHsConnect](tr.t, raw))
	case bpf.HopscopeHsEventKindHS_EV_ACCEPT:
		tr.accepts = append(tr.accepts, decode[bpf.HopscopeHsConnect](tr.t, raw))
	default:
		tr.t.Errorf("an event of kind %d", raw[0])
	}
}

func decode[T any](t *testing.T, raw []byte) (x T) {
	if n, err := binary.Decode(raw, binary.LittleEndian, &x); err != nil || n != len(raw) {
		t.Errorf("%d bytes for a %T: %v", len(raw), x, err)
	}
	return x
}

// end waits for the traffic's last packets and ends the trace.
func (tr *socketTrace) end() {
	tr.t.Helper()
	time.Sleep(quiet)
	tr.cancel()
	if err := <-tr.done; err != nil {
		tr.t.Fatal(err)
	}
	for note, n := range tr.notes() {
		switch note {
		case "events_lost", "sockets_untracked", "exchanges_reopened":
			if n != 0 {
				tr.t.Errorf("%s: %d", note, n)
			}
		}
	}
}

func (tr *socketTrace) notes() map[string]uint64 {
	tr.t.Helper()
	c, err := tr.probe.Counts()
	if err != nil {
		tr.t.Fatal(err)
	}
	return c.Notes
}

// missed tells which programs the kernel left out, and how often
// (bpf_prog_info.recursion_misses), for a failure's sake: the trace gives the sum.
func missed(t *testing.T) map[string]uint64 {
	t.Helper()
	out := make(map[string]uint64)
	for id, err := ebpf.ProgramGetNextID(0); err == nil; id, err = ebpf.ProgramGetNextID(id) {
		prog, err := ebpf.NewProgramFromID(id)
		if err != nil {
			continue // gone meanwhile
		}
		info, err1 := prog.Info()
		stats, err2 := prog.Stats()
		if err1 == nil && err2 == nil && stats.RecursionMisses > 0 {
			out[info.Name] += stats.RecursionMisses
		}
		prog.Close()
	}
	return out
}

// wantAccepts: each of so many connections to a container is told to have been
// accepted, unless the kernel does not allow to see it.
func (tr *socketTrace) wantAccepts(t *testing.T, c *lab.Container, port uint16, connections int) {
	t.Helper()
	if !tr.seesAccept() {
		connections = 0
	}
	n, netns := 0, netnsInode(t, c.Netns)
	tr.mu.Lock()
	defer tr.mu.Unlock()
	for _, a := range tr.accepts {
		if a.Sock.Netns != netns || a.Sock.Lport != port {
			continue
		}
		n++
		if a.StartNs == 0 || a.EndNs < a.StartNs || a.Sock.Tgid == 0 || a.Weight != 1 {
			t.Errorf("%+v", a)
		}
	}
	if n != connections {
		t.Errorf("%d connections told to be accepted, want %d", n, connections)
	}
}

func (tr *socketTrace) seesAccept() bool {
	for _, c := range tr.probe.Capabilities() {
		if c.Name == "fexit inet_csk_accept" {
			return c.Available
		}
	}
	return false
}

// of gives the exchanges that the sockets of a namespace on one side of a port
// recorded.
func (tr *socketTrace) of(netns uint32, role bpf.HopscopeHsRole, port uint16) []bpf.HopscopeHsExchange {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	var out []bpf.HopscopeHsExchange
	for _, x := range tr.exchanges {
		server := x.Sock.Lport
		if role == bpf.HopscopeHsRoleHS_ROLE_CLIENT {
			server = x.Sock.Rport
		}
		if x.Sock.Netns == netns && x.Role == uint8(role) && server == port {
			out = append(out, x)
		}
	}
	return out
}

// exchange is both ends' view of one request and its answer.
type exchange struct {
	client, server bpf.HopscopeHsExchange
}

// join pairs each client record with the only server record that has its
// sequence numbers.
func join(t *testing.T, clients, servers []bpf.HopscopeHsExchange) []exchange {
	t.Helper()
	type key struct{ request, answer uint32 }
	at := make(map[key]bpf.HopscopeHsExchange)
	for _, s := range servers {
		k := key{s.RequestSeq, s.AnswerSeq}
		if _, twice := at[k]; twice {
			t.Errorf("two server records at %+v", k)
		}
		at[k] = s
	}
	var out []exchange
	for _, c := range clients {
		k := key{c.RequestSeq, c.AnswerSeq}
		s, ok := at[k]
		if !ok {
			t.Errorf("no server record for %+v", c)
			continue
		}
		delete(at, k)
		out = append(out, exchange{c, s})
	}
	for _, s := range at {
		t.Errorf("no client record for %+v", s)
	}
	return out
}

// between gives both ends' records of the pair's containers, joined.
func (tr *socketTrace) between(client, server *lab.Container) []exchange {
	tr.t.Helper()
	return join(tr.t,
		tr.of(netnsInode(tr.t, client.Netns), bpf.HopscopeHsRoleHS_ROLE_CLIENT, 8000),
		tr.of(netnsInode(tr.t, server.Netns), bpf.HopscopeHsRoleHS_ROLE_SERVER, 8000))
}

// times are those of both ends, in their order.
func (x exchange) times() []uint64 {
	return []uint64{
		x.client.RequestNs, x.client.RequestEndNs, x.server.RequestEndNs, x.server.RequestReadNs,
		x.server.AnswerNs, x.server.AnswerEndNs, x.client.AnswerEndNs, x.client.AnswerReadNs,
	}
}

// unshown: the kernel has shown to no program that the request, or the answer, came.
func (x exchange) unshown(shown func(sequence uint32) bool) bool {
	return x.server.RequestEndNs == 0 && !shown(x.server.RequestSeq) ||
		x.client.AnswerEndNs == 0 && !shown(x.client.AnswerSeq)
}

// wantOrder fails where the times of an exchange do not follow each other.
func (x exchange) wantOrder(t *testing.T) {
	t.Helper()
	order := x.times()
	for i := 1; i < len(order); i++ {
		if order[i-1] == 0 || order[i] < order[i-1] {
			t.Fatalf("time %d is before time %d: %v\n%+v", i, i-1, order, x)
		}
	}
}

// has reports whether a record has all of these flags.
func has(x *bpf.HopscopeHsExchange, flags bpf.HopscopeHsEventFlag) bool {
	return x.Flags&uint8(flags) == uint8(flags)
}
