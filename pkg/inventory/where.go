package inventory

import "fmt"

// Where names a place for people, and the device that is there by its raw name
// ("" when it is unknown, or for ifindex 0, the namespace as a whole).
//
//	veth of web            host end of web's only leg
//	veth of web (backend)  one of several legs: the one in network backend
//	eth0 of web            a device inside the container
//	bridge shop, docker0   bridge of a Docker network
//	veth of web (mesh)     in the namespace of an overlay network
//	eth0 of host           any other device of the host
//	host, web              the namespace as a whole
//	dev 12 in ns 40265...  nothing is known
func (v *View) Where(netns, ifindex uint32) (where, device string) {
	if ifindex == 0 {
		return v.namespaceName(netns), ""
	}
	d, ok := v.Device(netns, ifindex)
	switch {
	case !ok:
		return v.unknownDevice(netns, ifindex), ""
	case d.Name == "":
		d.Name = fmt.Sprintf("dev %d", ifindex) // nothing was left of it by Clean
	}
	if netns == v.facts.Host {
		return v.hostPlace(d), d.Name
	}
	if all := v.byNetns[netns]; len(all) > 0 {
		return d.Name + " of " + v.namesOf(during(all, d)), d.Name
	}
	if n, ok := v.overlays[netns]; ok {
		return v.overlayPlace(n, d), d.Name
	}
	return d.Name + " in " + v.namespaceName(netns), d.Name
}

// Where names a network's bridge: by the network, except for Docker's default
// network, which is known by its device.
func (n Network) Where() string {
	if n.Name == "bridge" {
		return n.Bridge
	}
	return "bridge " + n.Name
}

func (v *View) hostPlace(d Device) string {
	if d.Kind == "bridge" {
		if n, ok := v.bridges[d.Name]; ok {
			return n.Where()
		}
		return "bridge " + d.Name
	}
	if d.Kind == "veth" {
		if owners := v.behind(d); owners != "" {
			return "veth of " + owners + v.leg(d, owners)
		}
	}
	return d.Name + " of host"
}

// behind names the containers at the other end of a host's veth, "" for none.
func (v *View) behind(d Device) string {
	all := v.byNetns[d.PeerNetns]
	if len(all) == 0 {
		return ""
	}
	return v.namesOf(during(all, d))
}

// namesOf joins the names of containers; it is never empty.
func (v *View) namesOf(tenures []tenure) string {
	if owners := v.containers(tenures); len(owners) > 0 {
		return joinNames(owners)
	}
	return unknownName
}

// leg tells the legs of the owners apart by their networks, where they had
// more than one at the time of the device.
func (v *View) leg(d Device, owners string) string {
	legs := 0
	for _, o := range v.facts.Devices {
		if o.Netns == v.facts.Host && o.Kind == "veth" && o.PeerNetns == d.PeerNetns && sameTime(o, d) && v.behind(o) == owners {
			legs++
		}
	}
	if legs < 2 {
		return ""
	}
	if n, ok := v.Network(d.Netns, d.Ifindex); ok {
		return " (" + n.Name + ")"
	}
	return " (" + d.Name + ")"
}

func sameTime(a, b Device) bool {
	return tenure{from: a.Seen, to: a.Gone}.overlaps(tenure{from: b.Seen, to: b.Gone}) ||
		a.Gone.Equal(b.Gone)
}

// namespaceName is never empty.
func (v *View) namespaceName(netns uint32) string {
	if netns == v.facts.Host && netns != 0 {
		return "host"
	}
	if all := v.byNetns[netns]; len(all) > 0 {
		return v.namesOf(v.holders(all))
	}
	if n, ok := v.overlays[netns]; ok {
		return "network " + n.Name
	}
	if ns := v.netns[netns]; ns.Name != "" {
		return "netns " + ns.Name
	}
	return fmt.Sprintf("ns %d", netns)
}

func (v *View) unknownDevice(netns, ifindex uint32) string {
	name := v.namespaceName(netns)
	if netns == v.facts.Host || len(v.byNetns[netns]) > 0 {
		return fmt.Sprintf("dev %d of %s", ifindex, name)
	}
	return fmt.Sprintf("dev %d in %s", ifindex, name)
}
