package model

import (
	"cmp"
	"slices"

	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/journey"
)

// dropName is one group of drops by name.
type dropName struct {
	reason, hop, where, device, location string
	container                            string
	from, to                             inventory.Endpoint
	proto                                uint8
	port                                 uint16
}

// drops lists what was lost, and counts the other classes.
func (b *builder) drops(a *Aggregator) ([]Drop, map[Class]uint64) {
	rules := dropRules()
	classes := map[Class]uint64{}
	counts := map[dropName]uint64{}
	for k, n := range a.drops {
		d := b.dropName(k)
		class := classify(rules, Dropped{
			Reason: d.reason, Location: d.location, Proto: k.path.proto, TCPFlags: k.tcpFlags,
			Multicast: k.path.dst.Addr.IsMulticast(),
		})
		classes[class] += n
		if class == ClassLoss {
			counts[d] += n
		}
	}
	out := make([]Drop, 0, len(counts))
	for d, n := range counts {
		out = append(out, Drop{
			Reason: d.reason, Hop: d.hop, Where: d.where, Location: d.location,
			Container: known(d.container), Device: known(d.device),
			From: endOf(d.from), To: endOf(d.to),
			Proto: journey.ProtoName(d.proto), Port: d.port, Count: n,
		})
	}
	slices.SortFunc(out, func(x, y Drop) int {
		return cmp.Or(
			cmp.Compare(y.Count, x.Count),
			cmp.Compare(x.Reason, y.Reason),
			cmp.Compare(x.Hop, y.Hop),
			cmp.Compare(x.Where, y.Where),
			cmp.Compare(x.From.Name, y.From.Name),
			cmp.Compare(x.To.Name, y.To.Name),
			cmp.Compare(x.Port, y.Port),
			cmp.Compare(x.Location, y.Location))
	})
	return out, classes
}

func (b *builder) dropName(k dropKey) dropName {
	d := dropName{reason: b.meta.reason(k.reason), hop: k.kind.String(), proto: k.path.proto}
	if k.other {
		d.where, d.location, d.from, d.to = otherName, otherName, otherEnd(), otherEnd()
		return d
	}
	p := b.place(k.place)
	d.where, d.device, d.location = p.where, p.device, b.meta.symbol(k.location)
	d.from, d.to, d.port = b.endpoint(k.path.src), b.endpoint(k.path.dst), k.path.port
	// A drop inside of a container's namespace is that container's.
	if at := b.endpoint(inventory.RawEndpoint{Netns: k.place.Netns}); at.Kind == inventory.KindContainer {
		d.container = at.Name
	}
	return d
}
