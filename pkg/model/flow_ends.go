package model

import (
	"net/netip"

	"github.com/hopscope/hopscope/pkg/inventory"
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
		return b.endpoint(k.src), b.endpoint(k.dst)
	}
	end, at := k.serving()
	if end.Cgroup == 0 {
		end.Cgroup = b.listeners[at]
	}
	f := inventory.RawFlow{Proto: k.proto, Server: at.at}
	return b.flowEnd(f, k.src, k.response), b.flowEnd(f, k.dst, !k.response)
}

func (b *builder) flowEnd(f inventory.RawFlow, raw inventory.RawEndpoint, serves bool) inventory.Endpoint {
	e := b.endpoint(raw)
	names, ok := b.names.(FlowNames)
	if !ok || e.Kind != inventory.KindHost { // docker-proxy is in the host's namespace
		return e
	}
	f.RawEndpoint, f.Serves = raw, serves
	return names.FlowEndpoint(f)
}
