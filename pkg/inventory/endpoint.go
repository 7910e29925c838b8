package inventory

import "strings"

// hostName is how the host itself is called among endpoints.
const hostName = "(host)"

// unknownName is what is called by no name rather than by a wrong one.
const unknownName = "(unknown)"

// Endpoint names one end of a path. The cgroup tells most precisely; then the
// namespace, where containers that share one are named together ("a+b",
// without an id); then, for an end that was seen in neither, the address.
// Where several containers had the namespace or the address one after the
// other, and nothing tells which of them it was, none is named.
func (v *View) Endpoint(raw RawEndpoint) Endpoint {
	if c, ok := v.ContainerByCgroup(raw.Cgroup); ok {
		return endpointOf(c)
	}
	if raw.Netns != 0 && raw.Netns == v.facts.Host {
		return Endpoint{Kind: KindHost, Name: hostName}
	}
	if owners := v.users(raw); len(owners) > 0 {
		return endpointOf(owners...)
	}
	if len(v.byNetns[raw.Netns]) > 0 {
		return Endpoint{Kind: KindContainer, Name: unknownName}
	}
	if owners := v.ownersOf(raw.Addr); len(owners) > 0 {
		return v.byAddress(raw, owners)
	}
	return v.outside(raw)
}

// users are the containers of an end's namespace at its time: by what else
// passed the same veth, by the veth itself, or because there were no others. A
// process that entered a container's namespace passes for the container; but it
// may as well be one of a namespace that nobody named, and that had the inode
// before or after.
func (v *View) users(raw RawEndpoint) []Container {
	all := v.byNetns[raw.Netns]
	if l, ok := v.byCgroup[raw.Tenant]; ok {
		if l.netns != raw.Netns { // it was gone before its namespace could be looked up
			return v.containers([]tenure{l.tenure})
		}
		return v.containers(alongside(all, l.tenure))
	}
	if d, ok := v.devices[deviceKey{raw.Via.Netns, raw.Via.Ifindex}]; ok && d.PeerNetns == raw.Netns {
		return v.containers(during(all, d))
	}
	holders := v.holders(all)
	if raw.Cgroup != 0 || raw.Tenant != 0 { // a process of no container that is known
		holders = v.throughout(holders)
	}
	return v.containers(holders)
}

// FlowEndpoint is Endpoint with docker-proxy told from the host, whose
// namespace it is in: as an end of its own, with the container's port that it
// serves ("docker-proxy web:8000"). Where both connect to the same service from
// the same cgroup they are named together.
func (v *View) FlowEndpoint(raw RawFlow) Endpoint {
	e := v.Endpoint(raw.RawEndpoint)
	if e.Kind != KindHost {
		return e
	}
	p, ok := v.proxy(raw)
	if !ok {
		return e
	}
	proxy := Endpoint{Kind: KindProxy, Name: proxyName + " " + v.Serves(p)}
	switch n := v.proxiesAmong(raw.Processes); {
	case n == len(raw.Processes): // all of them, or nothing is known of any
		return proxy
	case n == 0:
		return e
	}
	return Endpoint{Kind: KindHost, Name: e.Name + "+" + proxy.Name}
}

// byAddress names the owners of an address, unless they merely use the same
// one in networks of their own.
func (v *View) byAddress(raw RawEndpoint, owners []Container) Endpoint {
	for _, c := range owners[1:] {
		if c.Netns != owners[0].Netns {
			return v.outside(raw)
		}
	}
	return endpointOf(owners...)
}

func (v *View) outside(raw RawEndpoint) Endpoint {
	switch a := raw.Addr.Unmap(); {
	case !a.IsValid():
		return Endpoint{Kind: KindExternal, Name: unknownName}
	case raw.Netns == 0 && v.HostAddr(a), v.hostAddr[a] && !a.IsLoopback():
		return Endpoint{Kind: KindHost, Name: hostName}
	default:
		return Endpoint{Kind: KindExternal, Name: a.WithZone("").String()}
	}
}

func endpointOf(owners ...Container) Endpoint {
	e := Endpoint{Kind: KindContainer, Name: joinNames(owners)}
	if len(owners) == 1 {
		e.ContainerID = owners[0].ID
	}
	return e
}

func joinNames(owners []Container) string {
	names := make([]string, len(owners))
	for i, c := range owners {
		names[i] = c.Name
	}
	return strings.Join(names, "+")
}
