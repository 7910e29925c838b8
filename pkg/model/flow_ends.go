package model

import (
	"net/netip"
	"slices"

	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/journey"
)

// listener is where something serves.
type listener struct {
	netns uint32
	proto uint8
	at    netip.AddrPort
}

// listeners are the cgroups of serving sockets, 0 where several share a place.
// What the kernel answers before there is a socket, such as a SYN-ACK, has no
// cgroup of its own: it is the listener's.
type listeners map[listener]uint64

// serving is the server's end of a flow, and where it serves.
func (k *rawKey) serving() (*inventory.RawEndpoint, listener) {
	end := &k.dst
	if k.response {
		end = &k.src
	}
	return end, listener{netns: end.Netns, proto: k.proto, at: netip.AddrPortFrom(end.Addr, k.port)}
}

func (l listeners) learn(k rawKey) {
	if k.other || !hasPorts(k.proto) {
		return
	}
	end, at := k.serving()
	if end.Cgroup == 0 || end.Netns == 0 {
		return
	}
	if known, ok := l[at]; ok && known != end.Cgroup {
		l[at] = 0
		return
	}
	l[at] = end.Cgroup
}

// flowEnds names both ends of a flow.
func (b *builder) flowEnds(k rawKey) (from, to inventory.Endpoint) {
	if !hasPorts(k.proto) {
		src, dst := besides(k.src, k.dst)
		return b.endpoint(src), b.endpoint(dst)
	}
	end, at := k.serving()
	if end.Cgroup == 0 && b.couldBe(end.Via, b.listeners[at]) {
		end.Cgroup = b.listeners[at]
	}
	f := inventory.RawFlow{Proto: k.proto, Server: at.at}
	src, dst := besides(k.src, k.dst)
	return b.flowEnd(f, src, k.response), b.flowEnd(f, dst, !k.response)
}

// besides lets each end of a flow within one namespace tell of the other, such
// as a container of its name server, whose socket is the engine's.
func besides(src, dst inventory.RawEndpoint) (from, to inventory.RawEndpoint) {
	if src.Netns != 0 && src.Netns == dst.Netns {
		src.Tenant, dst.Tenant = dst.Cgroup, src.Cgroup
	}
	return src, dst
}

// couldBe says whether a cgroup was behind a gate, as far as the gate is known:
// what served at the same place of a namespace that is gone was not.
func (b *builder) couldBe(via journey.Place, cgroup uint64) bool {
	return via == (journey.Place{}) || slices.Contains(b.gates.cgroups[via], cgroup)
}

func (b *builder) flowEnd(f inventory.RawFlow, raw inventory.RawEndpoint, serves bool) inventory.Endpoint {
	e := b.endpoint(raw)
	names, ok := b.names.(FlowNames)
	if !ok || e.Kind != inventory.KindHost { // docker-proxy is in the host's namespace
		return e
	}
	f.RawEndpoint, f.Serves = raw, serves
	if !serves {
		f.Processes = b.processes(f.Proto, raw, f.Server)
	}
	return names.FlowEndpoint(f)
}
