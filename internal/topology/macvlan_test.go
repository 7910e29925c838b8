package topology

import (
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/hopscope/hopscope/internal/lab"
)

// Containers of a macvlan network stand on a device of the host, here one that
// leads to a host outside.
type macvlanNet struct {
	outside  *lab.Host
	net      *lab.Network
	web, api *lab.Container
}

func newMacvlan(t *testing.T, shop *lab.Shop) macvlanNet {
	m := macvlanNet{outside: lab.Outside(t, lab.OutsideSpec{})}
	m.net = shop.Network(lab.NetworkSpec{Name: "lan", Driver: "macvlan", Subnet: "203.0.113.0/24",
		Options: map[string]string{"parent": m.outside.Link.HostName}})
	m.web = shop.Container(lab.ContainerSpec{Name: "web", Networks: []*lab.Network{m.net}, Args: []string{"serve"}})
	m.api = shop.Container(lab.ContainerSpec{Name: "api", Networks: []*lab.Network{m.net}})
	addr(t, m.outside.Netns, "eth0", "203.0.113.1/24")
	return m
}

// addr gives a device one more address.
func addr(t *testing.T, netns, dev, prefix string) {
	t.Helper()
	err := lab.InNetns(netns, func() error {
		link, err := netlink.LinkByName(dev)
		if err != nil {
			return err
		}
		a, err := netlink.ParseAddr(prefix)
		if err != nil {
			return err
		}
		return netlink.AddrAdd(link, a)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// between is the way from one child to another: over the backlog of the parent,
// which takes the packet for the other child.
func (m macvlanNet) between(from, to string) []string {
	return []string{"qdisc @ eth0 of " + from, "xmit @ eth0 of " + from, "backlog @ " + m.outside.Link.HostName + " of host",
		"stack_rx @ eth0 of " + to, "sock_lock @ eth0 of " + to}
}

// In bridge mode the parent's driver hands packets from one child to another.
func macvlanSiblings(t *testing.T, shop *lab.Shop) scene {
	m := newMacvlan(t, shop)
	return requests(t, scene{
		flows: []flow{{client: container(m.api.Name), server: container(m.web.Name), network: m.net.Name, port: 8000, atLeast: 500,
			request: m.between(m.api.Name, m.web.Name), response: m.between(m.web.Name, m.api.Name)}},
		births: []birth{{m.web.Netns, "eth0", 0}, {m.api.Netns, "eth0", 0}},
	}, m.api, "rr", m.web.IP(m.net).String()+":8000")
}

func macvlanToOutside(t *testing.T, shop *lab.Shop) scene {
	m := newMacvlan(t, shop)
	m.outside.Start("serve")
	parent, far := m.outside.Link.HostName+" of host", "eth0 in netns "+m.outside.Name
	return requests(t, scene{
		flows: []flow{{client: container(m.api.Name), server: external("203.0.113.1"), network: m.net.Name, port: 8000, atLeast: 500,
			request: []string{"qdisc @ eth0 of " + m.api.Name, "macvlan @ eth0 of " + m.api.Name, "qdisc @ " + parent, "xmit @ " + parent,
				"backlog @ " + far, "stack_rx @ " + far, "sock_lock @ " + far},
			response: []string{"qdisc @ " + far, "xmit @ " + far, "backlog @ " + parent,
				"stack_rx @ eth0 of " + m.api.Name, "sock_lock @ eth0 of " + m.api.Name}}},
		births: []birth{{m.api.Netns, "eth0", 0}, {m.outside.Netns, "eth0", 0}},
	}, m.api, "rr", "203.0.113.1:8000")
}
