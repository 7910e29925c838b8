package model

import (
	"slices"

	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/journey"
)

// A gate is the outer end of a veth pair, by which packets come into a
// namespace and leave it. The kernel counts its interface indexes upwards
// (dev_new_index), while it gives the inode of a namespace that is gone to the
// next one, and Docker its address: so the gate tells containers apart that had
// the same of both, one after the other.

const (
	// maxGates bounds what is remembered of gates, live or gone; the oldest go
	// first.
	maxGates = 4096
	// maxGateCgroups bounds the cgroups of one gate. Those that share a
	// namespace are few; all that is asked of them is one that has a name.
	maxGateCgroups = 4
)

// gates remembers which sockets' packets went through which gate.
type gates struct {
	cgroups map[journey.Place][]uint64 // slices are replaced, never changed in place
	ring    []journey.Place            // in the order of learning
	next    int                        // oldest, once the ring is full
	several map[uint64]bool            // cgroups behind one gate, and whether behind others, too
}

func newGates() *gates {
	return &gates{cgroups: map[journey.Place][]uint64{}, several: map[uint64]bool{}}
}

func (g *gates) learn(at journey.Place, cgroup uint64) {
	known, ok := g.cgroups[at]
	if slices.Contains(known, cgroup) || len(known) >= maxGateCgroups {
		return
	}
	if !ok {
		if len(g.ring) < maxGates {
			g.ring = append(g.ring, at)
		} else {
			for _, gone := range g.cgroups[g.ring[g.next]] {
				delete(g.several, gone)
			}
			delete(g.cgroups, g.ring[g.next])
			g.ring[g.next] = at
			g.next = (g.next + 1) % maxGates
		}
	}
	g.cgroups[at] = append(slices.Clip(known), cgroup)
	_, elsewhere := g.several[cgroup]
	g.several[cgroup] = elsewhere
}

// pass learns from one end of a journey which cgroup is behind a gate. An end
// without a cgroup is known by its gate from then on, and so is one whose cgroup
// is behind many: the engine asks name servers from within each container's
// namespace.
func (a *Aggregator) pass(end *inventory.RawEndpoint, at journey.Place) {
	if at == (journey.Place{}) {
		return
	}
	if end.Cgroup != 0 {
		a.gates.learn(at, end.Cgroup)
	}
	if end.Cgroup == 0 || a.gates.several[end.Cgroup] {
		end.Via = at
	}
	if known := a.gates.cgroups[at]; len(known) != len(a.behind.cgroups[at]) {
		a.behind.cgroups[at] = known
	}
}

// gateOut is the gate by which a packet left the namespace that it was sent in,
// zero when it left by something else than a veth.
func gateOut(stops []journey.Stop, netns uint32) journey.Place {
	for i := range stops[:len(stops)-1] {
		if next := stops[i+1]; next.Netns != netns && next.Netns != 0 {
			return gateBetween(stops[i], next, next)
		}
	}
	return journey.Place{}
}

// gateIn is the gate by which a packet came into the namespace that it was sent
// to.
func gateIn(stops []journey.Stop, netns uint32) journey.Place {
	for i := len(stops) - 2; i >= 0; i-- {
		if stops[i].Netns != netns && stops[i].Netns != 0 {
			return gateBetween(stops[i], stops[i+1], stops[i])
		}
	}
	return journey.Place{}
}

// gateBetween is the outer of two stops, if the way from one to the other is
// that through a veth pair.
func gateBetween(from, to, outer journey.Stop) journey.Place {
	if from.Point != journey.PointXmit || from.Flags&journey.StopVeth == 0 || to.Netns == 0 {
		return journey.Place{}
	}
	return journey.Place{Netns: outer.Netns, Ifindex: outer.Ifindex}
}

// behind is which cgroups were seen behind which gates.
type behind struct {
	cgroups map[journey.Place][]uint64 // slices are replaced, never changed in place
	gate    map[uint64]journey.Place   // of each cgroup, as merged; zero where there are several
}

func newBehind() *behind {
	return &behind{cgroups: map[journey.Place][]uint64{}, gate: map[uint64]journey.Place{}}
}

// merge adds what another part of the trace knew, up to so many gates.
func (b *behind) merge(cgroups map[journey.Place][]uint64, limit int) {
	for at, list := range cgroups {
		for _, c := range list {
			known, ok := b.cgroups[at]
			if slices.Contains(known, c) || len(known) >= maxGateCgroups || !ok && len(b.cgroups) >= limit {
				continue
			}
			b.cgroups[at] = append(slices.Clip(known), c)
			gate := at
			if _, elsewhere := b.gate[c]; elsewhere {
				gate = journey.Place{} // a process of the host may enter the namespaces of many
			}
			b.gate[c] = gate
		}
	}
}

// tenant adds to an end without a cgroup, or with one that nobody knows,
// another cgroup that was behind the same gate and is a container's.
func (b *builder) tenant(raw inventory.RawEndpoint) inventory.RawEndpoint {
	if raw.Via == (journey.Place{}) {
		at := b.gates.gate[raw.Cgroup]
		if at == (journey.Place{}) || b.isContainer(raw.Cgroup) {
			return raw
		}
		raw.Via = at
	}
	for _, cgroup := range b.gates.cgroups[raw.Via] {
		raw.Tenant = cgroup
		if b.isContainer(cgroup) {
			break
		}
	}
	return raw
}

func (b *builder) isContainer(cgroup uint64) bool {
	return b.names.Endpoint(inventory.RawEndpoint{Cgroup: cgroup}).Kind == inventory.KindContainer
}

// gateSize is about the bytes that a gate with one cgroup takes in a map.
const gateSize = 64
