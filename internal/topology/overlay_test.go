package topology

import (
	"context"
	"testing"

	"github.com/docker/docker/api/types/swarm"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/pkg/pipeline"
)

// An overlay network of a swarm of one node: its bridge is in a namespace of
// the engine's own, between the two containers.
func overlay(t *testing.T, _ *lab.Shop) scene {
	return meshOf(t, func(shop *lab.Shop, spec lab.ContainerSpec) *lab.Container { return shop.Container(spec) })
}

// The same to a service that is found by its name alone, without a virtual IP.
func overlayService(t *testing.T, _ *lab.Shop) scene {
	return meshOf(t, func(shop *lab.Shop, spec lab.ContainerSpec) *lab.Container { return shop.Service(spec) })
}

func meshOf(t *testing.T, serve func(*lab.Shop, lab.ContainerSpec) *lab.Container) scene {
	t.Helper()
	host := lab.Outside(t, lab.OutsideSpec{}).HostAddr.String()
	engine := lab.PrivateEngine(t)
	shop := engine.Shop()
	joinSwarm(t, shop, host)
	net := shop.Network(lab.NetworkSpec{Name: "mesh", Driver: "overlay", Subnet: "10.214.0.0/24", Attachable: true})
	web := serve(shop, lab.ContainerSpec{Name: "web", Networks: []*lab.Network{net}, Args: []string{"serve"}})
	client := shop.Container(lab.ContainerSpec{Name: "client", Networks: []*lab.Network{net}})
	return requests(t, scene{
		options: pipeline.Options{DockerHost: engine.Host},
		flows: []flow{{client: container(client.Name), server: container(web.Name), network: net.Name, port: 8000, atLeast: 500,
			request:  meshed(client.Name, web.Name, net.Name),
			response: meshed(web.Name, client.Name, net.Name)}},
		births: []birth{{client.Netns, "eth0", 0}, {web.Netns, "eth0", 0}},
	}, client, "rr", "web:8000")
}

// meshed is the way from one container to another over the bridge of an overlay
// network: between two veths as on any bridge, but in the network's namespace.
func meshed(from, to, network string) []string {
	leg := func(name string) string { return "veth of " + name + " (" + network + ")" }
	return []string{"qdisc @ eth0 of " + from, "xmit @ eth0 of " + from, "backlog @ " + leg(from), "bridge @ " + leg(from),
		"qdisc @ " + leg(to), "xmit @ " + leg(to), "backlog @ eth0 of " + to, "stack_rx @ eth0 of " + to, "sock_lock @ eth0 of " + to}
}

// joinSwarm makes the engine the only node of a swarm until the test ends.
func joinSwarm(t *testing.T, shop *lab.Shop, addr string) {
	t.Helper()
	ctx := context.Background()
	if _, err := shop.Client.SwarmInit(ctx, swarm.InitRequest{ListenAddr: addr + ":2377", AdvertiseAddr: addr}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := shop.Client.SwarmLeave(ctx, true); err != nil {
			t.Error(err)
		}
		if err := shop.Client.NetworkRemove(ctx, "docker_gwbridge"); err != nil { // made by the swarm, not taken along
			t.Error(err)
		}
	})
}
