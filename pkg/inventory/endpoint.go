package inventory

import "strings"

// hostName is how the host itself is called among endpoints.
const hostName = "(host)"

// Endpoint names one end of a path. The cgroup tells most precisely; then the
// namespace, where containers that share one are named together ("a+b",
// without an id); then, for an end that was seen in neither, the address.
func (v *View) Endpoint(raw RawEndpoint) Endpoint {
	if c, ok := v.ContainerByCgroup(raw.Cgroup); ok {
		return endpointOf(c)
	}
	if raw.Netns != 0 && raw.Netns == v.facts.Host {
		return Endpoint{Kind: KindHost, Name: hostName}
	}
	if owners := v.ContainersByNetns(raw.Netns); len(owners) > 0 {
		return endpointOf(owners...)
	}
	if owners := v.ownersOf(raw.Addr); len(owners) > 0 {
		return v.byAddress(raw, owners)
	}
	return v.outside(raw)
}

// FlowEndpoint is Endpoint with docker-proxy told from the host, whose
// namespace it is in: as an end of its own, with the container's port that it
// serves ("docker-proxy web:8000").
func (v *View) FlowEndpoint(raw RawFlow) Endpoint {
	e := v.Endpoint(raw.RawEndpoint)
	if e.Kind != KindHost {
		return e
	}
	if p, ok := v.proxy(raw); ok {
		return Endpoint{Kind: KindProxy, Name: proxyName + " " + v.Serves(p)}
	}
	return e
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
		return Endpoint{Kind: KindExternal, Name: "(unknown)"}
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
