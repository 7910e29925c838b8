package topology

import (
	"testing"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/pkg/pipeline"
)

// With --userland-proxy=false every way to a published port is translated:
// from 127.0.0.1, from the container itself and from its siblings. What comes
// back to the same bridge needs both translations, or the bridge's own pass
// through netfilter.
func hairpin(t *testing.T, _ *lab.Shop) scene {
	lab.BridgeNF(t, true) // as br_netfilter begins: a sibling's answer is translated back in the bridge
	engine := lab.PrivateEngine(t, "--userland-proxy=false")
	shop := engine.Shop()
	p := publish(shop)
	client := shop.Container(lab.ContainerSpec{Name: "client", Networks: []*lab.Network{p.front}})
	outside, machine := lab.Outside(t, lab.OutsideSpec{}), lab.Machine(t)
	run := func(n uint64, count string) func() {
		return func() {
			wantOK(t, machine.Run("rr", "--count", count, p.at("127.0.0.1")), n)
			wantOK(t, p.web.Run("rr", "--count", count, p.at(p.gateway())), n)
			wantOK(t, client.Run("rr", "--count", count, p.at(p.gateway())), n)
			wantOK(t, outside.Run("rr", "--count", count, p.at(outside.HostAddr)), n)
		}
	}
	bridge, web := "bridge "+p.front.Name, p.web.Name
	nic, far := outside.Link.HostName+" of host", "netns "+outside.Name
	// Inside the bridge, netfilter runs between two of its own steps.
	filtered := []string{"bridge @ " + bridge, "prerouting @ host", "forward @ host", "postrouting @ host"}
	up := []string{"bridge @ " + bridge, "prerouting @ host", "stack_rx+routing @ host"}
	down := way([]string{"stack_tx @ " + bridge, "qdisc @ " + bridge}, bridges(p.front.Name), enters(web), locks("eth0 of "+web))
	between := func(from, to string) []string { return way(sends(from), filtered, enters(to), locks("eth0 of "+to)) }
	from := func(client end, nat string, request, response []string) flow {
		return flow{client: client, server: container(web), network: p.front.Name, port: 8000, published: int(p.port),
			nat: nat, atLeast: 200, request: request, response: response}
	}
	return scene{
		options: pipeline.Options{DockerHost: engine.Host},
		warm:    run(5, "5"), traffic: run(200, "200"),
		flows: []flow{
			from(host(), "dnat+snat",
				way([]string{"output @ host", "routing @ host", "postrouting @ host"}, down),
				way(sends(web), up, []string{"input @ host", "stack_rx @ " + bridge}, locks(bridge))),
			from(container(web), "dnat+snat", between(web, web), between(web, web)),
			from(container(client.Name), "dnat", between(client.Name, web), between(web, client.Name)),
			from(external(outside.Addr), "dnat",
				way([]string{"qdisc @ eth0 in " + far, "xmit @ eth0 in " + far, "backlog @ " + nic, "stack_rx @ " + nic,
					"prerouting @ host", "routing @ host", "forward @ host", "postrouting @ host"}, down),
				way(sends(web), up, []string{"forward @ host", "routing @ host", "postrouting @ host", "stack_tx @ " + nic,
					"qdisc @ " + nic, "xmit @ " + nic, "backlog @ eth0 in " + far, "stack_rx @ eth0 in " + far}, locks("eth0 in "+far))),
		},
		births: []birth{{p.web.Netns, "eth0", 0}, {client.Netns, "eth0", 0}, {outside.Netns, "eth0", 0}},
	}
}
