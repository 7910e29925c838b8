package logic

import (
	"encoding/binary"
	"errors"
	"math"
	"os"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/ringbuf"

	"github.com/hopscope/hopscope/bpf"
)

// TestExchangeLogic runs what tells requests from answers on made-up
// conversations, whose times the test sets.
func TestExchangeLogic(t *testing.T) {
	if testing.Short() {
		t.Skip("needs root, which -short does without")
	}
	src := newSource(t)
	for name, test := range map[string]func(*conversation){
		"turns": (*conversation).turns, "unseen": (*conversation).late, "wrapped": (*conversation).wrapped,
		"push": (*conversation).push, "sampling": (*conversation).sampling, "streams": (*conversation).streams,
		"watched": (*conversation).watched, "half seen": (*conversation).halfSeen,
		"missed": (*conversation).missed,
	} {
		t.Run(name, func(t *testing.T) { test(newConversation(t, src)) })
	}
}

// conversation is a connection, seen from both ends.
type conversation struct {
	*logic
	events           *ringbuf.Reader
	request, answer  uint32 // sequence numbers behind what was said
	now              uint64
	client, server   uint64 // addresses of the sockets
	unseen, crossing bool   // of what is said next
}

const nowUnseen = 1 // NOW_UNSEEN

func newConversation(t *testing.T, src source) *conversation {
	t.Helper()
	c := &conversation{logic: newLogic(t, src, "connection", "sent", "received", "passed_over", "spoken", "forget", "finish"), now: 1000, client: 0x1000, server: 0x2000}
	events, err := ringbuf.NewReader(c.coll.Maps["hs_events"])
	must(t, err, "open the ring of events")
	t.Cleanup(func() { events.Close() })
	c.events = events
	c.start(100, 500)
	return c
}

// start makes the connection anew, its sequences at these numbers.
func (c *conversation) start(request, answer uint32) {
	c.t.Helper()
	c.request, c.answer = request, answer
	for socket, role := range map[uint64]bpf.HopscopeHsRole{
		c.client: bpf.HopscopeHsRoleHS_ROLE_CLIENT, c.server: bpf.HopscopeHsRoleHS_ROLE_SERVER,
	} {
		c.run("connection", socket, uint64(role), 0)
	}
	// What is sent and what is received begin at different numbers.
	for _, socket := range []uint64{c.client, c.server} {
		var conn bpf.HopscopeHsConn
		must(c.t, c.coll.Maps["hs_conns"].Lookup(socket, &conn), "look the connection up")
		conn.Turn.Sent, conn.Turn.Received = request, answer
		if socket == c.server {
			conn.Turn.Sent, conn.Turn.Received = answer, request
		}
		conn.Copied = conn.Turn.Received
		must(c.t, c.coll.Maps["hs_conns"].Put(socket, &conn), "set the connection up")
	}
}

// run calls a program for one end.
func (c *conversation) run(program string, args ...uint64) {
	c.t.Helper()
	ret, err := c.coll.Programs["logic_"+program].Run(&ebpf.RunOptions{Context: append(args, make([]uint64, 7-len(args))...)})
	must(c.t, err, "run logic_"+program)
	if ret == 0 {
		c.t.Fatalf("logic_%s did nothing", program)
	}
}

// say lets n bytes leave one end and reach the other 10 ns later.
func (c *conversation) say(from, to uint64, end *uint32, n uint32) {
	c.t.Helper()
	*end += n
	var crossed uint64
	if c.crossing {
		crossed = 1
	}
	for i, socket := range []uint64{from, to} {
		at := c.now + 10*uint64(i)
		if c.unseen {
			at = nowUnseen
		}
		c.run([]string{"sent", "received"}[i], socket, 0, uint64(*end), crossed, at)
	}
	c.now += 100
}

func (c *conversation) ask(n uint32)   { c.t.Helper(); c.say(c.client, c.server, &c.request, n) }
func (c *conversation) reply(n uint32) { c.t.Helper(); c.say(c.server, c.client, &c.answer, n) }

// told closes the connection and gives what both ends recorded, in turns of the
// client's and the server's.
func (c *conversation) told() (client, server []bpf.HopscopeHsExchange) {
	c.t.Helper()
	c.run("finish", c.client)
	c.run("finish", c.server)
	c.events.SetDeadline(time.Now())
	for {
		rec, err := c.events.Read()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return client, server
		}
		must(c.t, err, "read the ring")
		var x bpf.HopscopeHsExchange
		_, err = binary.Decode(rec.RawSample, binary.LittleEndian, &x)
		must(c.t, err, "decode")
		if x.Sock.Cookie == c.client {
			client = append(client, x)
		} else {
			server = append(server, x)
		}
	}
}

func (c *conversation) turns() {
	c.ask(10)
	c.ask(20)
	c.reply(30)
	c.reply(40)
	c.ask(5)
	c.reply(6)
	client, server := c.told()
	if len(client) != 2 || len(server) != 2 {
		c.t.Fatalf("%d and %d records, want 2 each", len(client), len(server))
	}
	for i, x := range client {
		y := server[i]
		if x.RequestSeq != y.RequestSeq || x.AnswerSeq != y.AnswerSeq || x.Flags != y.Flags {
			c.t.Errorf("the ends differ: %+v, %+v", x, y)
		}
	}
	x, y := client[0], server[0]
	for _, v := range []struct {
		what      string
		got, want uint64
	}{
		{"request", x.RequestNs, 1000}, {"its end", x.RequestEndNs, 1100},
		{"request at the server", y.RequestNs, 1010}, {"its end", y.RequestEndNs, 1110},
		{"answer", y.AnswerNs, 1200}, {"its end", y.AnswerEndNs, 1300},
		{"answer at the client", x.AnswerNs, 1210}, {"its end", x.AnswerEndNs, 1310},
		{"request's place", uint64(x.RequestSeq), 100}, {"answer's place", uint64(x.AnswerSeq), 500},
		{"request's bytes", uint64(x.RequestBytes), 30}, {"answer's bytes", uint64(x.AnswerBytes), 70},
		{"flags", uint64(x.Flags), uint64(bpf.HopscopeHsEventFlagHS_EF_FIRST)},
		{"second request's place", uint64(client[1].RequestSeq), 130},
		{"second request's flags", uint64(client[1].Flags), uint64(bpf.HopscopeHsEventFlagHS_EF_CLOSED)},
	} {
		if v.got != v.want {
			c.t.Errorf("%s: %d, want %d", v.what, v.got, v.want)
		}
	}
}

// What was not seen to arrive has no time.
func (c *conversation) late() {
	c.ask(10)
	c.unseen = true
	c.reply(20)
	client, _ := c.told()
	if len(client) != 1 || client[0].AnswerNs != 0 || client[0].AnswerEndNs != 0 || client[0].AnswerBytes != 20 || client[0].AnswerSeq != 500 {
		c.t.Errorf("%+v", client)
	}
}

// An answer of which the first bytes were not seen to arrive, after long thought, did
// not pause: it is one answer.
func (c *conversation) halfSeen() {
	c.ask(10)
	c.now += uint64(4 * time.Second)
	c.unseen = true
	c.reply(20)
	c.unseen = false
	c.reply(30)
	client, server := c.told()
	for _, end := range [][]bpf.HopscopeHsExchange{client, server} {
		if len(end) != 1 || end[0].AnswerBytes != 50 || end[0].AnswerNs == 0 || end[0].Flags&uint8(bpf.HopscopeHsEventFlagHS_EF_STREAM) != 0 {
			c.t.Errorf("%+v", end)
		}
	}
}

func (c *conversation) wrapped() {
	c.start(math.MaxUint32-3, math.MaxUint32-7)
	c.ask(10)
	c.reply(20)
	client, server := c.told()
	if len(client) != 1 || len(server) != 1 || client[0].RequestBytes != 10 || server[0].AnswerBytes != 20 {
		c.t.Errorf("across the sequence's end: %+v, %+v", client, server)
	}
}

// An answer that pauses for longer than any loss explains is over: what follows
// was not asked for.
func (c *conversation) push() {
	c.ask(10)
	c.reply(20)
	c.now += uint64(2 * time.Second)
	c.reply(20)
	c.now += uint64(4 * time.Second)
	c.reply(20)
	client, _ := c.told()
	stream := uint8(bpf.HopscopeHsEventFlagHS_EF_STREAM | bpf.HopscopeHsEventFlagHS_EF_CLOSED)
	if len(client) != 2 || client[0].AnswerBytes != 40 || client[1].AnswerBytes != 20 || client[1].RequestNs != 0 || client[1].Flags != stream {
		c.t.Errorf("%+v", client)
	}
}

// One in eight, the same ones at both ends.
func (c *conversation) sampling() {
	const requests, rate = 4000, 8
	c.sample(rate)
	for range requests {
		c.ask(64)
		c.reply(64)
	}
	client, server := c.told()
	if len(client) != len(server) {
		c.t.Fatalf("%d and %d records", len(client), len(server))
	}
	for i := range client {
		if client[i].RequestSeq != server[i].RequestSeq || client[i].Weight != rate || server[i].Weight != rate {
			c.t.Fatalf("%+v and %+v", client[i], server[i])
		}
	}
	sigma := math.Sqrt(requests * (1 - 1.0/rate) / rate)
	if off := (float64(len(client)) - requests/rate) / sigma; math.Abs(off) > 4.5 {
		c.t.Errorf("%d of %d kept at 1/%d, %.1f sigma off", len(client), requests, rate, off)
	}
	n := c.counters()
	if sum := n[bpf.HopscopeHsCounterHS_C_EVENTS] + n[bpf.HopscopeHsCounterHS_C_EVENTS_UNSAMPLED]; sum != 2*requests {
		c.t.Errorf("%d emitted or left out, want %d", sum, 2*requests)
	}
}

// Both sides speaking at once is flagged, and after three times in a row known
// for a stream; a fair turn ends that.
func (c *conversation) streams() {
	c.crossing = true
	for range 4 {
		c.ask(10)
		c.reply(10)
	}
	c.crossing = false
	c.ask(10)
	c.reply(10)
	c.ask(10)
	c.reply(10)
	client, _ := c.told()
	const pipelined, stream = bpf.HopscopeHsEventFlagHS_EF_PIPELINED, bpf.HopscopeHsEventFlagHS_EF_STREAM
	want := []bpf.HopscopeHsEventFlag{
		bpf.HopscopeHsEventFlagHS_EF_FIRST | pipelined, pipelined, pipelined | stream, pipelined | stream,
		0, bpf.HopscopeHsEventFlagHS_EF_CLOSED,
	}
	if len(client) != len(want) {
		c.t.Fatalf("%d records, want %d", len(client), len(want))
	}
	for i, x := range client {
		if x.Flags != uint8(want[i]) {
			c.t.Errorf("record %d has flags %#x, want %#x", i, x.Flags, want[i])
		}
	}
}

// A connection is watched while its exchange is recorded. Of others only what is
// sent is seen, and that is enough to know where the next request begins: in their
// seats, and where two want the same one, which they do here, in the second one's entry.
func (c *conversation) watched() {
	const none = math.MaxUint32
	c.sample(none)
	c.ask(10)
	c.reply(20)
	c.wantBucket(0, c.client)
	for range 3 {
		c.request += 10
		c.run("passed_over", c.client, 0, uint64(c.request), uint64(c.answer))
		c.answer += 20
		c.run("passed_over", c.server, 0, uint64(c.answer), uint64(c.request))
	}
	if n := c.counters()[bpf.HopscopeHsCounterHS_C_EVENTS_UNSAMPLED]; n != 2*4 {
		c.t.Errorf("%d left out at two ends, want 8", n)
	}
	c.sample(1)
	// The client's next request is recorded, the former answer being acknowledged.
	c.wantRecorded(c.client, c.request+10, c.answer)
	c.ask(10)
	c.wantBucket(2, 0)
	c.reply(20)
	c.wantPlaces(140, 580)
	c.run("forget", c.client)
	c.run("forget", c.server)
	c.wantBucket(0, 0)
	c.start(100, 500)
	c.sample(none)
	c.ask(10)
	c.wantBucket(0, c.client) // the seat is free again
	c.run("forget", c.client)
	c.wantBucket(0, 0)
	c.run("forget", c.server)
}

// The kernel may leave a program out where a request arrives, or an answer: what is
// sent next tells that it did.
func (c *conversation) missed() {
	c.sample(math.MaxUint32)
	c.ask(10)
	c.reply(20)
	c.sample(1)
	c.fillSocket(c.request + 10) // the server reads what it missed the arrival of
	c.wantRecorded(c.client, c.request+10, c.answer)
	c.request += 10
	c.run("sent", c.client, 0, uint64(c.request), 0, c.now)
	c.wantRecorded(c.server, c.answer+20, c.request)
	c.answer += 20
	c.run("spoken", c.server, 0, uint64(c.answer), uint64(c.request), c.now+50)
	c.wantBucket(2, 0)
	// ... and the client's next request, that it missed the answer's.
	c.request += 30
	c.run("spoken", c.client, 0, uint64(c.request), uint64(c.answer), c.now+100)
	client, server := c.told()
	if len(client) != 2 || len(server) != 1 {
		c.t.Fatalf("%d and %d records, want 2 and 1", len(client), len(server))
	}
	for _, x := range []bpf.HopscopeHsExchange{client[0], server[0]} {
		if x.RequestSeq != 110 || x.AnswerSeq != 520 || x.RequestBytes != 10 || x.AnswerBytes != 20 {
			c.t.Errorf("%+v", x)
		}
	}
	if x := server[0]; x.RequestNs != 0 || x.RequestEndNs != 0 || x.AnswerNs != c.now+50 || x.Flags&uint8(bpf.HopscopeHsEventFlagHS_EF_PIPELINED) != 0 {
		c.t.Errorf("%+v", x)
	}
	if x := client[1]; x.RequestSeq != 120 || x.RequestNs != c.now+100 {
		c.t.Errorf("%+v", x)
	}
	c.run("forget", c.client)
	c.run("forget", c.server)
}

// wantRecorded: what one end is about to send is not passed over.
func (c *conversation) wantRecorded(socket uint64, end, ack uint32) {
	c.t.Helper()
	ret, err := c.coll.Programs["logic_passed_over"].Run(&ebpf.RunOptions{
		Context: []uint64{socket, 0, uint64(end), uint64(ack), 0, 0, 0}})
	must(c.t, err, "run logic_passed_over")
	if ret != 0 {
		c.t.Errorf("what socket %#x sends up to %d, acknowledging %d, was passed over", socket, end, ack)
	}
}

// wantPlaces: both ends recorded one exchange, of 10 bytes for 20.
func (c *conversation) wantPlaces(request, answer uint32) {
	c.t.Helper()
	client, server := c.told()
	if len(client) != 1 || len(server) != 1 {
		c.t.Fatalf("%d and %d records, want 1 each", len(client), len(server))
	}
	for _, x := range []bpf.HopscopeHsExchange{client[0], server[0]} {
		if x.RequestSeq != request || x.AnswerSeq != answer || x.RequestBytes != 10 || x.AnswerBytes != 20 {
			c.t.Errorf("%+v", x)
		}
	}
}

// fillSocket sets copied_seq of the socket that is read, wherever it lies.
func (c *conversation) fillSocket(copied uint32) {
	c.t.Helper()
	words := make([]uint32, 1024)
	for i := range words {
		words[i] = copied
	}
	must(c.t, c.coll.Maps["logic_socket"].Put(uint32(0), words), "fill the socket")
}

func (c *conversation) sample(rate uint32) {
	c.t.Helper()
	must(c.t, c.coll.Variables["hs_sample"].Set(rate), "set the sample rate")
}

// wantBucket: so many connections are counted in the bucket that all share here, and
// this one has the seat; 0: none.
func (c *conversation) wantBucket(watched uint32, seated uint64) {
	c.t.Helper()
	var buckets [4096]struct {
		Seated                        uint64
		Sent, Received, Phase, Client uint32
		Watched, _                    uint32
	}
	must(c.t, c.coll.Variables["hs_buckets"].Get(&buckets), "read the buckets")
	if b := buckets[0]; b.Watched != watched || b.Seated != seated {
		c.t.Errorf("%d connections are watched, %#x is seated, want %d and %#x", b.Watched, b.Seated, watched, seated)
	}
}
