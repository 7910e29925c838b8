package capture

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/hopscope/hopscope/pkg/dns"
	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/journey"
	"github.com/hopscope/hopscope/pkg/model"
)

// live aggregates as a running trace does, and records beside it.
type live struct {
	agg  *model.Aggregator
	w    *Writer
	hops []journey.Hop
}

func (l *live) add(t testing.TB, j *journey.Journey) {
	l.hops = j.Hops(l.hops)
	l.agg.Add(j, l.hops)
	ok(t, l.w.Journey(j, l.hops))
}

func (l *live) drop(t testing.TB, d model.DropCount) {
	l.agg.AddDrops(d)
	ok(t, l.w.Drops(d))
}

func (l *live) retransmit(t testing.TB, r model.RetransmitCount) {
	l.agg.AddRetransmits(r)
	ok(t, l.w.Retransmits(r))
}

func (l *live) count(t testing.TB, c []model.CounterCount) {
	l.agg.AddCounters(c)
	ok(t, l.w.Counters(c))
}

func (l *live) socket(t testing.TB, e model.SocketEvent) {
	l.agg.AddSocket(e)
	ok(t, l.w.Sockets(e))
}

func (l *live) ask(t testing.TB, x dns.Lookup) {
	l.agg.AddDNS(x)
	ok(t, l.w.DNS(x))
}

func (l *live) learn(t testing.TB, servers ...Server) {
	for _, s := range servers {
		l.agg.LearnServer(s.Proto, s.Addr)
	}
	ok(t, l.w.Servers(servers))
}

// liveMeta is what a trace with the head and status of the tests says.
func liveMeta(ended string, s Status) model.Meta {
	h := testHead()
	return model.Meta{
		ToolVersion: h.ToolVersion, Host: h.Host, Kernel: h.Kernel, StartedAt: h.StartedAt,
		Duration: time.Duration(s.DurationNs), Ended: ended, MonotonicZero: h.MonotonicZero,
		Accounting: s.Accounting, Cost: s.Cost,
		Containers: inventory.NewView(testFacts()).Containers(), Symbols: kernelNames{},
	}
}

func asJSON(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.MarshalIndent(v, "", " ")
	ok(t, err)
	return b
}

// TestReportEqualsLive: a capture gives the summary of the live trace, number
// for number.
func TestReportEqualsLive(t *testing.T) {
	w, path := create(t, Options{Head: testHead(), Symbols: kernelNames{}})
	l := &live{agg: model.New(model.Limits{}), w: w}
	older := testFacts()
	older.Containers[1].Name = "web-before"
	ok(t, w.Inventory(1, older))
	made, r := newTraffic(5), rand.New(rand.NewPCG(6, 6))
	for i := range 3 * flushJourneys {
		j := made.next()
		switch {
		case i%100 == 7:
			j = odd(r)
		case i%333 == 5:
			j = dropped(j)
		case i%10 == 3:
			j.Weight = 1 + r.Uint32N(100)
		}
		l.add(t, j)
		if i%1000 == 1 {
			l.drop(t, dropsInForward(uint64(i)))
			l.retransmit(t, retransmitted(uint64(i)))
			l.count(t, moved(uint64(i)))
			for _, e := range oddEvents(r, 100) {
				l.socket(t, e)
			}
			l.ask(t, asked(dns.Outcome(1+i/1000%4)))
		}
		if i%10_000 == 9_000 {
			// From here on, the connections run the other way.
			l.learn(t, Server{journey.ProtoTCP, netip.AddrPortFrom(made.conns[i%50].client.Addr(), made.conns[i%50].client.Port())})
			ok(t, w.Status(testStatus(uint64(i))))
		}
	}
	ok(t, w.Inventory(2, testFacts()))
	last := testStatus(9)
	last.DurationNs, last.Accounting.Tracked = 31e9, 1234
	ok(t, w.Close(End{Ended: "signal", Status: last}))

	want := asJSON(t, l.agg.Snapshot(inventory.NewView(testFacts()), liveMeta("signal", last)))
	rd, err := Open(path)
	ok(t, err)
	defer rd.Close()
	agg := model.New(model.Limits{})
	s, err := Replay(rd, agg, Filter{})
	ok(t, err)
	if s.Damage.Any() || s.Journeys != 3*flushJourneys {
		t.Errorf("%d journeys, %v", s.Journeys, s.Damage)
	}
	if got := asJSON(t, s.Snapshot(agg)); !bytes.Equal(got, want) {
		t.Errorf("the report differs from the live summary:\n%s", firstDifference(got, want))
	}
	if !bytes.Contains(want, []byte("nft_do_chain")) || !bytes.Contains(want, []byte(`"retransmits": {`)) || !bytes.Contains(want, []byte(`"veth of web"`)) ||
		!bytes.Contains(want, []byte(`"max": 65536`)) || !bytes.Contains(want, []byte(`"time_squeeze"`)) || !bytes.Contains(want, []byte(`"kind": "tbf"`)) ||
		!bytes.Contains(want, []byte(`"part": "waiting"`)) || !bytes.Contains(want, []byte(`"unreachable": `)) ||
		!bytes.Contains(want, []byte(`"NXDOMAIN": 7`)) {
		t.Error("the live summary names neither drops nor places nor answers of name servers")
	}
}

func firstDifference(got, want []byte) string {
	g, w := bytes.Split(got, []byte("\n")), bytes.Split(want, []byte("\n"))
	for i := range min(len(g), len(w)) {
		if !bytes.Equal(g[i], w[i]) {
			return "got " + string(g[i]) + ", want " + string(w[i])
		}
	}
	return "one is longer"
}

func TestReplayOfAPart(t *testing.T) {
	w, path := create(t, Options{Head: testHead()})
	made := newTraffic(5)
	var middle uint64
	for i := range 1000 {
		j := made.next()
		if i == 400 {
			middle = j.Start
		}
		ok(t, w.Journey(j, nil))
	}
	ok(t, w.Abandon())
	r, err := Open(path)
	ok(t, err)
	defer r.Close()
	agg := model.New(model.Limits{})
	s, err := Replay(r, agg, Filter{Journey: func(j *journey.Journey) bool { return j.Start >= middle }})
	ok(t, err)
	var sum uint64
	for _, p := range s.Snapshot(agg).Paths {
		sum += p.Journeys
	}
	if s.Journeys != 600 || sum != 600 {
		t.Errorf("%d journeys replayed, %d in paths, want 600", s.Journeys, sum)
	}
	// Nobody said how long it took: until the last stop.
	if s.Meta.Ended != "error" || !s.Damage.NoEnd || s.Meta.Duration < time.Millisecond || s.Meta.Duration > time.Second {
		t.Errorf("ended %q after %v, damage %v", s.Meta.Ended, s.Meta.Duration, s.Damage)
	}
}

func TestSurvey(t *testing.T) {
	w, path := create(t, Options{Head: testHead(), Symbols: kernelNames{}})
	made := newTraffic(5)
	for range 100 {
		ok(t, w.Journey(made.next(), nil))
	}
	ok(t, w.Extra(Extra{Kind: "dns"}))
	ok(t, w.Inventory(1, testFacts()))
	ok(t, w.Close(End{Ended: "limit", Status: testStatus(3)}))
	s, err := Survey(path)
	ok(t, err)
	sel, err := s.View.Select([]string{"web"})
	ok(t, err)
	if s.Journeys != 100 || s.Damage.Any() || s.Meta.Ended != "limit" || len(sel.Containers) != 1 || sel.Netns[0] != webNS {
		t.Errorf("%+v, selected %+v", s, sel)
	}
}
