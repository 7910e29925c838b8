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

// In bridge mode the parent's driver hands packets from one child to another.
func macvlanSiblings(t *testing.T, shop *lab.Shop) scene {
	m := newMacvlan(t, shop)
	return requests(t, scene{
		flows:  []flow{{client: container(m.api.Name), server: container(m.web.Name), network: m.net.Name, port: 8000, atLeast: 500}},
		births: []birth{{m.web.Netns, "eth0", 0}, {m.api.Netns, "eth0", 0}},
	}, m.api, "rr", m.web.IP(m.net).String()+":8000")
}

func macvlanToOutside(t *testing.T, shop *lab.Shop) scene {
	m := newMacvlan(t, shop)
	m.outside.Start("serve")
	return requests(t, scene{
		flows:  []flow{{client: container(m.api.Name), server: external("203.0.113.1"), network: m.net.Name, port: 8000, atLeast: 500}},
		births: []birth{{m.api.Netns, "eth0", 0}, {m.outside.Netns, "eth0", 0}},
	}, m.api, "rr", "203.0.113.1:8000")
}
