package model

import (
	"cmp"
	"math"

	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/journey"
)

// pathKey is a path by name.
type pathKey struct {
	from, to  inventory.Endpoint
	network   string
	nat       string
	port      uint16
	published uint16
	proto     uint8
	response  bool
}

// hopName is a hop by name. The device is no part of it: a container that was
// restarted has another one at the same place.
type hopName struct{ hop, where, namespace string }

func (b *builder) pathKey(raw rawKey) pathKey {
	k := pathKey{port: raw.port, published: raw.published, proto: raw.proto, response: raw.response, nat: raw.nat.String()}
	if raw.other {
		k.from, k.to = otherEnd(), otherEnd()
		return k
	}
	k.from, k.to = b.flowEnds(raw)
	k.network = b.network(raw)
	server := k.to
	if raw.response {
		server = k.from
	}
	if raw.nat == 0 && (k.from.Kind == inventory.KindProxy || k.to.Kind == inventory.KindProxy) {
		k.nat = "proxy"
		if server.Kind == inventory.KindProxy {
			k.published = k.port // what docker-proxy listens on is a published port
		}
	}
	return k
}

// network is the one at the sender's end, or else at the receiver's: the
// outside has none.
func (b *builder) network(raw rawKey) string {
	if raw.src.Netns != 0 {
		if n, ok := b.names.Network(raw.src.Netns, raw.srcIf); ok {
			return n.Name
		}
	}
	if raw.dst.Netns != 0 {
		if n, ok := b.names.Network(raw.dst.Netns, raw.dstIf); ok {
			return n.Name
		}
	}
	return ""
}

func (b *builder) hopName(k hopKey) (name hopName, device string) {
	if k.other {
		return hopName{hop: journey.HopUnknown.String(), where: otherName}, ""
	}
	p := b.hopPlace(k.kind, k.place)
	return hopName{hop: k.kind.String(), where: p.where, namespace: p.namespace}, p.device
}

// dist gives a distribution in the form of the contract.
func (b *builder) dist(d *dist) Dist {
	b.tally.set(d)
	return b.tallied(make([]int64, figures))
}

// tallied is what was added up, with bins where the snapshot wants them. Its
// numbers are in the given memory.
func (b *builder) tallied(memory []int64) Dist {
	if b.meta.Bins {
		return b.tally.exportWithBins(memory)
	}
	return b.tally.export(memory)
}

// share is a part of a whole; nothing has no parts.
func share(part, whole uint64) float64 {
	if whole == 0 {
		return 0
	}
	return math.Min(float64(part)/float64(whole), 1)
}

// compare sorts by name, so that equal paths stay in place from snapshot to
// snapshot.
func (k *pathKey) compare(o *pathKey) int {
	response := func(k *pathKey) int {
		if k.response {
			return 1
		}
		return 0
	}
	return cmp.Or(
		cmp.Compare(k.from.Name, o.from.Name),
		cmp.Compare(k.to.Name, o.to.Name),
		cmp.Compare(k.proto, o.proto),
		cmp.Compare(k.port, o.port),
		cmp.Compare(response(k), response(o)),
		cmp.Compare(k.from.ContainerID, o.from.ContainerID),
		cmp.Compare(k.to.ContainerID, o.to.ContainerID),
		cmp.Compare(k.network, o.network),
		cmp.Compare(k.nat, o.nat),
		cmp.Compare(k.published, o.published))
}
