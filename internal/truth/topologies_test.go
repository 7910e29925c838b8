package truth

import (
	"net/netip"
	"testing"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/pkg/inventory"
)

const serverPort = 8000

func containerEnd(c *lab.Container) inventory.Endpoint {
	return inventory.Endpoint{Kind: inventory.KindContainer, Name: c.Name}
}

func outsideEnd(a netip.Addr) inventory.Endpoint {
	return inventory.Endpoint{Kind: inventory.KindExternal, Name: a.String()}
}

func legOf(c *lab.Container, l lab.Link) leg { return leg{c.Name, c.Netns, l} }

// Two containers on one user-defined bridge, over both families.
func userBridge(t *testing.T) *topology {
	shop := lab.NewShop(t)
	front := shop.Network(lab.NetworkSpec{Name: "front", Subnet6: "2001:db8:1::/64"})
	web := shop.Container(lab.ContainerSpec{Name: "web", Networks: []*lab.Network{front}, Args: []string{"serve"}})
	client := shop.Container(lab.ContainerSpec{Name: "client", Networks: []*lab.Network{front}})
	a, b := inside(client, client.Links[0], ""), inside(web, web.Links[0], "")
	f := bridged(client, web, a, b, "bridge "+front.Name, front.Name)
	f4, f6 := f, f
	f4.at = serverAt(web.IP(front))
	f6.at, f6.ipv6 = serverAt(web.IP6(front)), true
	return &topology{
		client: client, legs: []leg{legOf(client, client.Links[0]), legOf(web, web.Links[0])},
		flows: []flow{f4, f6}, slow: device{lab.HostNetns, web.Links[0].HostName, b.veth},
	}
}

func bridged(client, server *lab.Container, a, b port, bridge, network string) flow {
	return flow{
		from: containerEnd(client), to: containerEnd(server), network: network, nat: "none", serverPort: serverPort,
		there: func(nf bool) []string { return acrossBridge(a, b, bridge, nf) },
		back:  func(nf bool) []string { return acrossBridge(b, a, bridge, nf) },
	}
}

// Two containers on Docker's default network, which has IPv4 only.
func defaultBridge(t *testing.T) *topology {
	shop := lab.NewShop(t)
	web := shop.Container(lab.ContainerSpec{Name: "web", Args: []string{"serve"}})
	client := shop.Container(lab.ContainerSpec{Name: "client"})
	a, b := inside(client, client.Links[0], ""), inside(web, web.Links[0], "")
	f := bridged(client, web, a, b, "docker0", "bridge")
	f.at = serverAt(web.DefaultIP())
	return &topology{
		client: client, legs: []leg{legOf(client, client.Links[0]), legOf(web, web.Links[0])},
		flows: []flow{f}, slow: device{client.Netns, "eth0", a.dev},
	}
}

// A container on two networks answers on one and asks on the other.
func twoNetworks(t *testing.T) *topology {
	shop := lab.NewShop(t)
	front := shop.Network(lab.NetworkSpec{Name: "front", Subnet6: "2001:db8:1::/64"})
	back := shop.Network(lab.NetworkSpec{Name: "back"})
	db := shop.Container(lab.ContainerSpec{Name: "db", Networks: []*lab.Network{back}, Args: []string{"serve"}})
	api := shop.Container(lab.ContainerSpec{Name: "api", Networks: []*lab.Network{front, back},
		Args: []string{"serve", "--upstream", serverAt(db.IP(back))}})
	client := shop.Container(lab.ContainerSpec{Name: "client", Networks: []*lab.Network{front}})

	apiFront, apiBack := inside(api, api.Link(front), front.Name), inside(api, api.Link(back), back.Name)
	asked := bridged(client, api, inside(client, client.Links[0], ""), apiFront, "bridge "+front.Name, front.Name)
	asks := bridged(api, db, apiBack, inside(db, db.Links[0], ""), "bridge "+back.Name, back.Name)
	asks.tcpOnly = true
	asked4, asked6 := asked, asked
	asked4.at = serverAt(api.IP(front))
	asked6.at, asked6.ipv6 = serverAt(api.IP6(front)), true
	return &topology{
		client: client,
		legs:   []leg{legOf(client, client.Links[0]), legOf(api, api.Link(front)), legOf(api, api.Link(back)), legOf(db, db.Links[0])},
		flows:  []flow{asked4, asked6, asks}, slow: device{lab.HostNetns, api.Link(front).HostName, apiFront.veth},
	}
}

// A host outside reaches a container by the port that it publishes: DNAT.
func published(t *testing.T) *topology {
	const hostPort = 18000
	shop := lab.NewShop(t)
	front := shop.Network(lab.NetworkSpec{Name: "front"})
	web := shop.Container(lab.ContainerSpec{Name: "web", Networks: []*lab.Network{front},
		Publish: []string{"18000:8000/tcp", "18000:8000/udp"}, Args: []string{"serve"}})
	host := lab.Outside(t, lab.OutsideSpec{})
	a, b := outside(host), inside(web, web.Links[0], "")
	bridge := "bridge " + front.Name
	return &topology{
		client: host, legs: []leg{{host.Name, host.Netns, host.Link}, legOf(web, web.Links[0])},
		flows: []flow{{
			at: netip.AddrPortFrom(host.HostAddr, hostPort).String(), from: outsideEnd(host.Addr), to: containerEnd(web),
			network: front.Name, nat: "dnat", published: hostPort, serverPort: serverPort,
			there: func(bool) []string { return routedIn(a, b, bridge) },
			back:  func(nf bool) []string { return routedOut(b, a, bridge, nf) },
		}},
		slow: device{lab.HostNetns, web.Links[0].HostName, b.veth},
	}
}

// A container reaches a host outside: MASQUERADE for IPv4, and for IPv6, whose
// addresses are routed, nothing.
func masquerade(t *testing.T) *topology {
	shop := lab.NewShop(t)
	front := shop.Network(lab.NetworkSpec{Name: "front", Subnet6: "2001:db8:1::/64"})
	client := shop.Container(lab.ContainerSpec{Name: "client", Networks: []*lab.Network{front}})
	host := lab.Outside(t, lab.OutsideSpec{})
	host.Start("serve", "--duration", "2m")
	a, b := inside(client, client.Links[0], ""), outside(host)
	bridge := "bridge " + front.Name
	f := flow{
		from: containerEnd(client), network: front.Name, serverPort: serverPort,
		there: func(nf bool) []string { return routedOut(a, b, bridge, nf) },
		back:  func(bool) []string { return routedIn(b, a, bridge) },
	}
	f4, f6 := f, f
	f4.at, f4.to, f4.nat = serverAt(host.Addr), outsideEnd(host.Addr), "snat"
	f6.at, f6.to, f6.nat, f6.ipv6 = serverAt(host.Addr6), outsideEnd(host.Addr6), "none", true
	return &topology{
		client: client, legs: []leg{legOf(client, client.Links[0]), {host.Name, host.Netns, host.Link}},
		flows: []flow{f4, f6}, slow: device{lab.HostNetns, host.Link.HostName, b.veth},
	}
}
