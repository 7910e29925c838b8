package topology

import (
	"testing"

	"github.com/hopscope/hopscope/internal/lab"
)

// A container in the host's network namespace is told from the host by its
// cgroup alone. It has no interface of its own: its way is the host's.
func hostMode(t *testing.T, shop *lab.Shop) scene {
	front := shop.Network(lab.NetworkSpec{Name: "front"})
	web := shop.Container(lab.ContainerSpec{Name: "web", Networks: []*lab.Network{front}, Args: []string{"serve"}})
	agent := shop.Container(lab.ContainerSpec{Name: "agent", Mode: "host"})
	bridge := "bridge " + front.Name
	return requests(t, scene{
		flows: []flow{{
			client: container(agent.Name), server: container(web.Name), network: front.Name, port: 8000, atLeast: 500,
			request:  way(hostSends(bridge), bridges(front.Name), enters(web.Name), locks("eth0 of "+web.Name)),
			response: way(sends(web.Name), bridges(front.Name), hostTakes(bridge), locks(bridge)),
		}},
		births: []birth{{lab.HostNetns, front.Bridge, 0}, {web.Netns, "eth0", 0}},
		inHost: []*lab.Container{agent},
	}, agent, "rr", web.IP(front).String()+":8000")
}

// Two of them talk over lo.
func hostModeOnLoopback(t *testing.T, shop *lab.Shop) scene {
	web := shop.Container(lab.ContainerSpec{Name: "web", Mode: "host", Args: []string{"serve", "--port", "18437"}})
	agent := shop.Container(lab.ContainerSpec{Name: "agent", Mode: "host"})
	return requests(t, scene{
		flows: []flow{{client: container(agent.Name), server: container(web.Name), port: 18437, atLeast: 500,
			request: way(loopback(), locks("lo of host")), response: way(loopback(), locks("lo of host"))}},
		births: []birth{{lab.HostNetns, "lo", 18437}},
		inHost: []*lab.Container{web, agent},
	}, agent, "rr", "127.0.0.1:18437")
}

// Two containers share one namespace: their sockets tell them apart, and what
// has no socket of theirs, such as an ICMP reply, is named after both.
func sharedNamespace(t *testing.T, shop *lab.Shop) scene {
	front := shop.Network(lab.NetworkSpec{Name: "front"})
	web := shop.Container(lab.ContainerSpec{Name: "web", Networks: []*lab.Network{front}, Args: []string{"serve"}})
	side := shop.Container(lab.ContainerSpec{Name: "side", Mode: "container:" + web.ID, Args: []string{"serve", "--port", "8001"}})
	client := shop.Container(lab.ContainerSpec{Name: "client", Networks: []*lab.Network{front}})
	ip, both := web.IP(front).String(), side.Name+"+"+web.Name
	out := way(sends(client.Name), bridges(front.Name), enters(both))
	back := way(sends(both), bridges(front.Name), enters(client.Name))
	tcp := flow{client: container(client.Name), network: front.Name, atLeast: 200,
		request: way(out, locks("eth0 of "+both)), response: way(back, locks("eth0 of "+client.Name))}
	toWeb, toSide := tcp, tcp
	toWeb.server, toWeb.port = container(web.Name), 8000
	toSide.server, toSide.port = container(side.Name), 8001
	run := func(n uint64, count string) func() {
		return func() {
			wantOK(t, client.Run("rr", "--count", count, ip+":8000"), n)
			wantOK(t, client.Run("rr", "--count", count, ip+":8001"), n)
			wantOK(t, client.Run("ping", "--count", count, ip), n)
		}
	}
	return scene{
		warm: run(5, "5"), traffic: run(200, "200"),
		flows: []flow{toWeb, toSide, {
			client: container(client.Name), server: container(both), network: front.Name, proto: "icmp", atLeast: 200,
			request: out, response: back,
		}},
		births: []birth{{client.Netns, "eth0", 0}, {web.Netns, "eth0", 0}},
	}
}

// A container without a network still has lo.
func noNetwork(t *testing.T, shop *lab.Shop) scene {
	web := shop.Container(lab.ContainerSpec{Name: "web", Mode: "none", Args: []string{"serve"}})
	lo := "lo of " + web.Name
	hops := []string{"qdisc @ " + lo, "xmit @ " + lo, "backlog @ " + lo, "stack_rx @ " + lo, "sock_lock @ " + lo}
	return requests(t, scene{
		flows: []flow{{client: container(web.Name), server: container(web.Name), port: 8000, atLeast: 500,
			request: hops, response: hops}},
		births: []birth{{web.Netns, "lo", 0}},
	}, web, "rr", "127.0.0.1:8000")
}
