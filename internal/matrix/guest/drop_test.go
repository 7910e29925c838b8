//go:build matrix

package guest

import (
	"strings"
	"testing"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/pkg/journey"
)

// A rule of the host drops datagrams: each is a journey that ends in forward,
// with its reason where the kernel has one.
func (s scene) dropped(t *testing.T) {
	lab.BridgeNF(t, false)
	s.rules(t, `
table ip filter {
	chain h_fwd { type filter hook forward priority 0; udp dport 8000 drop
	}
}
`)
	const count = 50
	win := s.during(t, func() { s.a.run(t, "udp", "--echo=false", "--count", itoa(count), at(addrOut)) })
	dropped := win.pick(bornAt(s.a.place(t, "eth0")), ended(journey.EndingDropped))
	if len(dropped) != count {
		t.Errorf("%d journeys dropped of %d: %v", len(dropped), count, win.endings)
	}
	reasons, locations, hops := map[string]int{}, map[string]int{}, map[string]int{}
	for i := range dropped {
		j := &dropped[i]
		reasons[s.probe.Reason(j.DropReason)]++
		locations[s.probe.Symbol(j.DropLocation)]++
		hop := j.DiedIn()
		hops[hop.Kind.String()+" @ "+s.names[hop.Place]]++
	}
	t.Logf("reasons %v, locations %v, hops %v", reasons, locations, hops)
	if hops["forward @ host"] != count {
		t.Errorf("dropped in %v, want forward @ host", hops)
	}
	if s.dropReasons && reasons["NETFILTER_DROP"] != count {
		t.Errorf("reasons %v, want NETFILTER_DROP", reasons)
	}
	for name := range locations {
		if !strings.HasPrefix(name, "nf_") && !strings.HasPrefix(name, "nft_") {
			t.Errorf("dropped at %q, want a function of netfilter", name)
		}
	}
}
