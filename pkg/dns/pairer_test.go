package dns

import (
	"net/netip"
	"testing"
	"time"
)

var (
	first  = netip.MustParseAddr("198.51.100.1")
	second = netip.MustParseAddr("2001:db8::53")
)

// said is a message of socket 1 at a time in milliseconds.
func said(ms, id int, answer bool, flags uint16, server netip.Addr) *Message {
	return &Message{
		At: uint64(ms) * uint64(time.Millisecond), Socket: 1, Netns: 7, Cgroup: 9, Port: 40000,
		Remote: server, ID: uint16(id), Flags: flags, Answer: answer,
	}
}

func ask(ms, id int, server netip.Addr) *Message { return said(ms, id, false, 0x0100, server) }

func answer(ms, id int, rcode uint16, server netip.Addr) *Message {
	return said(ms, id, true, 0x8180|rcode, server)
}

func blind(m *Message) *Message {
	m.ID, m.Flags, m.Unread = 0, 0, true
	return m
}

func fromSocket(n uint64, m *Message) *Message {
	m.Socket = n
	return m
}

func through(port uint16, m *Message) *Message {
	m.Port = port
	return m
}

// ended is a lookup in short.
type ended struct {
	outcome Outcome
	rcode   uint8
	ms      int
	sent    uint32
	server  netip.Addr
}

func TestPairer(t *testing.T) {
	for name, x := range map[string]struct {
		messages []*Message
		want     []ended
		left     LeftOut
	}{
		"an answer": {
			messages: []*Message{ask(0, 5, first), answer(7, 5, RcodeNXDomain, first)},
			want:     []ended{{Answered, RcodeNXDomain, 7, 1, first}},
		},
		"A and AAAA at once, answered the other way round": {
			messages: []*Message{ask(0, 5, first), ask(1, 6, first), answer(3, 6, RcodeNoError, first), answer(9, 5, RcodeServFail, first)},
			want:     []ended{{Answered, RcodeNoError, 2, 1, first}, {Answered, RcodeServFail, 9, 1, first}},
		},
		"a retry is the same query, and waits anew": {
			messages: []*Message{ask(0, 5, first), ask(4000, 5, first), answer(8000, 5, RcodeNoError, first)},
			want:     []ended{{Answered, RcodeNoError, 8000, 2, first}},
		},
		"the same id after its answer is another query": {
			messages: []*Message{
				ask(0, 5, first), answer(1, 5, RcodeNoError, first),
				ask(2, 5, first), answer(4, 5, RcodeNoError, first),
			},
			want: []ended{{Answered, RcodeNoError, 1, 1, first}, {Answered, RcodeNoError, 2, 1, first}},
		},
		"no answer": {
			messages: []*Message{ask(0, 5, first), ask(5000, 6, first)},
			want:     []ended{{TimedOut, 0, 0, 1, first}, {Pending, 0, 0, 1, first}},
		},
		"an answer that is too late": {
			messages: []*Message{ask(0, 5, first), answer(5000, 5, RcodeNoError, first)},
			want:     []ended{{TimedOut, 0, 0, 1, first}},
			left:     LeftOut{Unmatched: 1},
		},
		"an answer comes twice": {
			messages: []*Message{ask(0, 5, first), answer(1, 5, RcodeNoError, first), answer(2, 5, RcodeNoError, first)},
			want:     []ended{{Answered, RcodeNoError, 1, 1, first}},
			left:     LeftOut{Unmatched: 1},
		},
		"two name servers are asked at once, the slower one loses": {
			messages: []*Message{ask(0, 5, first), ask(0, 5, second), answer(1, 5, RcodeNoError, second)},
			want:     []ended{{Answered, RcodeNoError, 1, 1, second}, {Superseded, 0, 0, 1, first}},
		},
		"a failure supersedes nobody": {
			messages: []*Message{ask(0, 5, first), ask(0, 5, second), answer(1, 5, RcodeServFail, second)},
			want:     []ended{{Answered, RcodeServFail, 1, 1, second}, {Pending, 0, 0, 1, first}},
		},
		"both are heard": {
			messages: []*Message{
				ask(0, 5, first), ask(0, 5, second),
				answer(1, 5, RcodeNoError, second), answer(2, 5, RcodeNoError, first),
			},
			want: []ended{{Answered, RcodeNoError, 1, 1, second}, {Answered, RcodeNoError, 2, 1, first}},
		},
		"a query that was seen behind DNAT": {
			messages: []*Message{ask(0, 5, first), answer(1, 5, RcodeNoError, second)},
			want:     []ended{{Answered, RcodeNoError, 1, 1, second}},
		},
		"the same id at another socket": {
			messages: []*Message{ask(0, 5, first), fromSocket(2, answer(1, 5, RcodeNoError, first))},
			want:     []ended{{Pending, 0, 0, 1, first}},
			left:     LeftOut{Unmatched: 1},
		},
		"a socket's address is used again": {
			messages: []*Message{ask(0, 5, first), through(40001, answer(1, 5, RcodeNoError, first))},
			want:     []ended{{Pending, 0, 0, 1, first}},
			left:     LeftOut{Unmatched: 1},
		},
		"headers of answers out of reach: the oldest query": {
			messages: []*Message{ask(0, 5, first), ask(1, 6, first), blind(answer(3, 0, 0, first)), blind(answer(4, 0, 0, first))},
			want:     []ended{{Answered, RcodeUnread, 3, 1, first}, {Answered, RcodeUnread, 3, 1, first}},
		},
		"headers of queries out of reach": {
			messages: []*Message{blind(ask(0, 0, first)), blind(ask(1, 0, first)), answer(3, 5, RcodeNoError, first)},
			want:     []ended{{Answered, RcodeNoError, 3, 1, first}, {Pending, 0, 0, 1, first}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got []ended
			p := NewPairer(func(l Lookup) {
				got = append(got, ended{l.Outcome, l.Rcode, int(time.Duration(l.LatencyNs) / time.Millisecond), l.Sent, l.Resolver})
				if l.Netns != 7 || l.Cgroup != 9 {
					t.Errorf("the asking socket got lost: %+v", l)
				}
			})
			for _, m := range x.messages {
				p.Take(m)
			}
			p.End()
			if len(got) != len(x.want) {
				t.Fatalf("%+v, want %+v", got, x.want)
			}
			for i := range got {
				if got[i] != x.want[i] {
					t.Errorf("lookup %d is %+v, want %+v", i, got[i], x.want[i])
				}
			}
			if p.LeftOut() != x.left {
				t.Errorf("left out %+v, want %+v", p.LeftOut(), x.left)
			}
			if p.order.Len() != 0 || len(p.open) != 0 || p.blind != 0 {
				t.Errorf("%d in order, %d open, %d blind after the end", p.order.Len(), len(p.open), p.blind)
			}
		})
	}
}

func TestTruncated(t *testing.T) {
	var got Lookup
	p := NewPairer(func(l Lookup) { got = l })
	p.Take(ask(0, 5, first))
	p.Take(said(1, 5, true, 0x8380, first))
	if !got.Truncated || got.Rcode != RcodeNoError {
		t.Errorf("%+v", got)
	}
}

func TestPairerIsBounded(t *testing.T) {
	lookups := 0
	p := NewPairer(func(Lookup) { lookups++ })
	p.limit = 10
	for i := range 15 {
		p.Take(ask(i, i, first))
	}
	p.Take(ask(20, 3, first)) // a retry takes no room
	p.End()
	if lookups != 10 || p.LeftOut().Beyond != 5 {
		t.Errorf("%d lookups, %d beyond, want 10 and 5", lookups, p.LeftOut().Beyond)
	}
}

func TestRcodeNames(t *testing.T) {
	for rcode, want := range map[uint8]string{RcodeNoError: "NOERROR", RcodeServFail: "SERVFAIL", RcodeNXDomain: "NXDOMAIN", RcodeRefused: "REFUSED", RcodeUnread: "UNREAD", 200: "UNREAD"} {
		if got := RcodeName(rcode); got != want {
			t.Errorf("rcode %d is %s, want %s", rcode, got, want)
		}
	}
}
