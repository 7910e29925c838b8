package model

import (
	"cmp"
	"math"
	"slices"

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

// namedPath is the sum of all raw paths of one name.
type namedPath struct {
	key   pathKey
	total sharedDist
	bytes uint64
	hops  []namedHop
	index map[hopName]int
	edges map[[2]int]uint64
	tail  tail
}

type namedHop struct {
	name     hopName
	device   string // that most packets met
	most     uint64 // how many of them
	dist     sharedDist
	position uint64
}

func (b *builder) paths(a *Aggregator) []Path {
	byName := map[pathKey]*namedPath{}
	for raw, p := range a.paths {
		k := b.pathKey(raw)
		n := byName[k]
		if n == nil {
			n = &namedPath{key: k, index: map[hopName]int{}, edges: map[[2]int]uint64{}, tail: newTail(a.maps.coarse)}
			byName[k] = n
		}
		b.merge(n, p)
	}
	named := make([]*namedPath, 0, len(byName))
	for _, n := range byName {
		named = append(named, n)
	}
	slices.SortFunc(named, worstFirst)
	out := make([]Path, 0, len(named))
	for _, n := range named {
		out = append(out, n.export(b.distOf()))
	}
	return out
}

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

// merge adds a raw path to the path that it belongs to by name.
func (b *builder) merge(n *namedPath, p *rawPath) {
	n.total.merge(&p.total)
	n.bytes += p.bytes
	index := make([]int, len(p.hops))
	for i := range p.hops {
		name, device := b.hopName(p.hops[i].key)
		index[i] = n.hop(name)
		n.hops[index[i]].met(device, p.hops[i].dist.count)
	}
	for i := range p.hops {
		h := &n.hops[index[i]]
		h.dist.merge(&p.hops[i].dist)
		h.position += p.hops[i].position
		for _, e := range p.hops[i].next {
			n.edges[[2]int{index[i], index[e.to]}] += e.n
		}
	}
	n.tail.merge(&p.tail, index)
}

func (b *builder) hopName(k hopKey) (name hopName, device string) {
	if k.other {
		return hopName{hop: journey.HopUnknown.String(), where: otherName}, ""
	}
	p := b.hopPlace(k.kind, k.place)
	return hopName{hop: k.kind.String(), where: p.where, namespace: p.namespace}, p.device
}

func (h *namedHop) met(device string, packets uint64) {
	if packets > h.most || (packets == h.most && device > h.device) {
		h.device, h.most = device, packets
	}
}

func (n *namedPath) hop(name hopName) int {
	i, ok := n.index[name]
	if !ok {
		i = len(n.hops)
		n.index[name] = i
		n.hops = append(n.hops, namedHop{name: name})
	}
	return i
}

// distOf gives distributions with or without bins, as the snapshot wants them.
func (b *builder) distOf() func(*dist) Dist {
	if b.meta.Bins {
		return (*dist).exportWithBins
	}
	return (*dist).export
}

func (n *namedPath) export(distOf func(*dist) Dist) Path {
	k := n.key
	p := Path{
		From: endOf(k.from), To: endOf(k.to), Network: k.network,
		Proto: journey.ProtoName(k.proto), Port: k.port, NAT: k.nat, Direction: "request",
		Journeys: n.total.d.count, Bytes: n.bytes, Total: distOf(n.total.d),
		Hops: make([]Hop, 0, len(n.hops)),
	}
	if k.response {
		p.Direction = "response"
	}
	if k.published != 0 {
		port := int(k.published)
		p.PublishedPort = &port
	}
	tails, journeys := n.tail.sums(len(n.hops))
	p.TailJourneys = journeys
	var tailTotal uint64
	for _, ns := range tails {
		tailTotal += ns
	}
	for _, i := range hopOrder(len(n.hops), n.edges, n.earlier) {
		h := n.hops[i]
		p.Hops = append(p.Hops, Hop{
			Hop: h.name.hop, Where: h.name.where, Namespace: h.name.namespace, Device: known(h.device),
			Share:     share(h.dist.d.sum, n.total.d.sum),
			TailShare: share(tails[i], tailTotal),
			TailNs:    tails[i],
			Dist:      distOf(h.dist.d),
		})
	}
	return p
}

// earlier compares the mean positions of two hops, then their names.
func (n *namedPath) earlier(i, k int) bool {
	x, y := &n.hops[i], &n.hops[k]
	return cmp.Or(
		cmp.Compare(x.meanPosition(), y.meanPosition()),
		cmp.Compare(x.name.hop, y.name.hop),
		cmp.Compare(x.name.where, y.name.where),
		cmp.Compare(x.name.namespace, y.name.namespace)) < 0
}

func (h *namedHop) meanPosition() float64 {
	return float64(h.position) / float64(h.dist.d.samples)
}

// share is a part of a whole; nothing has no parts.
func share(part, whole uint64) float64 {
	if whole == 0 {
		return 0
	}
	return math.Min(float64(part)/float64(whole), 1)
}

// worstFirst sorts by the time of all packets together, then by name so that
// equal paths stay in place from snapshot to snapshot.
func worstFirst(x, y *namedPath) int {
	response := func(k pathKey) int {
		if k.response {
			return 1
		}
		return 0
	}
	return cmp.Or(
		cmp.Compare(y.total.d.sum, x.total.d.sum),
		cmp.Compare(x.key.from.Name, y.key.from.Name),
		cmp.Compare(x.key.to.Name, y.key.to.Name),
		cmp.Compare(x.key.proto, y.key.proto),
		cmp.Compare(x.key.port, y.key.port),
		cmp.Compare(response(x.key), response(y.key)),
		cmp.Compare(x.key.from.ContainerID, y.key.from.ContainerID),
		cmp.Compare(x.key.to.ContainerID, y.key.to.ContainerID),
		cmp.Compare(x.key.network, y.key.network),
		cmp.Compare(x.key.nat, y.key.nat),
		cmp.Compare(x.key.published, y.key.published))
}
