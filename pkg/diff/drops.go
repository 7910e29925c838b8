package diff

import (
	"cmp"
	"slices"
)

// dropIDs are the groups of both captures, sorted by name.
func (c *comparison) dropIDs() []dropID {
	var out []dropID
	for id := range c.after.drops {
		out = append(out, id)
	}
	for id := range c.before.drops {
		if c.after.drops[id] == nil {
			out = append(out, id)
		}
	}
	slices.SortFunc(out, func(x, y dropID) int {
		return cmp.Or(
			cmp.Compare(x.from.Name, y.from.Name), cmp.Compare(x.to.Name, y.to.Name),
			cmp.Compare(x.from.Kind, y.from.Kind), cmp.Compare(x.to.Kind, y.to.Kind),
			cmp.Compare(x.proto, y.proto), cmp.Compare(x.port, y.port),
			cmp.Compare(x.reason, y.reason), cmp.Compare(x.hop, y.hop), cmp.Compare(x.where, y.where))
	})
	return out
}

// drops compares each group as a share of its sender's packets: where they went
// is not always known of those that did not arrive.
func (c *comparison) drops() []Drop {
	var out []Drop
	for _, id := range c.dropIDs() {
		b := shares(c.before.drops[id], c.before.sent[id.from])
		a := shares(c.after.drops[id], c.after.sent[id.from])
		out = append(out, Drop{
			Reason: id.reason, Hop: id.hop, Where: id.where,
			From: id.from, To: id.to, Proto: id.proto, Port: id.port, Rate: c.rate(b, a),
		})
	}
	return out
}
