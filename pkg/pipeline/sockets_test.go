package pipeline

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/hopscope/hopscope/bpf"
	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/journey"
	"github.com/hopscope/hopscope/pkg/model"
)

// eventSink keeps what sockets told.
type eventSink struct {
	SignalSink // of the others, none is called
	got        []model.SocketEvent
}

func (s *eventSink) Journey(*journey.Journey, []journey.Hop) error { return nil }

func (s *eventSink) Sockets(e model.SocketEvent) error {
	s.got = append(s.got, e)
	return nil
}

const millisecond = 1_000_000

// rawSocket is one end of a connection of container 0 with port 8000 of
// container 4.
func rawSocket(server bool) bpf.HopscopeHsSock {
	client, at := netip.AddrPortFrom(containerAddr(0), 40000), netip.AddrPortFrom(containerAddr(4), 8000)
	s := bpf.HopscopeHsSock{Cookie: 1, Netns: firstNS, Local: client.Addr().As16(), Remote: at.Addr().As16(), Lport: client.Port(), Rport: at.Port()}
	if server {
		s = bpf.HopscopeHsSock{Cookie: 2, Netns: firstNS + 4, Local: at.Addr().As16(), Remote: client.Addr().As16(), Lport: at.Port(), Rport: client.Port()}
	}
	return s
}

// rawExchange is what one end saw of a request that took 10 ms, 7 of them at
// the application.
func rawExchange(t *testing.T, server bool, seq uint32) []byte {
	t.Helper()
	x := bpf.HopscopeHsExchange{
		Kind: 1, Role: 1, Family: 4, Weight: 1, Sock: rawSocket(server), RequestSeq: seq, AnswerSeq: seq,
		RequestNs: 1000, RequestEndNs: 1000, AnswerNs: 1000 + 10*millisecond, AnswerEndNs: 1000 + 10*millisecond, AnswerReadNs: 1000 + 10*millisecond,
	}
	if server {
		x.Role, x.RequestNs, x.RequestEndNs, x.RequestReadNs = 2, 1000+millisecond, 1000+millisecond, 1000+millisecond
		x.AnswerNs, x.AnswerEndNs, x.AnswerReadNs = 1000+8*millisecond, 1000+8*millisecond, 0
	}
	return rawEvent(t, x)
}

func rawEvent(t *testing.T, v any) []byte {
	t.Helper()
	b, err := binary.Append(nil, binary.LittleEndian, v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSocketEvents(t *testing.T) {
	connect := bpf.HopscopeHsConnect{Kind: 2, Family: 4, Weight: 1, Error: 111, Sock: rawSocket(false), StartNs: 5, EndNs: 9}
	for name, c := range map[string]struct {
		match  Match
		wanted Wanted
		events int
		left   uint64
	}{
		"all":          {events: 2},
		"port":         {match: Match{Ports: []uint16{8000}}, events: 2},
		"other port":   {match: Match{Ports: []uint16{81}}, left: 2},
		"tcp":          {match: Match{Protos: []uint8{journey.ProtoTCP}}, events: 2},
		"udp":          {match: Match{Protos: []uint8{journey.ProtoUDP}}, left: 2},
		"one end":      {wanted: Wanted{End: func(netns uint32, _ uint64, a netip.Addr) bool { return netns == firstNS+4 || a == containerAddr(4) }}, events: 2},
		"no end":       {wanted: Wanted{End: func(uint32, uint64, netip.Addr) bool { return false }}, left: 2},
		"network":      {wanted: Wanted{Network: func(a netip.Addr) bool { return a == containerAddr(0) }}, events: 2},
		"none of them": {wanted: Wanted{Network: func(netip.Addr) bool { return false }}, left: 2},
	} {
		sink := &eventSink{}
		p := New(c.match, sink)
		p.Want(c.wanted)
		p.Event(rawExchange(t, false, 7), 1)
		p.Event(rawExchange(t, true, 7), 2)
		p.Event(rawEvent(t, connect), 3)
		p.Event([]byte{1, 2, 3}, 4)
		p.EndEvents()
		notes := map[string]uint64{}
		p.socketNotes(notes)
		if len(sink.got) != c.events || notes["socket_events_unmatched"] != c.left || notes["socket_events_undecodable"] != 1 || notes["exchanges_both_ends"] != 1 {
			t.Errorf("%s: %d events, %v", name, len(sink.got), notes)
		}
		s := p.Snapshot(inventory.NewView(inventory.Facts{}), model.Meta{})
		if rows := len(s.Exchanges); (rows == 1) != (c.events > 0) {
			t.Errorf("%s: %+v", name, s.Exchanges)
		}
	}
}

// An exchange whose other end does not come is told when it has waited.
func TestSocketEventsAdvance(t *testing.T) {
	sink := &eventSink{}
	p := New(Match{}, sink)
	p.Event(rawExchange(t, false, 7), 1e9)
	p.Advance(2e9)
	if len(sink.got) != 0 {
		t.Fatalf("%+v", sink.got)
	}
	p.Advance(60e9)
	if len(sink.got) != 1 {
		t.Fatalf("%+v", sink.got)
	}
}
