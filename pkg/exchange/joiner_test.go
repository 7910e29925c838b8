package exchange

import (
	"net/netip"
	"testing"
	"time"
)

const (
	ms     = uint64(time.Millisecond)
	second = uint64(time.Second)

	hostNS, webNS, apiNS = 1, 100, 200
	proxyPID             = 77
)

var (
	outside = netip.MustParseAddr("198.51.100.9")
	host    = netip.MustParseAddr("198.51.100.1")
	gateway = netip.MustParseAddr("10.0.0.1")
	web     = netip.MustParseAddr("10.0.0.2")
	api     = netip.MustParseAddr("10.0.0.3")
)

func port(a netip.Addr, p uint16) netip.AddrPort { return netip.AddrPortFrom(a, p) }

// pair is both ends' records of one exchange that began at t: 1 ms on the way,
// 2 ms unread, 7 ms at the application, 3 ms of answer, 4 ms back, 5 ms unread.
func pair(t uint64, seq uint32) (client, server *Record) {
	client = &Record{
		Role: RoleClient, Weight: 1, RequestSeq: seq, AnswerSeq: seq + 1, RequestBytes: 10, AnswerBytes: 20,
		Sock:    Sock{Cookie: 1, Cgroup: 11, Netns: webNS, Local: port(web, 40000), Remote: port(api, 8080), Tid: 5},
		Request: t, RequestEnd: t, Answer: t + 15*ms, AnswerEnd: t + 17*ms, AnswerRead: t + 22*ms,
		SRTT: 300 * time.Microsecond,
	}
	server = &Record{
		Role: RoleServer, Weight: 1, RequestSeq: seq, AnswerSeq: seq + 1, RequestBytes: 10, AnswerBytes: 20,
		Sock:    Sock{Cookie: 2, Cgroup: 22, Netns: apiNS, Local: port(api, 8080), Remote: port(web, 40000), Tid: 6},
		Request: t + ms, RequestEnd: t + ms, RequestRead: t + 3*ms, Answer: t + 10*ms, AnswerEnd: t + 13*ms,
	}
	return client, server
}

// collect keeps what a joiner hands out.
type collect []Exchange

func (c *collect) emit(x *Exchange) {
	own := *x
	own.Parts = append([]Part(nil), x.Parts...)
	own.Sides = append([]Side(nil), x.Sides...)
	*c = append(*c, own)
}

func (x *Exchange) part(k PartKind) uint64 {
	for _, p := range x.Parts {
		if p.Kind == k {
			return p.Ns
		}
	}
	return 0
}

// sums checks that the parts are the whole.
func sums(t *testing.T, x Exchange) {
	t.Helper()
	var sum uint64
	for _, p := range x.Parts {
		sum += p.Ns
	}
	if sum != x.Total {
		t.Errorf("parts sum to %d of %d: %+v", sum, x.Total, x.Parts)
	}
}

func join(t *testing.T, j *Joiner, records ...*Record) collect {
	t.Helper()
	var got collect
	for _, r := range records {
		j.Add(r, 10*second, got.emit)
	}
	j.Flush(got.emit)
	for _, x := range got {
		if x.Reason == ReasonNone {
			sums(t, x)
		}
	}
	if j.Waiting() != 0 {
		t.Errorf("%d entries left", j.Waiting())
	}
	return got
}

func want(t *testing.T, x Exchange, parts map[PartKind]uint64) {
	t.Helper()
	for k, ns := range parts {
		if x.part(k) != ns {
			t.Errorf("%v is %d ns, want %d; %+v", k, x.part(k), ns, x.Parts)
		}
	}
	n := 0
	for _, p := range x.Parts {
		if _, ok := parts[p.Kind]; !ok && p.Ns > 0 {
			n++
		}
	}
	if n > 0 {
		t.Errorf("unexpected parts: %+v", x.Parts)
	}
}

func TestBothEnds(t *testing.T) {
	c, s := pair(second, 1000)
	for _, order := range [][]*Record{{c, s}, {s, c}} {
		got := join(t, NewJoiner(Limits{}, nil), order...)
		if len(got) != 1 {
			t.Fatalf("%d exchanges: %+v", len(got), got)
		}
		x := got[0]
		want(t, x, map[PartKind]uint64{
			PartRequestNetwork: ms, PartServerRecv: 2 * ms, PartApp: 7 * ms, PartAppBody: 3 * ms,
			PartResponseNetwork: 4 * ms, PartClientRecv: 5 * ms,
		})
		if x.Total != 22*ms || x.Start != second || x.View != ViewBoth || x.Port != 8080 || x.RTT != 300000 ||
			x.Client != (Party{11, webNS, web}) || x.Server != (Party{22, apiNS, api}) {
			t.Errorf("%+v", x)
		}
		if len(x.Sides) != 2 || x.Sides[0].App != -1 || x.Sides[0].SockRecv != int64(5*ms) ||
			x.Sides[1].App != int64(7*ms) || x.Sides[1].SockRecv != int64(2*ms) || !x.Sides[1].Server {
			t.Errorf("sides %+v", x.Sides)
		}
	}
}

func TestOneEnd(t *testing.T) {
	c, s := pair(second, 1)
	x := join(t, NewJoiner(Limits{}, nil), c)[0]
	want(t, x, map[PartKind]uint64{PartElsewhere: 15 * ms, PartResponse: 2 * ms, PartClientRecv: 5 * ms})
	if x.View != ViewClient || x.Server != (Party{Addr: api}) || x.Port != 8080 {
		t.Errorf("%+v", x)
	}
	s.Request -= ms / 2
	x = join(t, NewJoiner(Limits{}, nil), s)[0]
	want(t, x, map[PartKind]uint64{PartRequest: ms / 2, PartServerRecv: 2 * ms, PartApp: 7 * ms, PartAppBody: 3 * ms})
	if x.View != ViewServer || x.Client != (Party{Addr: web}) || x.Total != 12*ms+ms/2 {
		t.Errorf("%+v", x)
	}
}

// What was not seen is named so, or is part of what follows.
func TestMissingTimes(t *testing.T) {
	c, s := pair(second, 1)
	s.RequestRead, c.AnswerRead = 0, 0
	x := join(t, NewJoiner(Limits{}, nil), c, s)[0]
	want(t, x, map[PartKind]uint64{PartRequestNetwork: ms, PartRecvApp: 9 * ms, PartAppBody: 3 * ms, PartResponseNetwork: 4 * ms})
	if x.Sides[1].App != -1 || x.Sides[0].SockRecv != -1 {
		t.Errorf("%+v", x.Sides)
	}
}

// A request that TCP took in unseen, as one that came with the handshake.
func TestUnseenArrival(t *testing.T) {
	c, s := pair(second, 1)
	s.Request, s.RequestEnd = 0, 0
	x := join(t, NewJoiner(Limits{}, nil), c, s)[0]
	want(t, x, map[PartKind]uint64{PartNetworkRecv: 3 * ms, PartApp: 7 * ms, PartAppBody: 3 * ms, PartResponseNetwork: 4 * ms, PartClientRecv: 5 * ms})
	x = join(t, NewJoiner(Limits{}, nil), s)[0]
	if x.Start != second+3*ms || x.Total != 10*ms || x.part(PartApp) != 7*ms {
		t.Errorf("%+v", x)
	}
	s.RequestRead = 0
	x = join(t, NewJoiner(Limits{}, nil), c, s)[0]
	want(t, x, map[PartKind]uint64{PartElsewhere: 10 * ms, PartAppBody: 3 * ms, PartResponseNetwork: 4 * ms, PartClientRecv: 5 * ms})
}

// Of a request whose arrival the kernel missed, the server tells its answer alone. The
// client's record says how long the whole took, and without that nothing does.
func TestArrivalMissed(t *testing.T) {
	c, s := pair(second, 1)
	s.Request, s.RequestEnd, s.RequestRead = 0, 0, 0
	x := join(t, NewJoiner(Limits{}, nil), c, s)[0]
	want(t, x, map[PartKind]uint64{PartElsewhere: 10 * ms, PartAppBody: 3 * ms, PartResponseNetwork: 4 * ms, PartClientRecv: 5 * ms})
	j := NewJoiner(Limits{}, nil)
	if got := join(t, j, s); len(got) != 0 || j.Counts().Unseen != 1 {
		t.Errorf("%+v, %+v", got, j.Counts())
	}
	s.RequestRead = second
	if got := join(t, j, s); len(got) != 1 || got[0].Total != 12*ms+ms || j.Counts().Unseen != 1 {
		t.Errorf("%+v, %+v", got, j.Counts())
	}
	s.RequestRead, s.Flags = 0, FlagServerFirst
	if got := join(t, j, s); len(got) != 1 || got[0].Reason != ReasonServerFirst {
		t.Errorf("%+v, %+v", got, j.Counts())
	}
}

// Parts never go below 0, whatever the order of what both ends saw.
func TestBent(t *testing.T) {
	c, s := pair(second, 1)
	s.AnswerEnd = c.AnswerEnd + ms // sent after it arrived
	j := NewJoiner(Limits{}, nil)
	x := join(t, j, c, s)[0]
	want(t, x, map[PartKind]uint64{PartRequestNetwork: ms, PartServerRecv: 2 * ms, PartApp: 7 * ms, PartAppBody: 8 * ms, PartClientRecv: 4 * ms})
	if j.Counts().Bent != 1 {
		t.Errorf("%+v", j.Counts())
	}
	c, s = pair(second, 1)
	s.Request, s.RequestEnd, s.RequestRead, s.Answer, s.AnswerEnd = 5, 4, 3, 2, 1
	join(t, NewJoiner(Limits{}, nil), c, s)
	c, s = pair(second, 1)
	s.Answer, s.AnswerEnd = 1<<62, 1<<62
	join(t, NewJoiner(Limits{}, nil), c, s)
}

func TestLeftOut(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Record)
		want   Reason
	}{
		"server first": {func(r *Record) { r.Flags = FlagServerFirst }, ReasonServerFirst},
		"pipelined":    {func(r *Record) { r.Flags = FlagPipelined }, ReasonPipelined},
		"stream":       {func(r *Record) { r.Flags = FlagStream | FlagPipelined }, ReasonStream},
		"unanswered":   {func(r *Record) { r.Answer, r.AnswerEnd, r.Flags = 0, 0, FlagReset }, ReasonUnanswered},
		"role":         {func(r *Record) { r.Role = RoleUnknown }, ReasonRole},
		"tls":          {func(r *Record) { r.Flags, r.Sock.Remote = FlagFirst, port(api, 443) }, ReasonTLS},
		"later on tls": {func(r *Record) { r.Sock.Remote = port(api, 443) }, ReasonNone},
		"first":        {func(r *Record) { r.Flags = FlagFirst }, ReasonNone},
	} {
		client, server := pair(second, 1)
		c.change(client)
		for _, records := range [][]*Record{{client}, {client, server}, {server, client}} {
			got := join(t, NewJoiner(Limits{}, nil), records...)
			if len(got) != 1 || got[0].Reason != c.want {
				t.Errorf("%s: %+v", name, got)
			}
		}
	}
}

// An end waits for the other one, and no longer than the window.
func TestWindow(t *testing.T) {
	j := NewJoiner(Limits{Window: 3 * time.Second}, nil)
	var got collect
	c, s := pair(second, 1)
	j.Add(c, 10*second, got.emit)
	j.Advance(13*second-1, got.emit)
	if len(got) != 0 {
		t.Fatalf("%+v", got)
	}
	j.Advance(13*second, got.emit)
	if len(got) != 1 || got[0].View != ViewClient {
		t.Fatalf("%+v", got)
	}
	j.Add(s, 13*second, got.emit)
	j.Add(s, 13*second, got.emit)
	j.Advance(16*second, got.emit)
	if len(got) != 2 || got[1].View != ViewServer {
		t.Fatalf("%+v", got)
	}
	if n := j.Counts(); n.Records != 3 || n.Duplicates != 1 || n.OneSided != 2 || n.Both != 0 {
		t.Errorf("%+v", n)
	}
}

// What waits is bounded, and nothing is lost.
func TestBounded(t *testing.T) {
	j := NewJoiner(Limits{Pending: 100, Outgoing: 50}, func(tgid uint32) bool { return tgid == proxyPID })
	var got collect
	for i := range uint32(10_000) {
		c, s := pair(second+uint64(i)*ms, 2*i)
		if i%3 == 0 {
			s.Sock.Tgid, c.Sock.Tgid = proxyPID, proxyPID
		}
		j.Add(c, 10*second, got.emit)
		j.Add(s, 10*second, got.emit)
		if j.Waiting() > 100 || j.outs.order.len() > 50 {
			t.Fatalf("%d wait, %d outgoing", j.Waiting(), j.outs.order.len())
		}
	}
	j.Flush(got.emit)
	n := j.Counts()
	if len(got) != 10_000 || n.Both != 10_000 || n.Early != 9_900 {
		t.Errorf("%d exchanges, %+v", len(got), n)
	}
	for owner, list := range j.fronts {
		t.Errorf("%v still has %d by docker-proxy", owner, len(list.all()))
	}
	for owner, list := range j.serving {
		t.Errorf("%v still serves %d", owner, len(list.all()))
	}
}

// outgoingOf is an exchange of the server's container with db, 5 ms long.
func outgoingOf(s *Record, at uint64, seq uint32, db netip.Addr) *Record {
	return &Record{
		Role: RoleClient, Weight: 1, RequestSeq: seq, AnswerSeq: seq + 1,
		Sock: Sock{
			Cookie: uint64(seq), Cgroup: s.Sock.Cgroup, Netns: s.Sock.Netns,
			Local: port(api, 50000), Remote: port(db, 5432),
		},
		Request: at, RequestEnd: at, Answer: at + 5*ms, AnswerEnd: at + 5*ms, AnswerRead: at + 5*ms,
	}
}

func TestWaitingOn(t *testing.T) {
	db, cache := netip.MustParseAddr("10.0.0.4"), netip.MustParseAddr("10.0.0.5")
	_, s := pair(second, 1) // app from 3 to 10 ms
	got := join(t, NewJoiner(Limits{}, nil),
		outgoingOf(s, second+4*ms, 100, db),    // 4 to 9
		outgoingOf(s, second+3*ms, 200, cache), // 3 to 8: alone until 4
		outgoingOf(s, second+2*ms, 300, cache), // began before the request was read
		outgoingOf(s, second+6*ms, 400, cache), // ended after the answer
		s)
	x := got[len(got)-1]
	waits := map[netip.Addr]uint64{}
	for _, p := range x.Parts {
		if p.Kind == PartWaiting {
			waits[p.Target.Addr] = p.Ns
		}
	}
	if waits[db] != 5*ms || waits[cache] != ms || x.part(PartApp) != ms {
		t.Errorf("%+v", x.Parts)
	}
	if app := x.Sides[0].App; app != int64(7*ms) {
		t.Errorf("the socket's own time became %d", app)
	}
}

// An outgoing exchange belongs to one request: the shortest that it fits into,
// or one that waits for nothing else.
func TestWaitingConcurrent(t *testing.T) {
	const firstRead, lateRead = 3 * ms, 4 * ms
	for name, c := range map[string]struct {
		firstEnds, lateEnds uint64
		from                []uint64 // each takes 5 ms
		first, late         uint64   // what is waited for
	}{
		"shortest":   {12 * ms, 12 * ms, []uint64{5 * ms}, 0, 5 * ms},
		"only first": {12 * ms, 12 * ms, []uint64{3*ms + ms/2}, 5 * ms, 0},
		"both":       {12 * ms, 12 * ms, []uint64{5 * ms, 5*ms + ms/2}, 5 * ms, 5 * ms},
		"all three":  {12 * ms, 12 * ms, []uint64{5 * ms, 5*ms + ms/4, 5*ms + ms/2}, 5 * ms, 5*ms + ms/2},
		// Both are read before either asks.
		"in turn": {10 * ms, 12 * ms, []uint64{4*ms + ms/4, 6 * ms}, 5 * ms, 5 * ms},
		// The first outgoing one fits both, and the late one better; the second
		// fits the late one alone.
		"makes room": {11 * ms, 11*ms + ms/2, []uint64{5 * ms, 6*ms + ms/4}, 5 * ms, 5 * ms},
	} {
		_, first := pair(second+firstRead-3*ms, 1)
		_, late := pair(second+lateRead-3*ms, 10)
		first.Answer, first.AnswerEnd = second+c.firstEnds, second+c.firstEnds
		late.Answer, late.AnswerEnd = second+c.lateEnds, second+c.lateEnds
		records := []*Record{late, first}
		for i, from := range c.from {
			records = append(records, outgoingOf(first, second+from, uint32(100*(i+1)), api))
		}
		for _, x := range join(t, NewJoiner(Limits{}, nil), records...) {
			want := c.first
			if x.Start == second+2*ms {
				want = c.late
			}
			if got := x.part(PartWaiting); x.View == ViewServer && got != want {
				t.Errorf("%s: exchange at %d waits for %d, want %d", name, x.Start, got, want)
			}
		}
	}
}

// A sample of the outgoing exchanges says nothing of a single request.
func TestWaitingSampled(t *testing.T) {
	_, s := pair(second, 1)
	s.Weight = 8
	j := NewJoiner(Limits{}, nil)
	got := join(t, j, outgoingOf(s, second+4*ms, 100, api), s)
	if x := got[1]; x.part(PartWaiting) != 0 || x.Weight != 8 || j.Counts().Unsplit != 1 {
		t.Errorf("%+v %+v", x, j.Counts())
	}
}

// proxied is an exchange of an outside client by docker-proxy with web: c0 is
// the client's own record.
func proxied(t uint64, seq uint32) (c0, s0, c1, s1 *Record) {
	c0, s0 = pair(t, seq)
	s0.Sock = Sock{Cookie: 10 + uint64(seq), Netns: hostNS, Local: port(host, 80), Remote: port(outside, 40000), Tgid: proxyPID, Tid: proxyPID + 1}
	c0.Sock.Remote = port(host, 80)
	c1, s1 = pair(t, seq+500)
	c1.Sock = Sock{Cookie: 20 + uint64(seq), Netns: hostNS, Local: port(gateway, 50000+uint16(seq)), Remote: port(web, 8080), Tgid: proxyPID, Tid: proxyPID + 1}
	s1.Sock.Local = port(web, 8080)
	// c0 → 1 → s0 → 2 → c1 → 1 → s1: 1 unread, 5 app → 1 → c1 → 1 → s0 → 2 → c0, 1 unread
	s0.Request, s0.RequestEnd, s0.RequestRead = t+ms, t+ms, t+2*ms
	c1.Request, c1.RequestEnd = t+3*ms, t+3*ms
	s1.Request, s1.RequestEnd, s1.RequestRead = t+4*ms, t+4*ms, t+5*ms
	s1.Answer, s1.AnswerEnd = t+10*ms, t+10*ms
	c1.Answer, c1.AnswerEnd, c1.AnswerRead = t+11*ms, t+11*ms, t+11*ms+ms/2
	s0.Answer, s0.AnswerEnd = t+12*ms, t+12*ms
	c0.Answer, c0.AnswerEnd, c0.AnswerRead = t+14*ms, t+14*ms, t+15*ms
	return c0, s0, c1, s1
}

func isProxy(tgid uint32) bool { return tgid == proxyPID }

func TestProxy(t *testing.T) {
	c0, s0, c1, s1 := proxied(second, 1)
	for _, order := range [][]*Record{{c0, s0, c1, s1}, {s1, c1, s0, c0}, {c1, c0, s1, s0}} {
		j := NewJoiner(Limits{}, isProxy)
		got := join(t, j, order...)
		if len(got) != 1 {
			t.Fatalf("%d exchanges: %+v", len(got), got)
		}
		x := got[0]
		want(t, x, map[PartKind]uint64{
			PartRequestNetwork: ms, PartProxy: 3 * ms, PartProxyRequest: ms, PartServerRecv: ms, PartApp: 5 * ms,
			PartAppBody: 0, PartProxyResponse: ms, PartResponseNetwork: 2 * ms, PartClientRecv: ms,
		})
		if !x.Proxied || x.Proxy.Target != port(web, 8080) || x.Port != 8080 || x.Asked != port(host, 80) ||
			x.Server.Netns != apiNS || x.Total != 15*ms || len(x.Sides) != 2 {
			t.Errorf("%+v", x)
		}
		if n := j.Counts(); n.Proxied != 1 || n.Unpaired != 0 {
			t.Errorf("%+v", n)
		}
	}
}

// From outside the host, and to a container that was not seen.
func TestProxyOneSided(t *testing.T) {
	_, s0, c1, s1 := proxied(second, 1)
	x := join(t, NewJoiner(Limits{}, isProxy), s0, c1, s1)[0]
	if x.View != ViewServer || x.Total != 11*ms || x.part(PartProxy) != 3*ms || x.Client.Addr != outside {
		t.Errorf("%+v", x)
	}
	_, s0, c1, _ = proxied(second, 1)
	x = join(t, NewJoiner(Limits{}, isProxy), s0, c1)[0]
	if x.part(PartElsewhere) != 8*ms || x.part(PartProxy) != 3*ms || x.Server.Addr != web {
		t.Errorf("%+v", x)
	}
}

// With equal bytes at the same time the connection that is known tells, or that
// another one is; else the time, which is counted.
func TestProxyAmbiguous(t *testing.T) {
	make2 := func() (s0, c1, s1, t0, d1, t1 *Record) {
		_, s0, c1, s1 = proxied(second, 1)
		_, t0, d1, t1 = proxied(second, 2000)
		return
	}
	check := func(name string, guessed uint64, j *Joiner, records ...*Record) {
		n := 0
		for _, x := range join(t, j, records...) {
			if x.Proxied {
				n++
			}
		}
		if c := j.Counts(); n != 2 || c.Proxied != 2 || c.Guessed != guessed || c.Unpaired != 0 {
			t.Errorf("%s: %d joined, %+v", name, n, c)
		}
	}
	s0, c1, s1, t0, d1, t1 := make2()
	check("time", 2, NewJoiner(Limits{}, isProxy), s0, t0, c1, d1, s1, t1)
	j := NewJoiner(Limits{}, isProxy)
	j.proxies.learn(s0.proxyEnd(), d1.proxyEnd()) // against the order in time
	check("connection", 0, j, s0, t0, c1, d1, s1, t1)
	if j.proxies[t0.proxyEnd()] != c1.proxyEnd() {
		t.Errorf("%+v", j.proxies)
	}
	d1.AnswerBytes++
	t0.AnswerBytes++
	check("bytes", 0, NewJoiner(Limits{}, isProxy), s0, t0, c1, d1, s1, t1)
}

// A shorter exchange within a longer one keeps what fits it alone.
func TestProxyNested(t *testing.T) {
	_, long, d1, t1 := proxied(second, 1)
	_, s0, c1, s1 := proxied(second, 2000)
	long.Request, long.RequestEnd = second, second
	d1.Request, d1.RequestEnd = second+2*ms+ms/2, second+2*ms+ms/2
	s0.Request, s0.RequestEnd, s0.RequestRead = second+2*ms+ms*3/4, second+2*ms+ms*3/4, second+2*ms+ms*3/4
	c1.Request = second + 2*ms + ms*4/5
	long.Answer, long.AnswerEnd = second+20*ms, second+20*ms
	for _, r := range []*Record{d1, c1} { // the inner one of the short exchange is the longer one
		r.AnswerEnd, r.AnswerRead = second+11*ms, second+11*ms
	}
	d1.AnswerEnd, d1.AnswerRead = second+10*ms, second+10*ms
	for _, order := range [][]*Record{{long, s0, d1, c1, s1, t1}, {s0, long, c1, d1, s1, t1}} {
		j := NewJoiner(Limits{}, isProxy)
		n := 0
		for _, x := range join(t, j, order...) {
			if x.Proxied {
				n++
			}
		}
		if n != 2 || j.Counts().Unpaired != 0 {
			t.Errorf("%d joined, %+v", n, j.Counts())
		}
	}
}

// Of two first exchanges one fits into both, and is the longer one in the other's time,
// too: the next ones, which come apart, tell whose connection it is on.
func TestProxyTellsByTheNext(t *testing.T) {
	_, s0, c1, s1 := proxied(second, 1)
	_, t0, d1, t1 := proxied(second, 2000)
	inner := func(r *Record, from, to uint64) {
		r.Request, r.RequestEnd = second+from, second+from
		r.Answer, r.AnswerEnd, r.AnswerRead = second+to, second+to, second+to
	}
	outer := func(r *Record, from, to uint64) {
		r.Request, r.RequestEnd, r.RequestRead = second+from, second+from, second+from
		r.Answer, r.AnswerEnd = second+to, second+to
	}
	outer(t0, 0, 10*ms)
	outer(s0, 2*ms, 11*ms)
	inner(d1, 2*ms+ms/5, 9*ms)
	inner(c1, 4*ms, 10*ms+ms/2)
	records := []*Record{s0, t0, c1, d1, s1, t1}
	for i, first := range [][3]*Record{{s0, c1, s1}, {t0, d1, t1}} {
		next := [3]*Record{}
		_, next[0], next[1], next[2] = proxied(second+uint64(i+1)*100*ms, 4000+uint32(i)*2)
		for k := range next {
			next[k].Sock = first[k].Sock
		}
		records = append(records, next[:]...)
	}
	j := NewJoiner(Limits{}, isProxy)
	join(t, j, records...)
	if n := j.Counts(); n.Proxied != 4 || n.Unpaired != 0 || n.Guessed != 0 {
		t.Errorf("%+v", n)
	}
	if j.proxies[s0.proxyEnd()] != c1.proxyEnd() || j.proxies[t0.proxyEnd()] != d1.proxyEnd() {
		t.Errorf("%+v", j.proxies)
	}
}

// Of a sample, what fits may be another connection's: a quick exchange within a slow
// one, whose own was not recorded, would make docker-proxy slow. Connections that were
// known before still tell.
func TestProxySampled(t *testing.T) {
	_, slow, own, _ := proxied(second, 1)
	_, _, quick, _ := proxied(second, 2000)
	slow.Weight, own.Weight, quick.Weight = 8, 8, 8
	j := NewJoiner(Limits{}, isProxy)
	for _, x := range join(t, j, slow, quick) {
		if x.Proxied {
			t.Errorf("joined to another's: %+v", x)
		}
	}
	if n := j.Counts(); n.Proxied != 0 || n.Unpaired != 2 || len(j.proxies) != 0 {
		t.Errorf("%+v, %d connections known", n, len(j.proxies))
	}
	j = NewJoiner(Limits{}, isProxy)
	j.proxies.learn(slow.proxyEnd(), own.proxyEnd())
	join(t, j, slow, quick, own)
	if n := j.Counts(); n.Proxied != 1 || n.Guessed != 0 || n.Unpaired != 1 {
		t.Errorf("%+v", n)
	}
}

// What does not fit is not joined: unknown, and counted.
func TestProxyUnpaired(t *testing.T) {
	for name, change := range map[string]func(s0, c1 *Record){
		"bytes":   func(_, c1 *Record) { c1.RequestBytes++ },
		"process": func(_, c1 *Record) { c1.Sock.Tgid++ },
		"before":  func(s0, c1 *Record) { c1.Request = s0.Request - 1 },
		"after":   func(s0, c1 *Record) { c1.AnswerRead = s0.AnswerEnd + 1 },
		"missing": func(_, c1 *Record) { c1.Flags = FlagStream },
	} {
		_, s0, c1, s1 := proxied(second, 1)
		change(s0, c1)
		j := NewJoiner(Limits{}, func(tgid uint32) bool { return tgid >= proxyPID })
		for _, x := range join(t, j, s0, c1, s1) {
			if x.Proxied {
				t.Errorf("%s: %+v", name, x)
			}
		}
		if j.Counts().Proxied != 0 || j.Counts().Unpaired == 0 {
			t.Errorf("%s: %+v", name, j.Counts())
		}
	}
}

// docker-proxy's exchange with the container waits for the one that it was
// asked for, also when that one comes last.
func TestProxyWaits(t *testing.T) {
	c0, s0, c1, s1 := proxied(second, 1)
	j := NewJoiner(Limits{Window: 3 * time.Second}, isProxy)
	var got collect
	j.Add(c1, 10*second, got.emit)
	j.Add(s1, 10*second, got.emit)
	j.Add(s0, 12*second, got.emit)
	j.Add(c0, 12*second, got.emit)
	j.Advance(15*second, got.emit)
	if len(got) != 1 || !got[0].Proxied {
		t.Fatalf("%+v", got)
	}
	j.Advance(100*second, got.emit)
	if len(got) != 1 || j.Waiting() != 0 {
		t.Errorf("%+v", got)
	}
}
