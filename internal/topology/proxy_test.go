package topology

import (
	"fmt"
	"testing"

	"github.com/hopscope/hopscope/internal/lab"
)

// published is a container, "web", that serves a port which the engine
// publishes on all addresses of the host.
type published struct {
	front *lab.Network
	web   *lab.Container
	port  uint16
}

func publish(shop *lab.Shop) published {
	front := shop.Network(lab.NetworkSpec{Name: "front", Subnet: "10.213.0.0/24"})
	web := shop.Container(lab.ContainerSpec{
		Name: "web", Networks: []*lab.Network{front}, Args: []string{"serve"}, Publish: []string{"8000"},
	})
	return published{front, web, web.HostPort("8000/tcp")}
}

func (p published) serves() end { return proxy(p.web.Name + ":8000") }

func (p published) at(host any) string { return fmt.Sprintf("%v:%d", host, p.port) }

// gateway is the host's address in web's network.
func (p published) gateway() string { return "10.213.0.1" }

// inner is the connection that docker-proxy makes to the container.
func (p published) inner() flow {
	bridge := "bridge " + p.front.Name
	return flow{
		client: p.serves(), server: container(p.web.Name), network: p.front.Name, port: 8000, nat: "proxy", atLeast: 500,
		request:  way(hostSends(bridge), bridges(p.front.Name), enters(p.web.Name), locks("eth0 of "+p.web.Name)),
		response: way(sends(p.web.Name), bridges(p.front.Name), hostTakes(bridge), locks(bridge)),
	}
}

// requests are a scene's traffic: some that are not traced, then 500.
func requests(t *testing.T, s scene, run runner, mode, at string) scene {
	s.warm = func() { wantOK(t, run.Run(mode, "--count", "5", at), 5) }
	s.traffic = func() { wantOK(t, run.Run(mode, "--count", "500", at), 500) }
	return s
}

// Docker leaves 127.0.0.1 out of its DNAT: docker-proxy accepts there and
// makes a second connection to the container.
func proxyOnLoopback(t *testing.T, shop *lab.Shop) scene {
	p := publish(shop)
	return requests(t, scene{
		flows: []flow{
			{client: host(), server: p.serves(), port: p.port, published: int(p.port), nat: "proxy", atLeast: 500,
				request: way(loopback(), locks("lo of host")), response: way(loopback(), locks("lo of host"))},
			p.inner(),
		},
		births: []birth{{lab.HostNetns, "lo", p.port}, {lab.HostNetns, p.front.Bridge, 0}, {p.web.Netns, "eth0", 0}},
	}, lab.Machine(t), "rr", p.at("127.0.0.1"))
}

// A process of the host that connects to the container's own address is no
// docker-proxy, though both are in one cgroup.
func hostPastTheProxy(t *testing.T, shop *lab.Shop) scene {
	p := publish(shop)
	f := p.inner()
	f.client, f.nat = host(), "none"
	return requests(t, scene{flows: []flow{f}, births: []birth{{p.web.Netns, "eth0", 0}}},
		lab.BesideProxy(t), "rr", fmt.Sprintf("%s:8000", p.web.IP(p.front)))
}

// Both together are named together, since nothing tells one's packets from the
// other's.
func hostBesideTheProxy(t *testing.T, shop *lab.Shop) scene {
	p := publish(shop)
	f := p.inner()
	f.client, f.nat, f.atLeast = end{"host", "(host)+docker-proxy " + p.web.Name + ":8000"}, "none", 1000
	machine := lab.BesideProxy(t)
	s := requests(t, scene{flows: []flow{f}, births: []birth{{p.web.Netns, "eth0", 0}}}, machine, "rr", fmt.Sprintf("%s:8000", p.web.IP(p.front)))
	direct := s.traffic
	s.traffic = func() {
		direct()
		wantOK(t, machine.Run("rr", "--count", "500", p.at("127.0.0.1")), 500)
	}
	return s
}

// The same over IPv6, for which these engines have no DNAT. A port taken in IPv4
// alone leads engines that count per family to publish on two different ones.
func proxyOnLoopback6(t *testing.T, shop *lab.Shop) scene {
	shop.Container(lab.ContainerSpec{Name: "other", Args: []string{"serve"}, Publish: []string{"0.0.0.0::8000"}})
	p := publish(shop)
	p.port = p.web.HostPort6("8000/tcp")
	return requests(t, scene{
		flows: []flow{
			{client: host(), server: p.serves(), port: p.port, published: int(p.port), nat: "proxy", atLeast: 500,
				request: way(loopback(), locks("lo of host")), response: way(loopback(), locks("lo of host"))},
			p.inner(),
		},
		births: []birth{{lab.HostNetns, "lo", p.port}, {p.web.Netns, "eth0", 0}},
	}, lab.Machine(t), "rr", p.at("[::1]"))
}

// Without its DNAT rule, a published port is answered by docker-proxy alone.
func proxyFromOutside(t *testing.T, shop *lab.Shop) scene {
	p := publish(shop)
	outside := lab.Outside(t, lab.OutsideSpec{})
	nic := outside.Link.HostName + " of host"
	rule(t, "nat", "PREROUTING", "-i", outside.Link.HostName, "-p", "tcp", "--dport", fmt.Sprint(p.port), "-j", "ACCEPT")
	return requests(t, scene{
		flows: []flow{
			{client: external(outside.Addr), server: p.serves(), port: p.port, published: int(p.port), nat: "proxy", atLeast: 500,
				request: way([]string{"qdisc @ eth0 in netns " + outside.Name, "xmit @ eth0 in netns " + outside.Name, "backlog @ " + nic},
					hostTakes(nic), locks(nic)),
				response: way(hostSends(nic), []string{"xmit @ " + nic, "backlog @ eth0 in netns " + outside.Name,
					"stack_rx @ eth0 in netns " + outside.Name, "sock_lock @ eth0 in netns " + outside.Name})},
			p.inner(),
		},
		births: []birth{{outside.Netns, "eth0", 0}, {lab.HostNetns, outside.Link.HostName, 0}, {p.web.Netns, "eth0", 0}},
	}, outside, "rr", p.at(outside.HostAddr))
}

// Docker's DNAT leaves out what comes from the container's own network: there,
// docker-proxy answers too.
func containerToItself(t *testing.T, shop *lab.Shop) scene {
	p := publish(shop)
	return requests(t, scene{flows: []flow{p.outer(p.web), p.inner()}, births: []birth{{p.web.Netns, "eth0", 0}}},
		p.web, "rr", p.at(p.gateway()))
}

func siblingThroughPort(t *testing.T, shop *lab.Shop) scene {
	p := publish(shop)
	client := shop.Container(lab.ContainerSpec{Name: "client", Networks: []*lab.Network{p.front}})
	return requests(t, scene{
		flows:  []flow{p.outer(client), p.inner()},
		births: []birth{{client.Netns, "eth0", 0}, {p.web.Netns, "eth0", 0}},
	}, client, "rr", p.at(p.gateway()))
}

// outer is a connection of a container of the network to the proxy.
func (p published) outer(client *lab.Container) flow {
	bridge := "bridge " + p.front.Name
	return flow{
		client: container(client.Name), server: p.serves(), network: p.front.Name,
		port: p.port, published: int(p.port), nat: "proxy", atLeast: 500,
		request:  way(sends(client.Name), bridges(p.front.Name), hostTakes(bridge), locks(bridge)),
		response: way(hostSends(bridge), bridges(p.front.Name), enters(client.Name), locks("eth0 of "+client.Name)),
	}
}
