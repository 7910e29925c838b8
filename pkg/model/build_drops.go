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
	container, attributed                string
	from, to                             inventory.Endpoint
	proto                                uint8
	port                                 uint16
}

// drops lists what was lost, and counts the other classes.
func (b *builder) drops(a *Aggregator) ([]Drop, map[Class]uint64) {
	rules := dropRules()
	classes := map[Class]uint64{}
	sums := map[dropName]dropSum{}
	for k, n := range a.drops {
		d := b.dropName(k)
		class := classify(rules, Dropped{
			Reason: d.reason, Location: d.location, Proto: k.proto, TCPFlags: k.tcpFlags,
			Multicast: k.dst.IsMulticast(),
		})
		classes[class] += n.n
		if class == ClassLoss {
			sum := sums[d]
			sum.n += n.n
			if sum.stack == nil {
				sum.stack = n.stack
			}
			sums[d] = sum
		}
	}
	out := make([]Drop, 0, len(sums))
	for d, n := range sums {
		out = append(out, Drop{
			Reason: d.reason, Hop: d.hop, Where: d.where, Location: d.location, Stack: b.stack(n.stack),
			Container: known(d.container), Device: known(d.device), AttributedBy: d.attributed,
			From: endOf(d.from), To: endOf(d.to),
			Proto: journey.ProtoName(d.proto), Port: d.port, Count: n.n,
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

func (b *builder) stack(addrs []uint64) []string {
	out := make([]string, 0, len(addrs))
	for _, a := range addrs {
		out = append(out, b.meta.symbol(a))
	}
	return out
}

func (b *builder) dropName(k dropKey) dropName {
	died := k.diedIn()
	d := dropName{reason: b.meta.reason(k.reason), hop: died.Kind.String(), proto: k.proto, attributed: k.attributed}
	if k.other {
		d.where, d.location, d.from, d.to = otherName, otherName, otherEnd(), otherEnd()
		return d
	}
	if died.Place != (journey.Place{}) {
		p := b.hopPlace(died.Kind, died.Place)
		d.where, d.device = p.where, p.device
	}
	d.location, d.port = b.meta.symbol(k.location), k.port
	d.from = b.endpoint(inventory.RawEndpoint{Netns: k.born, Addr: k.src})
	d.to = b.endpoint(inventory.RawEndpoint{Addr: k.dst})
	d.container, d.attributed = b.dropOwner(k, d)
	return d
}

// dropOwner says whose packets they were: of the container in whose namespace
// they died, else of its socket's, else of the one that they were for or came
// from, by its address.
func (b *builder) dropOwner(k dropKey, d dropName) (name, how string) {
	for _, raw := range []inventory.RawEndpoint{{Cgroup: k.cgroup}, {Netns: k.place.Netns}} {
		if raw == (inventory.RawEndpoint{}) {
			continue
		}
		if at := b.endpoint(raw); at.Kind == inventory.KindContainer {
			return at.Name, d.attributed
		}
	}
	for _, e := range []inventory.Endpoint{d.to, d.from} {
		if e.Kind == inventory.KindContainer {
			if d.attributed == "none" || d.attributed == "device" {
				return e.Name, "address"
			}
			return e.Name, d.attributed
		}
	}
	return "", d.attributed
}
