package diff

import (
	"cmp"
	"slices"
)

// minDrops of a group in one of the captures, at least, to test it.
const minDrops = 5

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
// is not always known of those that did not arrive. P-values are not yet
// corrected.
func (c *comparison) drops() []Drop {
	var out []Drop
	for _, id := range c.dropIDs() {
		b, a := c.before.dropShares(id), c.after.dropShares(id)
		d := Drop{
			Reason: id.reason, Hop: id.hop, Where: id.where,
			From: id.from, To: id.to, Proto: id.proto, Port: id.port,
		}
		d.Before, d.ShareBefore = sumOf(b)
		d.After, d.ShareAfter = sumOf(a)
		if len(b) >= minSlices && len(a) >= minSlices && max(d.Before, d.After) >= minDrops {
			p := permutationP(b, a, c.rounds)
			d.P = &p
		}
		out = append(out, d)
	}
	return out
}

// dropShares are the slices in which the group's sender sent packets.
func (s *side) dropShares(id dropID) []share {
	var out []share
	dropped := s.drops[id]
	for i, n := range s.sent[id.from] {
		if n == 0 {
			continue
		}
		x := share{whole: float64(n)}
		if dropped != nil {
			x.part = float64(dropped[i])
		}
		out = append(out, x)
	}
	return out
}

func sumOf(shares []share) (count uint64, part float64) {
	var all share
	for _, s := range shares {
		all.part += s.part
		all.whole += s.whole
	}
	if all.whole == 0 {
		return 0, 0
	}
	return uint64(all.part), all.part / all.whole
}
