//go:build matrix

package guest

import (
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/pkg/journey"
)

// toHost is the trip from a container to a socket of the host, and back.
func (s scene) toHost(in, out string) trip {
	return trip{
		from: s.a, to: s.host, toDev: "br0", address: at(gateway),
		way:  path(leaves("a", "vethA"), "bridge @ host/br0", in, "stack_rx @ host/br0"),
		back: path(out, "qdisc @ host/br0", "bridge @ host/br0", enters("vethA", "a")),
	}
}

func (s scene) hostItself(t *testing.T) {
	lab.BridgeNF(t, false)
	s.rules(t, filterRules)
	s.send(t, s.toHost(
		path("stack_rx @ host/br0", "prerouting @ host", "routing @ host", "input @ host"),
		path("output @ host", "routing @ host", "postrouting @ host", "stack_tx @ host/br0"),
	), udp, rr)
}

// hostWithoutRules: without netfilter links, a hook with nothing registered in
// it is not seen. The host's own packets are then born at the device.
func (s scene) hostWithoutRules(t *testing.T) {
	lab.BridgeNF(t, false)
	for family, address := range map[string]string{"IPv4": gateway, "IPv6": gateway6} {
		trip := s.toHost(
			path("stack_rx @ host/br0", "prerouting @ host", "routing @ host", "input @ host"),
			path("output @ host", "routing @ host", "postrouting @ host", "stack_tx @ host/br0"),
		)
		trip.address = at(address)
		if !s.netfilterLinks {
			trip.way = path(leaves("a", "vethA"), "bridge @ host/br0", "stack_rx @ host/br0", "prerouting @ host", "stack_rx @ host/br0")
			trip.back = path("qdisc @ host/br0", "bridge @ host/br0", enters("vethA", "a"))
		}
		t.Run(family, func(t *testing.T) { s.send(t, trip, udp, rr) })
	}
}

// A tunnel between the two containers, as an overlay network has it.
func (s scene) vxlan(t *testing.T) {
	lab.BridgeNF(t, false)
	const tunnelA, tunnelB = "203.0.113.65", "203.0.113.66"
	for _, end := range []struct {
		ns           *namespace
		ip, from, to string
	}{{s.a, tunnelA, addrA, addrB}, {s.b, tunnelB, addrB, addrA}} {
		must(t, end.ns.LinkAdd(&netlink.Vxlan{
			LinkAttrs: netlink.LinkAttrs{Name: "vx0"}, VxlanId: 7, Port: 4789, Learning: true,
			SrcAddr: netip.MustParseAddr(end.from).AsSlice(), Group: netip.MustParseAddr(end.to).AsSlice(),
			VtepDevIndex: end.ns.link(t, "eth0").Attrs().Index,
		}), "make vx0 in %s", end.ns.name)
		setSysctl(t, end.ns, "net/ipv6/conf/vx0/disable_ipv6", "1") // no multicast
		end.ns.address(t, "vx0", end.ip+"/26")
	}
	s.nameDevices(t)
	s.a.run(t, echoed("--count", "3", at(tunnelB))...)
	s.settle(t, atOnce)
	way := func(from, port, out, to string) string {
		return path("qdisc @ "+from+"/vx0", "encap @ "+from+"/vx0", leaves(from, port), "bridge @ host/"+port,
			"qdisc @ host/"+out, "xmit @ host/"+out, "backlog @ "+to+"/eth0",
			"decap @ "+to+"/vx0", "gro @ "+to+"/vx0", "stack_rx @ "+to+"/vx0")
	}
	s.send(t, trip{
		from: s.a, to: s.b, fromDev: "vx0", toDev: "vx0", address: at(tunnelB),
		way: way("a", "vethA", "vethB", "b"), back: way("b", "vethB", "vethA", "a"),
	}, udp)
}

// A container whose device is a macvlan of the host's NIC.
func (s scene) macvlan(t *testing.T) {
	lab.BridgeNF(t, false)
	const addrMac, count = "203.0.113.131", 100
	mac := newNamespace(t, "mac")
	inside, err := netns.GetFromPath(mac.path)
	must(t, err, "open namespace mac")
	defer inside.Close()
	setSysctl(t, mac, "net/ipv6/conf/default/disable_ipv6", "1")
	must(t, s.host.LinkAdd(&netlink.Macvlan{
		LinkAttrs: netlink.LinkAttrs{Name: "mac0", ParentIndex: s.host.link(t, "eth0").Attrs().Index, Namespace: netlink.NsFd(inside)},
		Mode:      netlink.MACVLAN_MODE_BRIDGE,
	}), "make a macvlan of eth0")
	mac.address(t, "mac0", addrMac+"/25")
	s.names[mac.place(t, "mac0")] = "mac/mac0"
	neighbour(t, mac, "mac0", addrWire, s.wire.link(t, "eth1"))
	neighbour(t, s.wire, "eth1", addrMac, mac.link(t, "mac0"))
	win := s.during(t, atOnce, func() { mac.run(t, echoed("--count", itoa(count), at(addrWire))...) })
	t.Logf("%d tracked, endings %v, lost %v, notes %v", win.tracked, win.endings, win.lost, win.notes)
	for _, c := range []struct {
		born   journey.Place
		ending journey.Ending
		want   string
	}{
		{mac.place(t, "mac0"), journey.EndingLeft, "qdisc @ mac/mac0 → macvlan @ mac/mac0 → qdisc @ host/eth0 → driver @ host/eth0"},
		{s.host.place(t, "eth0"), journey.EndingDelivered, "gro @ host/eth0 → stack_rx @ mac/mac0"},
	} {
		journeys := win.pick(bornAt(c.born), ended(c.ending))
		ways, share := s.ways(journeys)
		if len(journeys) != count || share != 1 || ways[0] != c.want {
			t.Errorf("%d journeys from %s that ended as %v: %v; want %d × %s", len(journeys), s.names[c.born], c.ending, ways, count, c.want)
		}
		t.Attr("way", s.names[c.born]+": "+c.want)
	}
}
