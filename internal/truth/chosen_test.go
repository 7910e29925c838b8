package truth

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/pkg/pipeline"
)

// halfDropped has a rule inside of a container drop every other datagram to its port.
func halfDropped(t *testing.T, c *lab.Container) (dropped func() uint64) {
	t.Helper()
	return lab.DropRule(t, c.Netns, "ip", "input", fmt.Sprintf("udp dport %d numgen inc mod 2 == 0", serverPort))
}

// wantDropsOf wants all drops of a trace to be those of one rule, told under a container's name.
func (r result) wantDropsOf(t *testing.T, c *lab.Container, want uint64) {
	t.Helper()
	var told uint64
	for _, d := range r.Snapshot.Drops {
		if d.To.Name != c.Name || d.Port != serverPort {
			t.Errorf("told beside: %+v", d)
		}
		told += d.Count
	}
	if told != want || want < leastLost {
		t.Errorf("%d drops of %s told, the rule counts %d", told, c.Name, want)
	}
}

// With a network chosen, the losses of another one are none of the trace's.
func TestLossesOfAChosenNetwork(t *testing.T) {
	p := sharedPair(t)
	back := p.shop.Network(lab.NetworkSpec{Name: "back"})
	api := p.shop.Container(lab.ContainerSpec{Name: "api", Networks: []*lab.Network{back}, Args: []string{"serve"}})
	asker := p.shop.Container(lab.ContainerSpec{Name: "asker", Networks: []*lab.Network{back}})
	for _, x := range []struct {
		of     *lab.Container
		chosen *lab.Network
	}{{p.web, p.net}, {api, back}} {
		t.Run(x.chosen.Name, func(t *testing.T) {
			rules := map[*lab.Container]func() uint64{p.web: halfDropped(t, p.web), api: halfDropped(t, api)}
			tr := begin(t, pipeline.Options{Networks: []string{x.chosen.Name}})
			p.client.Run("udp", "--echo=false", "--count", "1000", "--rate", "4000", p.at)
			asker.Run("udp", "--echo=false", "--count", "1000", "--rate", "4000", serverAt(api.IP(back)))
			r := tr.end()
			r.wantDropsOf(t, x.of, rules[x.of]())
		})
	}
}

// A published port chosen means the service behind it: what is lost after the address
// translation knows the container's port alone. The same port of a container that
// publishes nothing is not meant.
func TestLossesOfAPublishedPort(t *testing.T) {
	p := sharedPair(t)
	service := fmt.Sprintf("%d/udp", serverPort)
	shown := p.shop.Container(lab.ContainerSpec{Name: "shown", Networks: []*lab.Network{p.net}, Publish: []string{service}, Args: []string{"serve"}})
	host := lab.Outside(t, lab.OutsideSpec{})
	published := shown.HostPort(service)
	at := netip.AddrPortFrom(host.HostAddr, published).String()
	wantOK(t, host.Run("udp", "--count", "3", at), 3) // neighbours are known
	dropped := halfDropped(t, shown)
	halfDropped(t, p.web)
	tr := begin(t, pipeline.Options{Ports: []uint16{published}})
	host.Run("udp", "--echo=false", "--count", "1000", "--rate", "4000", at)
	p.client.Run("udp", "--echo=false", "--count", "1000", "--rate", "4000", p.at)
	r := tr.end()
	r.wantDropsOf(t, shown, dropped())
}
