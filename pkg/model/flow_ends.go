package model

import (
	"net/netip"

	"github.com/hopscope/hopscope/pkg/inventory"
)

// flowEnds names both ends of a flow.
func (b *builder) flowEnds(k rawKey) (from, to inventory.Endpoint) {
	names, ok := b.names.(FlowNames)
	if !ok || !hasPorts(k.proto) {
		return b.endpoint(k.src), b.endpoint(k.dst)
	}
	server := k.dst.Addr
	if k.response {
		server = k.src.Addr
	}
	f := inventory.RawFlow{Proto: k.proto, Server: netip.AddrPortFrom(server, k.port)}
	end := func(raw inventory.RawEndpoint, serves bool) inventory.Endpoint {
		e := b.endpoint(raw)
		if e.Kind == inventory.KindHost { // the only one that docker-proxy could be
			f.RawEndpoint, f.Serves = raw, serves
			e = names.FlowEndpoint(f)
		}
		return e
	}
	return end(k.src, k.response), end(k.dst, !k.response)
}
