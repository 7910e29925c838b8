package topology

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hopscope/hopscope/pkg/journey"
	"github.com/hopscope/hopscope/pkg/model"
)

// hopList is the whole way of some packets of one direction of a flow.
type hopList struct {
	hops  string // "hop @ where", one a line
	count uint64
}

// lists are the journeys by their hops, each list with names of its own: an
// aggregate of them all would not tell which hops belong together.
func (r result) lists(flows []flow) []model.Snapshot {
	groups := map[string]*model.Aggregator{}
	var hops []journey.Hop
	for i := range r.Journeys {
		j := &r.Journeys[i]
		hops = j.Hops(hops[:0])
		key := ""
		for _, h := range hops {
			key += fmt.Sprint(h.Kind, h.Place, ";")
		}
		if groups[key] == nil {
			groups[key] = model.New(model.Limits{})
			r.teach(groups[key], flows)
		}
		groups[key].Add(j, hops)
	}
	var out []model.Snapshot
	for _, a := range groups {
		out = append(out, a.Snapshot(r.View, model.Meta{}))
	}
	return out
}

// teach tells who serves, which the handshakes of other groups tell.
func (r result) teach(a *model.Aggregator, flows []flow) {
	for i := range r.Journeys {
		j := &r.Journeys[i]
		port := j.Last.Dst.Port()
		if slices.ContainsFunc(flows, func(f flow) bool { return f.port != 0 && f.port == port }) {
			a.LearnServer(j.Proto, j.First.Dst)
			a.LearnServer(j.Proto, j.Last.Dst)
		}
	}
}

// listsOf are those of one direction of a flow, the most frequent first.
func listsOf(snapshots []model.Snapshot, f flow, direction string, from, to end) (out []hopList) {
	for _, s := range snapshots {
		for i := range s.Paths {
			p := &s.Paths[i]
			if p.Proto != f.proto || p.Port != f.port || p.Direction != direction || !from.alike(p.From) || !to.alike(p.To) {
				continue
			}
			var hops []string
			for _, h := range p.Hops {
				hops = append(hops, h.Hop+" @ "+h.Where)
			}
			out = append(out, hopList{strings.Join(hops, "\n"), p.Journeys})
		}
	}
	slices.SortFunc(out, func(a, b hopList) int { return int(b.count) - int(a.count) })
	return out
}

// alike says whether an end of a path is this one. What tells docker-proxy from the
// host is not of the journeys alone.
func (e end) alike(o model.End) bool {
	machine := func(kind string) bool { return kind == "host" || kind == "proxy" }
	return e == end{o.Kind, o.Name} || machine(e.kind) && machine(o.Kind)
}

// wantLists checks that every packet of a direction has a list of hops that it may
// have: that of the flow, or one of those besides. A segment for which no established
// connection takes the socket's lock has the list without its last hop: of each
// connection the handshake and the close, which are three at most.
func (r result) wantLists(t *testing.T, got []hopList, f flow, what string, hops []string) {
	t.Helper()
	whole := strings.Join(hops, "\n")
	unlocked, locked := "", false
	if last := len(hops) - 1; strings.HasPrefix(hops[last], "sock_lock ") {
		unlocked, locked = strings.Join(hops[:last], "\n"), true
	}
	var main, without uint64
	for _, l := range got {
		switch {
		case l.hops == whole:
			main += l.count
		case locked && l.hops == unlocked:
			without += l.count
		case f.besides == nil || !f.besides(l.hops, whole):
			t.Errorf("%s: %d journeys have the hops\n%s", what, l.count, l.hops)
		}
	}
	if most := 3 * r.handshakes(f); without > most {
		t.Errorf("%s: %d journeys end at the socket without its lock, at most %d may", what, without, most)
	}
	if main == 0 {
		t.Errorf("%s: no journey has the hops\n%s", what, whole)
	}
}

// handshakes counts the SYNs of a flow.
func (r result) handshakes(f flow) (n uint64) {
	const syn, ack = 0x02, 0x10
	for i := range r.Journeys {
		j := &r.Journeys[i]
		if port := j.Last.Dst.Port(); j.Proto == journey.ProtoTCP && j.TCPFlags&(syn|ack) == syn && (port == f.port || port == uint16(f.published)) {
			n++
		}
	}
	return n
}
