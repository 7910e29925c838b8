package model

import (
	"cmp"
)

// hopSums adds up the hops of one path after the other, in the same memory.
type hopSums struct {
	hops  []hopSum
	edges []edgeSum
	met   []rawHop // of the raw path at hand
	index []int    // of the hops of one part
	ns    []uint64 // Σ ns × weight of each hop in the tail
}

// hopSum is one hop of a path by name.
type hopSum struct {
	name     hopName
	device   string // that most packets met
	most     uint64 // how many of them
	position uint64 // Σ of its index in the journeys
	samples  uint64
	dists    []distRef
}

// distRef is where a distribution stands.
type distRef struct {
	part uint32
	d    *sealedDist
}

// rawHop is a hop of a raw path.
type rawHop struct {
	key     hopKey
	hop     int // by name
	device  string
	packets uint64
}

// edgeSum counts how often one hop followed another.
type edgeSum struct {
	from, to int
	n        uint64
}

func (w *hopSums) reset() {
	w.hops, w.edges = w.hops[:0], w.edges[:0]
}

// hop finds a hop by name, or adds it.
func (w *hopSums) hop(name hopName) int {
	for i := range w.hops {
		if w.hops[i].name == name {
			return i
		}
	}
	n := len(w.hops)
	if n < cap(w.hops) { // take over the memory of its distributions
		w.hops = w.hops[:n+1]
		w.hops[n] = hopSum{name: name, dists: w.hops[n].dists[:0]}
	} else {
		w.hops = append(w.hops, hopSum{name: name})
	}
	return n
}

func (w *hopSums) follow(from, to int, n uint64) {
	for i := range w.edges {
		if e := &w.edges[i]; e.from == from && e.to == to {
			e.n += n
			return
		}
	}
	w.edges = append(w.edges, edgeSum{from, to, n})
}

// devices gives each hop of the raw path the device that most packets met.
func (w *hopSums) devices() {
	for i := range w.met {
		x := &w.met[i]
		h := &w.hops[x.hop]
		if x.packets > h.most || (x.packets == h.most && x.device > h.device) {
			h.device, h.most = x.device, x.packets
		}
	}
}

// earlier compares the mean positions of two hops, then their names.
func (w *hopSums) earlier(i, k int) bool {
	x, y := &w.hops[i], &w.hops[k]
	return cmp.Or(
		cmp.Compare(x.meanPosition(), y.meanPosition()),
		cmp.Compare(x.name.hop, y.name.hop),
		cmp.Compare(x.name.where, y.name.where),
		cmp.Compare(x.name.namespace, y.name.namespace)) < 0
}

func (h *hopSum) meanPosition() float64 {
	return float64(h.position) / float64(h.samples)
}

// hops are those of one path in the order in which packets meet them.
func (s *pathSet) hops(at int32) []Hop {
	w := &s.work
	w.reset()
	slow, _ := s.tail(at)
	clear(w.ns)
	var total uint64
	for raw := s.first[at]; raw >= 0; raw = s.raws[raw].next {
		w.met = w.met[:0]
		for r := s.raws[raw].refs; r >= 0; r = s.refs[r].next {
			total += s.addHops(&s.refs[r], slow)
		}
		w.devices()
	}
	var slowest uint64
	for _, ns := range w.ns {
		slowest += ns
	}
	memory := make([]int64, figures*len(w.hops))
	out := make([]Hop, 0, len(w.hops))
	for n, i := range hopOrder(len(w.hops), w.edges, w.earlier) {
		h := &w.hops[i]
		s.b.tally.reset()
		for _, d := range h.dists {
			s.b.tally.add(s.parts[d.part], d.d)
		}
		out = append(out, Hop{
			Hop: h.name.hop, Where: h.name.where, Namespace: h.name.namespace, Device: known(h.device),
			Share:     share(s.b.tally.sum, total),
			TailShare: share(w.ns[i], slowest),
			TailNs:    w.ns[i],
			Dist:      s.b.tallied(memory[figures*n:]),
		})
	}
	return out
}

// addHops adds what one part knows of a raw path, and gives the sum of its
// packets' times. slow is the bucket from which on the tail begins.
func (s *pathSet) addHops(r *pathRef, slow int32) (total uint64) {
	w, part := &s.work, s.parts[r.part]
	path := &part.paths[r.at]
	hops := part.hops[path.hops.from:path.hops.to]
	w.index = w.index[:0]
	guess := 0 // mostly the same hops in the same order
	for i := range hops {
		h := &hops[i]
		met := s.meet(h, guess)
		guess = met + 1
		at := w.met[met].hop
		w.met[met].packets += h.dist.count
		w.hops[at].position += h.position
		w.hops[at].samples += h.dist.samples
		w.hops[at].dists = append(w.hops[at].dists, distRef{r.part, &h.dist})
		w.index = append(w.index, at)
	}
	for i := range hops {
		for _, e := range part.edges[hops[i].next.from:hops[i].next.to] {
			w.follow(w.index[i], w.index[e.to], e.n)
		}
	}
	for len(w.ns) < len(w.hops) {
		w.ns = append(w.ns, 0)
	}
	for _, row := range part.rows[path.rows.from:path.rows.to] {
		if row.bucket < slow {
			continue
		}
		for i, ns := range part.ns[row.ns.from:row.ns.to] {
			w.ns[w.index[i]] += ns
		}
	}
	return path.total.sum
}

// meet finds a hop among those of the raw path at hand, first at guess, or adds
// it.
func (s *pathSet) meet(h *sealedHop, guess int) int {
	w := &s.work
	n := len(w.met)
	for i := range n {
		at := guess + i
		if at >= n {
			at -= n
		}
		if w.met[at].key == h.key {
			return at
		}
	}
	name, device := s.b.hopName(h.key)
	w.met = append(w.met, rawHop{key: h.key, hop: w.hop(name), device: device})
	return n
}

// tail is the bucket from which on a path's slowest packets are counted, those
// at or beyond its p99, and how many they are.
func (s *pathSet) tail(at int32) (from int32, journeys uint64) {
	t := &s.buckets
	t.reset()
	for raw := s.first[at]; raw >= 0; raw = s.raws[raw].next {
		for r := s.raws[raw].refs; r >= 0; r = s.refs[r].next {
			part := s.parts[s.refs[r].part]
			rows := part.paths[s.refs[r].at].rows
			for i := rows.from; i < rows.to; i++ {
				t.add(part.rows[i].bucket, part.rows[i].count)
			}
		}
	}
	return t.slowest(tailQuantile)
}
