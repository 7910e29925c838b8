package journey

func deliveredCases() []hopCase {
	return []hopCase{{
		name:  "bridged, bridge-nf-call-iptables 0",
		stops: fromA().toB(),
		want:  hops(hopsFromA, []string{"bridge @ vethA"}, hopsToB),
	}, {
		name:  "bridged, bridge-nf-call-iptables 1",
		stops: fromA().pre(bridge).fwd(bridge).post(bridge).toB(),
		want: hops(hopsFromA, []string{
			"bridge @ br-1", "prerouting @ host", "bridge @ br-1", "forward @ host",
			"bridge @ br-1", "postrouting @ host", "bridge @ br-1"}, hopsToB),
	}, {
		name:  "bridged, hooks name no bridge",
		stops: fromA().pre(portA).fwd(portA).post(inHost).toB(),
		want: hops(hopsFromA, []string{
			"bridge @ vethA", "prerouting @ host", "bridge @ vethA", "forward @ host",
			"bridge @ vethA", "postrouting @ host", "bridge @ vethA"}, hopsToB),
	}, {
		name:  "routed to another bridge, bridge-nf-call-iptables 0",
		stops: fromA().at(bridge, PointReceive).pre(bridge).fwd(bridge).post(other).sends(other).toB(),
		want: hops(hopsFromA, []string{
			"bridge @ br-1", "stack_rx @ br-1", "prerouting @ host", "routing @ host", "forward @ host",
			"routing @ host", "postrouting @ host", "stack_tx @ br-2", "qdisc @ br-2", "bridge @ br-2"}, hopsToB),
	}, {
		name: "routed to another bridge, bridge-nf-call-iptables 1",
		stops: fromA().pre(bridge).at(bridge, PointReceive).fwd(bridge).
			post(other).sends(other).toB(),
		want: hops(hopsFromA, []string{
			"bridge @ br-1", "prerouting @ host", "bridge @ br-1",
			"stack_rx+routing @ host", "forward @ host",
			"routing @ host", "postrouting @ host", "stack_tx @ br-2", "qdisc @ br-2", "bridge @ br-2"}, hopsToB),
	}, {
		name: "from outside to a published port",
		stops: path{}.at(nic, PointGRO, PointReceive).pre(nic).fwd(nic).post(bridge).
			sends(bridge).toB(),
		want: hops([]string{
			"gro @ nic", "stack_rx @ nic", "prerouting @ host", "routing @ host", "forward @ host",
			"routing @ host", "postrouting @ host", "stack_tx @ br-1", "qdisc @ br-1", "bridge @ br-1"}, hopsToB),
	}, {
		name:  "host to container",
		stops: path{}.out(bridge).post(bridge).sends(bridge).toB(),
		want: hops([]string{"output @ host", "routing @ host", "postrouting @ host",
			"stack_tx @ br-1", "qdisc @ br-1", "bridge @ br-1"}, hopsToB),
	}, {
		name:  "host to container, born at the device",
		stops: path{}.sends(bridge).toB(),
		want:  hops([]string{"qdisc @ br-1", "bridge @ br-1"}, hopsToB),
	}, {
		name:  "container to host",
		stops: fromA().at(bridge, PointReceive).pre(bridge).in(bridge).delivered(bridge),
		want: hops(hopsFromA, []string{"bridge @ br-1", "stack_rx @ br-1", "prerouting @ host",
			"routing @ host", "input @ host", "stack_rx @ br-1", "sock_lock @ br-1"}),
	}, {
		name:  "container to host, bridge-nf-call-iptables 1",
		stops: fromA().pre(bridge).at(bridge, PointReceive).in(bridge).delivered(bridge),
		want: hops(hopsFromA, []string{"bridge @ br-1", "prerouting @ host", "bridge @ br-1",
			"stack_rx+routing @ host", "input @ host", "stack_rx @ br-1", "sock_lock @ br-1"}),
	}, {
		name:  "passed up, PREROUTING run in the bridge and again in the stack",
		stops: fromA().pre(bridge).at(bridge, PointReceive).pre(bridge).in(bridge).delivered(bridge),
		want: hops(hopsFromA, []string{"bridge @ br-1", "prerouting @ host", "bridge @ br-1",
			"stack_rx @ br-1", "prerouting @ host", "routing @ host", "input @ host",
			"stack_rx @ br-1", "sock_lock @ br-1"}),
	}, {
		name:  "container to host, no netfilter links",
		stops: fromA().at(bridge, PointReceive, PointDeliver),
		want:  hops(hopsFromA, []string{"bridge @ br-1", "stack_rx @ br-1"}),
	}, {
		name:  "host, sent through its bridge to itself",
		stops: path{}.sends(bridge).at(bridge, PointReceive, PointDeliver),
		want:  []string{"qdisc @ br-1", "bridge @ br-1", "stack_rx @ br-1"},
	}, {
		name:  "loopback",
		stops: path{}.sends(loA).crosses(loA).at(loA, PointDeliver),
		want:  []string{"qdisc @ A/lo", "xmit @ A/lo", "backlog @ A/lo", "stack_rx @ A/lo"},
	}, {
		name:  "requeued by the qdisc",
		stops: path{}.at(loA, PointQueue, PointXmit, PointXmit).crosses(loA).at(loA, PointDeliver),
		want:  []string{"qdisc @ A/lo", "qdisc @ A/lo", "xmit @ A/lo", "backlog @ A/lo", "stack_rx @ A/lo"},
	}, {
		name: "veth with NAPI",
		stops: path{}.sends(eth0A).at(portA, PointGRO, PointReceive).sends(portB).
			at(eth0B, PointGRO, PointReceive).delivered(eth0B),
		want: []string{"qdisc @ A/eth0", "backlog @ vethA", "gro @ vethA", "bridge @ vethA", "qdisc @ vethB",
			"backlog @ B/eth0", "gro @ B/eth0", "stack_rx @ B/eth0", "sock_lock @ B/eth0"},
	}, {
		name:  "veth with XDP: the copy is first seen at reception",
		stops: path{}.sends(eth0A).at(portA, PointReceive).toB(),
		want:  hops([]string{"qdisc @ A/eth0", "backlog @ vethA", "bridge @ vethA"}, hopsToB),
	}, {
		name:  "tcp_probe without a device, no cgroup_skb",
		stops: path{}.sends(loA).crosses(loA).at(none, PointTCPProbe),
		want:  []string{"qdisc @ A/lo", "xmit @ A/lo", "backlog @ A/lo", "stack_rx @ A/lo"},
	}, {
		name:  "from outside to a macvlan, which shares its parent's reception",
		stops: path{}.at(nic, PointGRO, PointReceive).delivered(mvA),
		want:  []string{"gro @ nic", "stack_rx @ A/macvlan", "sock_lock @ A/macvlan"},
	}, {
		name:  "macvlan received again in its namespace",
		stops: path{}.at(nic, PointGRO, PointReceive).at(mvA, PointReceive, PointDeliver),
		want:  []string{"gro @ nic", "macvlan @ A/macvlan", "stack_rx @ A/macvlan"},
	}, {
		name: "out of a vxlan, the flag tells",
		stops: path{}.at(nicEnc, PointGRO, PointReceive).pre(nicEnc).in(nicEnc).
			at(vxPort, PointReceive).toB(),
		want: hops([]string{"gro @ nic", "stack_rx @ nic", "prerouting @ host", "routing @ host", "input @ host",
			"decap @ vxlan", "bridge @ vxlan"}, hopsToB),
	}, {
		name:  "out of a vxlan, no flag",
		stops: path{}.at(nic, PointGRO, PointReceive).pre(nic).in(nic).at(vxPort, PointReceive).toB(),
		want: hops([]string{"gro @ nic", "stack_rx @ nic", "prerouting @ host", "routing @ host", "input @ host",
			"decap @ vxlan", "bridge @ vxlan"}, hopsToB),
	}, {
		name:  "out of a vxlan, no flag, no netfilter links",
		stops: path{}.at(nic, PointGRO, PointReceive).at(vxPort, PointGRO, PointReceive).toB(),
		want:  hops([]string{"gro @ nic", "decap @ vxlan", "gro @ vxlan", "bridge @ vxlan"}, hopsToB),
	}, {
		name:  "received again as another device of the namespace",
		stops: path{}.at(nic, PointGRO, PointReceive).at(vlan, PointReceive, PointDeliver),
		want:  []string{"gro @ nic", "stack_rx @ vlan", "stack_rx @ vlan"},
	}}
}

func leftCases() []hopCase {
	return []hopCase{{
		name:  "container to outside, MASQUERADE",
		stops: fromA().at(bridge, PointReceive).pre(bridge).fwd(bridge).post(nic).sends(nic).at(nic, PointConsume),
		want: hops(hopsFromA, []string{
			"bridge @ br-1", "stack_rx @ br-1", "prerouting @ host", "routing @ host", "forward @ host",
			"routing @ host", "postrouting @ host", "stack_tx @ nic", "qdisc @ nic", "driver @ nic"}),
	}, {
		name:  "completion without a device",
		stops: path{}.sends(nic).at(none, PointConsume),
		want:  []string{"qdisc @ nic", "driver @ nic"},
	}, {
		name:  "into a tun",
		stops: path{}.sends(tun).at(none, PointConsume),
		want:  []string{"qdisc @ tun", "driver @ tun"},
	}, {
		name: "into a vxlan",
		stops: fromA().sends(vxPort).at(nicEnc, PointOutputIn, PointOutputOut).post(nicEnc).
			sends(nicEnc).at(nicEnc, PointConsume),
		want: hops(hopsFromA, []string{"bridge @ vethA", "qdisc @ vxlan", "encap @ vxlan", "output @ host",
			"routing @ host", "postrouting @ host", "stack_tx @ nic", "qdisc @ nic", "driver @ nic"}),
	}, {
		name:  "into a vxlan, no netfilter links",
		stops: path{}.sends(vxlan).sends(nicEnc).at(nicEnc, PointConsume),
		want:  []string{"qdisc @ vxlan", "encap @ vxlan", "qdisc @ nic", "driver @ nic"},
	}, {
		name:  "into a vxlan, the inner checksum done: no flag but the device's",
		stops: path{}.sends(vxDone).sends(nic).at(nic, PointConsume),
		want:  []string{"qdisc @ vxlan", "encap @ vxlan", "qdisc @ nic", "driver @ nic"},
	}, {
		name:  "macvlan over its parent",
		stops: path{}.sends(mvA).sends(nic).at(nic, PointConsume),
		want:  []string{"qdisc @ A/macvlan", "macvlan @ A/macvlan", "qdisc @ nic", "driver @ nic"},
	}, {
		name:  "vlan over its parent",
		stops: path{}.sends(vlan).sends(nic).at(nic, PointConsume),
		want:  []string{"qdisc @ vlan", "xmit @ vlan", "qdisc @ nic", "driver @ nic"},
	}, {
		name:  "tail of a veth that was not seen on the other side is no macvlan",
		stops: path{}.sends(eth0A).sends(nic).at(nic, PointConsume),
		want:  []string{"qdisc @ A/eth0", "unknown @ A/eth0", "qdisc @ nic", "driver @ nic"},
	}}
}

func incompleteCases() []hopCase {
	return []hopCase{{
		name:  "routed, no netfilter links",
		stops: fromA().at(bridge, PointReceive).sends(other).toB(),
		want: hops(hopsFromA, []string{"bridge @ br-1", "prerouting+routing+forward+postrouting @ host",
			"qdisc @ br-2", "bridge @ br-2"}, hopsToB),
	}, {
		name:  "routed by a container, which has no links",
		stops: path{}.at(eth0A, PointReceive).sends(eth0A).crosses(portA),
		want:  []string{"prerouting+routing+forward+postrouting @ A", "qdisc @ A/eth0", "xmit @ A/eth0", "backlog @ vethA"},
	}, {
		name:  "routed off a port: another rule than the bridge's took it",
		stops: fromA().at(nic, PointQueue),
		want:  hops(hopsFromA, []string{"prerouting+routing+forward+postrouting @ host"}),
	}, {
		name:  "only prerouting",
		stops: path{}.at(nic, PointReceive).pre(nic).at(bridge, PointQueue),
		want:  []string{"stack_rx @ nic", "prerouting @ host", "prerouting+routing+forward+postrouting @ host"},
	}, {
		name:  "only postrouting",
		stops: path{}.at(nic, PointReceive).post(bridge).at(bridge, PointQueue),
		want:  []string{"prerouting+routing+forward+postrouting @ host", "postrouting @ host", "stack_tx @ br-1"},
	}, {
		name:  "only before the hooks",
		stops: path{}.at(nic, PointReceive, PointPreIn, PointForwardIn, PointPostIn).at(bridge, PointQueue),
		want: []string{"stack_rx @ nic", "prerouting+routing+forward+postrouting @ host",
			"prerouting+routing+forward+postrouting @ host", "prerouting+routing+forward+postrouting @ host"},
	}, {
		name:  "bridged, only forward",
		stops: fromA().fwd(bridge).at(portB, PointQueue),
		want:  hops(hopsFromA, []string{"bridge @ br-1", "forward @ host", "bridge @ br-1"}),
	}, {
		name:  "delivered, only input",
		stops: path{}.at(nic, PointReceive).in(nic).at(nic, PointDeliver),
		want:  []string{"stack_rx @ nic", "input @ host", "stack_rx @ nic"},
	}, {
		name:  "delivered, only prerouting",
		stops: path{}.at(nic, PointReceive).pre(nic).at(inHost, PointDeliver),
		want:  []string{"stack_rx @ nic", "prerouting @ host", "stack_rx @ nic"},
	}, {
		name:  "fragment, first seen at the device",
		stops: path{}.post(nic).at(nic, PointXmit, PointConsume),
		want:  []string{"postrouting @ host", "stack_tx+qdisc @ nic", "driver @ nic"},
	}, {
		name:  "sent, no postrouting",
		stops: path{}.out(nic).at(nic, PointQueue),
		want:  []string{"output @ host", "stack_tx @ nic"},
	}, {
		name:  "sent, only before the hooks",
		stops: path{}.at(nic, PointOutputIn, PointPostIn),
		want:  []string{"stack_tx @ host"},
	}}
}

// endedCases are journeys that nobody received.
func endedCases() []hopCase {
	bridgedDrop := func(name string, p path, want string) hopCase {
		return hopCase{name, p.at(none, PointFree), EndingDropped, 0, hops(hopsFromA, []string{want})}
	}
	last := func(name string, p path, end Point, e Ending, proto uint8, want ...string) hopCase {
		return hopCase{name, p.at(none, end), e, proto, want}
	}
	nicIn := func(hooks ...Point) path { return path{}.at(nic, PointReceive).at(nic, hooks...) }
	return []hopCase{
		bridgedDrop("dropped by the bridge", fromA(), "bridge @ vethA"),
		last("dropped by the qdisc", path{}.at(eth0A, PointQueue), PointFree, EndingDropped, 0, "qdisc @ A/eth0"),
		last("dropped by the device", path{}.at(eth0A, PointXmit), PointFree, EndingDropped, 0, "xmit @ A/eth0"),
		last("dropped by the bridge device", path{}.at(bridge, PointXmit), PointFree, EndingDropped, 0, "bridge @ br-1"),
		last("dropped off the backlog", path{}.at(portA, PointNetifRx), PointFree, EndingDropped, 0, "backlog @ vethA"),
		last("dropped by GRO", path{}.at(nic, PointGRO), PointFree, EndingDropped, 0, "gro @ nic"),
		last("no socket", path{}.at(nic, PointReceive), PointFree, EndingDropped, ProtoUDP, "stack_rx @ nic"),
		last("dropped in PREROUTING", nicIn(PointPreIn), PointFree, EndingDropped, 0,
			"stack_rx @ nic", "prerouting @ host"),
		last("no route", nicIn(PointPreIn, PointPreOut), PointFree, EndingDropped, 0,
			"stack_rx @ nic", "prerouting @ host", "routing @ host"),
		last("dropped in FORWARD", nicIn(PointPreIn, PointPreOut, PointForwardIn), PointFree, EndingDropped, 0,
			"stack_rx @ nic", "prerouting @ host", "routing @ host", "forward @ host"),
		last("dropped after FORWARD", nicIn(PointForwardIn, PointForwardOut), PointFree, EndingDropped, 0,
			"prerouting+routing+forward+postrouting @ host", "forward @ host", "routing @ host"),
		last("dropped in INPUT", nicIn(PointInputIn), PointFree, EndingDropped, 0,
			"stack_rx @ nic", "input @ host"),
		last("dropped after INPUT", nicIn(PointInputIn, PointInputOut), PointFree, EndingDropped, 0,
			"stack_rx @ nic", "input @ host", "stack_rx @ nic"),
		last("dropped in OUTPUT", path{}.at(nic, PointOutputIn), PointFree, EndingDropped, 0, "output @ host"),
		last("dropped in POSTROUTING", path{}.at(nic, PointPostIn), PointFree, EndingDropped, 0, "postrouting @ host"),
		last("no neighbour", path{}.at(nic, PointPostOut), PointFree, EndingDropped, 0, "stack_tx @ nic"),
		last("receive buffer full", path{}.at(eth0B, PointDeliver), PointFree, EndingDropped, ProtoUDP, "stack_rx @ B/eth0"),
		last("socket backlog full", path{}.at(eth0B, PointDeliver), PointFree, EndingDropped, 0, "sock_lock @ B/eth0"),
		{"dropped in FORWARD on a bridge", fromA().pre(bridge).at(bridge, PointForwardIn, PointFree), EndingDropped, 0,
			hops(hopsFromA, []string{"bridge @ br-1", "prerouting @ host", "bridge @ br-1", "forward @ host"})},
		last("ICMP echo answered", path{}.at(eth0B, PointReceive), PointConsume, EndingConsumed, ProtoICMP, "stack_rx @ B/eth0"),
		last("split by GSO", path{}.at(eth0A, PointQueue), PointConsume, EndingSegmented, 0, "qdisc @ A/eth0"),
		last("merged by GRO", path{}.at(nic, PointGRO), PointMerged, EndingMerged, 0, "gro @ nic"),
		{"copied for XDP", path{}.sends(eth0A).at(portA, PointConsume), EndingRebuilt, 0,
			[]string{"qdisc @ A/eth0", "backlog @ A/eth0"}},
		last("copied for XDP, no device", path{}.at(eth0A, PointXmit), PointConsume, EndingRebuilt, 0, "backlog @ A/eth0"),
		last("completed by a NIC, another ending", path{}.at(nic, PointXmit), PointConsume, EndingConsumed, 0, "driver @ nic"),
	}
}
