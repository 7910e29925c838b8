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
	to := flow{server: container(p.web.Name), port: 8000, published: int(p.port), network: p.front.Name, atLeast: 200}
	from := func(client end, nat string) flow {
		f := to
		f.client, f.nat = client, nat
		return f
	}
	return scene{
		options: pipeline.Options{DockerHost: engine.Host},
		warm:    run(5, "5"), traffic: run(200, "200"),
		flows: []flow{
			from(host(), "dnat+snat"),
			from(container(p.web.Name), "dnat+snat"),
			from(container(client.Name), "dnat"),
			from(external(outside.Addr), "dnat"),
		},
		births: []birth{{p.web.Netns, "eth0", 0}, {client.Netns, "eth0", 0}, {outside.Netns, "eth0", 0}},
	}
}
