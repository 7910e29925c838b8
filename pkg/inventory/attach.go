package inventory

import (
	"net/netip"
	"slices"
	"strings"
)

// attach completes the legs of running containers from their devices: which
// interface serves which network, and what the host's end is. Containers that
// joined another's namespace share its legs.
func (s *state) attach() {
	byNetns := make(map[uint32][]Device)
	for k, d := range s.devices {
		if d.Gone.IsZero() && k.netns != s.host {
			byNetns[k.netns] = append(byNetns[k.netns], d)
		}
	}
	for id, c := range s.containers {
		if c.Running() {
			c.Networks = s.legs(c, byNetns[c.Netns])
			s.containers[id] = c
		}
	}
	for id, c := range s.containers {
		owner, joined := strings.CutPrefix(c.NetworkMode, "container:")
		if o, ok := s.containers[owner]; ok && joined && c.Running() && o.Netns == c.Netns {
			c.Networks = o.Networks
			s.containers[id] = c
		}
	}
}

func (s *state) legs(c Container, devices []Device) []Attachment {
	told := slices.ContainsFunc(c.Networks, func(a Attachment) bool { return a.NetworkID != "" })
	if !told && c.Netns != s.host {
		return s.legsOf(devices)
	}
	out := slices.Clone(c.Networks)
	for i := range out {
		a := &out[i]
		if n, ok := s.networks[a.NetworkID]; ok {
			a.Network, a.Driver = n.Name, n.Driver
		}
		j := slices.IndexFunc(devices, func(d Device) bool { return serves(d, *a) })
		if j < 0 {
			continue
		}
		d := devices[j]
		a.Interface, a.Ifindex = d.Name, d.Ifindex
		if peer, ok := s.devices[deviceKey{d.PeerNetns, d.PeerIfindex}]; ok && d.PeerNetns == s.host {
			a.HostInterface, a.HostIfindex = peer.Name, peer.Ifindex
		}
	}
	return out
}

// legsOf makes up legs where no engine tells: one for each veth.
func (s *state) legsOf(devices []Device) []Attachment {
	var out []Attachment
	for _, d := range devices {
		peer, ok := s.devices[deviceKey{d.PeerNetns, d.PeerIfindex}]
		if d.Kind != "veth" || !ok || d.PeerNetns != s.host {
			continue
		}
		bridge := s.devices[deviceKey{s.host, peer.Master}]
		out = append(out, Attachment{Network: bridge.Name, Driver: bridge.Kind, Interface: d.Name, Ifindex: d.Ifindex,
			HostInterface: peer.Name, HostIfindex: peer.Ifindex, MAC: d.MAC,
			IP: slices.DeleteFunc(slices.Clone(d.Addrs), func(a netip.Addr) bool { return !global(a) })})
	}
	slices.SortFunc(out, func(a, b Attachment) int { return int(a.Ifindex) - int(b.Ifindex) })
	return out
}

// serves matches by address, or by MAC where a network hands out none.
func serves(d Device, a Attachment) bool {
	for _, ip := range a.IP {
		if slices.Contains(d.Addrs, ip) {
			return true
		}
	}
	return a.MAC != "" && a.MAC == d.MAC
}
