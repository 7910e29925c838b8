package pipeline

import (
	"net/netip"
	"testing"

	"github.com/hopscope/hopscope/pkg/dns"
	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/journey"
	"github.com/hopscope/hopscope/pkg/model"
)

// lookups is a sink that keeps them.
type lookups struct {
	SignalSink
	kept []dns.Lookup
}

func (l *lookups) Journey(*journey.Journey, []journey.Hop) error { return nil }

func (l *lookups) DNS(x dns.Lookup) error {
	l.kept = append(l.kept, x)
	return nil
}

func TestDNSGoesToSumsAndSinks(t *testing.T) {
	sink := &lookups{}
	p := New(Match{}, sink)
	server := netip.MustParseAddr("198.51.100.1")
	message := func(at uint64, id uint16, answer bool) *dns.Message {
		return &dns.Message{At: at, Socket: 1, Port: 40000, Remote: server, ID: id, Answer: answer}
	}
	p.DNS(message(0, 1, false))
	p.DNS(message(1, 1, true))
	p.DNS(message(2, 2, false))
	p.ExpireDNS(2 + uint64(dns.Timeout) - 1)
	if len(sink.kept) != 1 {
		t.Fatalf("a query ended early: %+v", sink.kept)
	}
	p.ExpireDNS(2 + uint64(dns.Timeout))
	p.DNS(message(3, 2, true)) // late
	p.DNS(message(4, 3, false))
	p.EndDNS()
	var got []dns.Outcome
	for _, l := range sink.kept {
		got = append(got, l.Outcome)
	}
	if len(got) != 3 || got[0] != dns.Answered || got[1] != dns.TimedOut || got[2] != dns.Pending {
		t.Errorf("outcomes %v", got)
	}
	if left := p.LeftOut().DNS; left.Unmatched != 1 {
		t.Errorf("left out %+v", left)
	}
	rows := p.Snapshot(inventory.NewView(inventory.Facts{}), model.Meta{}).DNS
	if len(rows) != 1 || rows[0].Queries != 3 || rows[0].Answered != 1 || rows[0].Timeout != 1 || rows[0].Pending != 1 {
		t.Errorf("rows %+v", rows)
	}
}

// Name servers are asked over UDP at port 53: who chose something else wants
// none of it.
func TestDNSOfAChoice(t *testing.T) {
	for name, x := range map[string]struct {
		match Match
		want  int
	}{
		"everything":       {Match{}, 1},
		"port 53":          {Match{Ports: []uint16{8080, 53}}, 1},
		"another port":     {Match{Ports: []uint16{8080}}, 0},
		"UDP":              {Match{Protos: []uint8{journey.ProtoUDP}}, 1},
		"another protocol": {Match{Protos: []uint8{journey.ProtoTCP}}, 0},
	} {
		sink := &lookups{}
		p := New(x.match, sink)
		p.DNS(&dns.Message{Socket: 1})
		p.EndDNS()
		if len(sink.kept) != x.want {
			t.Errorf("%s: %d lookups, want %d", name, len(sink.kept), x.want)
		}
	}
}

// With a choice of networks, what is asked elsewhere is left out.
func TestDNSOfANetwork(t *testing.T) {
	sink := &lookups{}
	p := New(Match{}, sink)
	p.Want(Wanted{Asks: func(netns uint32, _, _ netip.Addr) bool { return netns == 7 }})
	p.DNS(&dns.Message{Socket: 1, Netns: 7})
	p.DNS(&dns.Message{Socket: 2, Netns: 8})
	p.EndDNS()
	if len(sink.kept) != 1 || sink.kept[0].Netns != 7 {
		t.Errorf("%+v", sink.kept)
	}
}
