package topology

import (
	"net"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"github.com/hopscope/hopscope/internal/lab"
)

// Two namespaces stand for two hosts, with a wire between them and a vxlan
// over it, as an overlay network's hosts have.
func vxlan(t *testing.T, _ *lab.Shop) scene {
	a := lab.Outside(t, lab.OutsideSpec{})
	b := second(t)
	wire(t, a, b)
	tunnel(t, a, "10.99.0.1", "10.98.0.1", "10.98.0.2")
	tunnel(t, b, "10.99.0.2", "10.98.0.2", "10.98.0.1")
	b.Start("serve")
	return requests(t, scene{
		flows: []flow{{client: external("10.99.0.1"), server: external("10.99.0.2"), port: 8000, atLeast: 500,
			request: tunnelled(a, b), response: tunnelled(b, a), besides: byGRO}},
		births: []birth{{a.Netns, "vx0", 0}, {b.Netns, "vx0", 0}},
	}, a, "rr", "10.99.0.2:8000")
}

// tunnelled is one journey: of the inner packet up to the tunnel's device, of
// the outer one between the hosts, and of the inner one again.
func tunnelled(from, to *lab.Host) []string {
	here, there := " in netns "+from.Name, " in netns "+to.Name
	return []string{"qdisc @ vx0" + here, "encap @ vx0" + here, "qdisc @ under" + here, "xmit @ under" + here,
		"backlog @ under" + there, "decap @ vx0" + there, "backlog @ vx0" + there, "stack_rx @ vx0" + there, "sock_lock @ vx0" + there}
}

// byGRO is the way of what is no clone, which a tunnel's device hands to GRO and not
// to the backlog (gro_cells_receive): TCP keeps the original of data, not of an ACK.
func byGRO(got, want string) bool {
	got = strings.ReplaceAll(got, "\ngro @ ", "\nbacklog @ ")
	return got == want || got == want[:strings.LastIndexByte(want, '\n')] // without the socket's lock
}

// second is one more host outside.
func second(t *testing.T) *lab.Host {
	return lab.Outside(t, lab.OutsideSpec{Subnet: prefix("203.0.113.0/24"), Subnet6: prefix("2001:db8:52::/64")})
}

// wire joins two hosts by a veth pair, "under" at both ends.
func wire(t *testing.T, a, b *lab.Host) {
	t.Helper()
	err := lab.InNetns(a.Netns, func() error {
		there, err := netns.GetFromPath(b.Netns)
		if err != nil {
			return err
		}
		defer there.Close()
		attrs := netlink.NewLinkAttrs()
		attrs.Name = "under"
		return netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: "under", PeerNamespace: netlink.NsFd(there)})
	})
	if err != nil {
		t.Fatal(err)
	}
}

// tunnel gives a host its address on the wire, and a vxlan to the other one.
func tunnel(t *testing.T, h *lab.Host, inner, local, remote string) {
	t.Helper()
	addr(t, h.Netns, "under", local+"/24")
	up(t, h, "under")
	err := lab.InNetns(h.Netns, func() error {
		attrs := netlink.NewLinkAttrs()
		attrs.Name = "vx0"
		return netlink.LinkAdd(&netlink.Vxlan{LinkAttrs: attrs, VxlanId: 7, Port: 4789, Group: net.ParseIP(remote), SrcAddr: net.ParseIP(local)})
	})
	if err != nil {
		t.Fatal(err)
	}
	addr(t, h.Netns, "vx0", inner+"/24")
	up(t, h, "vx0")
}

func up(t *testing.T, h *lab.Host, dev string) {
	t.Helper()
	err := lab.InNetns(h.Netns, func() error {
		link, err := netlink.LinkByName(dev)
		if err == nil {
			err = netlink.LinkSetUp(link)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
