package diff

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/hopscope/hopscope/pkg/model"
)

const checkoutNS = 300

// withCheckout is the shop with some packets on another port: a path beside the busy
// one of web and api.
func withCheckout(seed uint64, port uint16, perSecond float64) load {
	l := shopLoad(seed)
	l.names = names{webNS: "web", apiNS: "api", checkoutNS: "checkout"}
	few := shopLoad(seed + 100)
	few.packets, few.port, few.to = int(perSecond*l.seconds), port, checkoutNS
	if few.packets > 0 {
		l.also = []load{few}
	}
	return l
}

// What cannot be tested is no verdict, however few of the packets it has: a rare
// checkout may be what went wrong. What comes with any traffic asks for none.
func TestVerdictOfEveryPath(t *testing.T) {
	for _, c := range []struct {
		name          string
		port          uint16
		before, after float64 // packets a second
		err           error
		rare          int
	}{
		{"busy enough", 9090, 20, 20, nil, 0},
		{"2 requests a second", 9090, 2, 2, ErrTooFewSamples, 0},
		{"less than before", 9090, 20, 2, ErrTooFewSamples, 0},
		{"vanished", 9090, 2, 0, ErrVanished, 0},
		{"appeared", 9090, 0, 2, nil, 0},
		{"a few packets", 9090, 0.5, 0.5, nil, 1},
		{"a few packets before", 9090, 0.5, 0, nil, 1},
		{"lookups", 53, 2, 2, nil, 0},
	} {
		r := Compare(withCheckout(1, c.port, c.before).side(t), withCheckout(2, c.port, c.after).side(t), Options{FailOver: 0.2})
		err := r.Verdict()
		if !errors.Is(err, c.err) || r.Rare != c.rare {
			t.Errorf("%s: %v, %d rare", c.name, err, r.Rare)
		}
		if c.err != nil && (!strings.Contains(fmt.Sprint(err), "web → checkout tcp/9090") || strings.Contains(err.Error(), "\n")) {
			t.Errorf("%s: %q does not name the path", c.name, err)
		}
		if err := Compare(withCheckout(1, c.port, c.before).side(t), withCheckout(2, c.port, c.after).side(t), Options{}).Verdict(); err != nil {
			t.Errorf("%s, no verdict asked for: %v", c.name, err)
		}
	}
}

// Clients outside have addresses of their own: some of them are always too rare, and
// never come back.
func TestVerdictOfClientsOutside(t *testing.T) {
	client := func(name string, count uint64, slices int) (ID, *measured) {
		x := newTimes(12)
		for i := range slices {
			x.samples[i] = count / uint64(slices)
		}
		x.dist = model.Dist{Count: count, Samples: count}
		return ID{From: End{"external", name}, To: End{"container", "web"}, Proto: "tcp", Port: 443, Direction: "request"}, &measured{total: x}
	}
	capture := func(clients ...any) *side {
		s := &side{paths: map[ID]*measured{}}
		for i := 0; i < len(clients); i += 2 {
			id, m := client(clients[i].(string), uint64(clients[i+1].(int)), 12)
			s.paths[id], s.order = m, append(s.order, id)
		}
		return s
	}
	for _, c := range []struct {
		before, after *side
		gone, few     int
	}{
		{capture("198.51.100.1", 1200, "198.51.100.2", 48), capture("198.51.100.1", 1200, "198.51.100.3", 48), 0, 0},
		{capture("198.51.100.2", 48), capture("198.51.100.3", 48), 0, 1},
		{capture("198.51.100.1", 1200), capture(), 1, 0},
	} {
		x := comparison{before: c.before, after: c.after, seconds: 12, secondsBefore: 12}
		gone, few, rare := x.untested()
		if len(gone) != c.gone || len(few) != c.few || rare != 0 {
			t.Errorf("gone %v, few %v, %d rare", gone, few, rare)
		}
	}
}

// A service of which only the requests are few is named by its response time, first.
func TestVerdictOfResponseTimes(t *testing.T) {
	x := newTimes(12)
	x.dist = model.Dist{Count: 24, Samples: 24}
	id := ExchangeID{From: End{"container", "web"}, To: End{"container", "checkout"}, Port: 9090, View: "both"}
	s := &side{exchanges: map[ExchangeID]*measured{id: {total: x}}, exchangeOrder: []ExchangeID{id}}
	c := comparison{before: s, after: s, seconds: 12, secondsBefore: 12}
	gone, few, _ := c.untested()
	if err := lacking(gone, few); !errors.Is(err, ErrTooFewSamples) || !strings.Contains(err.Error(), "response time of checkout:9090 to web (24 before, 24 after)") {
		t.Error(err)
	}
}
