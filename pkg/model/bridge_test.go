package model

import (
	"testing"

	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/journey"
)

// portNames knows which network the host's ports are of.
type portNames struct {
	*fakeNames
	network inventory.Network
}

func (p portNames) Network(netns, ifindex uint32) (inventory.Network, bool) {
	return p.network, netns == hostNS && ifindex == vethWeb
}

// TestBridgeIsNamedByItsPort: without netfilter in the bridge, no stop names
// the bridge, and the hop is placed at the port that received.
func TestBridgeIsNamedByItsPort(t *testing.T) {
	for _, c := range []struct {
		network       inventory.Network
		where, device string
	}{
		{inventory.Network{Name: "shop", Bridge: "br-shop"}, "bridge shop", "br-shop"},
		{inventory.Network{Name: "bridge", Bridge: "docker0"}, "docker0", "docker0"},
		{inventory.Network{}, "veth of web", "dev12"}, // unknown: the port, at least
	} {
		hops := []journey.Hop{at(journey.HopBacklog, hostNS, vethWeb, 1), at(journey.HopBridge, hostNS, vethWeb, 1)}
		a := New(Limits{})
		a.Add(packet(hops), hops)
		s := a.Snapshot(portNames{shop(), c.network}, Meta{})
		p := onlyPath(t, s)
		if h := p.Hops[0]; h.Where != "veth of web" {
			t.Errorf("backlog is at %s", h.Where)
		}
		if h := p.Hops[1]; h.Where != c.where || h.Device == nil || *h.Device != c.device {
			t.Errorf("bridge of %+v is %s, %v", c.network, h.Where, h.Device)
		}
		if slow := s.Slowest[0].Hops[1]; slow.Where != c.where {
			t.Errorf("bridge of the slowest is %s", slow.Where)
		}
	}
}
