package capture

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/hopscope/hopscope/pkg/dns"
	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/journey"
	"github.com/hopscope/hopscope/pkg/model"
)

// summaryOf is what Survey tells of a capture with the facts.
func summaryOf(f inventory.Facts) *Summary {
	h := testHead()
	return &Summary{Head: h, View: inventory.NewView(f), Meta: model.Meta{
		StartedAt: h.StartedAt, MonotonicZero: h.MonotonicZero, Duration: 30 * time.Second}}
}

func TestChoice(t *testing.T) {
	facts := testFacts()
	batch := facts.Containers[0]
	batch.ID, batch.Name, batch.Service, batch.Netns, batch.CgroupID, batch.PID = "cc33", "batch", "batch", 4026539999, 9001, 0
	batch.Addrs, batch.Networks = []netip.Addr{netip.MustParseAddr("172.20.0.9")}, nil
	batch.Stopped = facts.Containers[0].Seen
	batch.Gone = batch.Stopped
	facts.Containers = append(facts.Containers, batch)
	facts.Networks = append(facts.Networks, inventory.Network{ID: "99", Name: "other"})

	webToAPI := newTraffic(1).next()
	outside := *webToAPI
	outside.Proto = journey.ProtoUDP
	outside.CgroupSrc, outside.CgroupDst = 1, 2
	outside.First = journey.Tuple{Src: netip.MustParseAddrPort("198.51.100.1:5000"), Dst: netip.MustParseAddrPort("203.0.113.1:53")}
	outside.Last = outside.First
	outside.Stops = []journey.Stop{{Netns: hostNS, Ifindex: 2}, {Netns: hostNS, Ifindex: 3}}
	gone := outside
	gone.Last.Dst = netip.MustParseAddrPort("172.20.0.9:53")
	at := testHead().MonotonicZero.Add(time.Duration(webToAPI.Start))

	for _, c := range []struct {
		name                    string
		choice                  Choice
		webToAPI, outside, gone bool
	}{
		{"everything", Choice{}, true, true, true},
		{"a container", Choice{Containers: []string{"web"}}, true, false, false},
		{"a container that is gone", Choice{Containers: []string{"batch"}}, false, false, true},
		{"a network", Choice{Networks: []string{"shop_default"}}, true, false, false},
		{"another network", Choice{Networks: []string{"other"}}, false, false, false},
		{"a port", Choice{Ports: []uint16{53}}, false, true, true},
		{"a protocol", Choice{Protos: []uint8{journey.ProtoTCP}}, true, false, false},
		{"from then on", Choice{From: at}, true, true, true},
		{"later", Choice{From: at.Add(1)}, false, false, false},
		{"before", Choice{To: at}, false, false, false},
		{"until after", Choice{To: at.Add(1)}, true, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, err := c.choice.Filter(summaryOf(facts))
			ok(t, err)
			for _, x := range []struct {
				what string
				j    *journey.Journey
				want bool
			}{{"web to api", webToAPI, c.webToAPI}, {"outside", &outside, c.outside}, {"to the container that is gone", &gone, c.gone}} {
				if got := f.Journey(x.j); got != x.want {
					t.Errorf("%s: %v", x.what, got)
				}
			}
			d := Drops{At: webToAPI.Start, DropCount: dropsInForward(1)}
			r := Retransmits{At: webToAPI.Start, RetransmitCount: retransmitted(1)}
			if f.Drops(&d) != c.webToAPI || f.Retransmits(&r) != c.webToAPI {
				t.Errorf("drops %v, retransmissions %v", f.Drops(&d), f.Retransmits(&r))
			}
		})
	}
}

func TestChoiceOfLookups(t *testing.T) {
	l := DNS{asked(dns.Answered)} // web asks api
	at := testHead().MonotonicZero.Add(time.Duration(l.At))
	for name, x := range map[string]struct {
		choice Choice
		want   bool
	}{
		"everything":   {Choice{}, true},
		"who asks":     {Choice{Containers: []string{"web"}}, true},
		"who answers":  {Choice{Containers: []string{"api"}}, true},
		"the port":     {Choice{Ports: []uint16{dns.Port}}, true},
		"another port": {Choice{Ports: []uint16{8080}}, false},
		"UDP":          {Choice{Protos: []uint8{journey.ProtoUDP}}, true},
		"TCP":          {Choice{Protos: []uint8{journey.ProtoTCP}}, false},
		"from then on": {Choice{From: at}, true},
		"before":       {Choice{To: at}, false},
		"its network":  {Choice{Networks: []string{"shop_default"}}, true},
		"another one":  {Choice{Networks: []string{"other"}}, false},
	} {
		facts := testFacts()
		facts.Networks = append(facts.Networks, inventory.Network{ID: "99", Name: "other"})
		f, err := x.choice.Filter(summaryOf(facts))
		ok(t, err)
		if got := f.DNS(&l); got != x.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	f, err := Choice{Containers: []string{"api"}}.Filter(summaryOf(testFacts()))
	ok(t, err)
	l.Resolver = l.Local
	if f.DNS(&l) {
		t.Error("a lookup of others was chosen")
	}
}

func TestChoiceOfTheUnknown(t *testing.T) {
	var container *inventory.UnknownError
	if _, err := (Choice{Containers: []string{"nobody"}}).Filter(summaryOf(testFacts())); !errors.As(err, &container) {
		t.Errorf("an unknown container: %v", err)
	}
	var network *UnknownNetworkError
	if _, err := (Choice{Networks: []string{"nothing"}}).Filter(summaryOf(testFacts())); !errors.As(err, &network) {
		t.Errorf("an unknown network: %v", err)
	}
}

func TestTrim(t *testing.T) {
	s := summaryOf(testFacts())
	start := s.Meta.StartedAt
	Choice{From: start.Add(10 * time.Second), To: start.Add(15 * time.Second)}.Trim(s)
	if s.Meta.StartedAt != start.Add(10*time.Second) || s.Meta.Duration != 5*time.Second {
		t.Errorf("%v for %v", s.Meta.StartedAt, s.Meta.Duration)
	}
	Choice{From: start, To: start.Add(time.Hour)}.Trim(s)
	if s.Meta.Duration != 5*time.Second {
		t.Errorf("trimmed to %v by more than there is", s.Meta.Duration)
	}
}
