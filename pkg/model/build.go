package model

import (
	"cmp"
	"slices"
	"time"

	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/journey"
)

// otherName stands for what is beyond a limit.
const otherName = "(other)"

// builder joins raw facts with names for one snapshot.
type builder struct {
	names  Names
	meta   Meta
	places map[journey.Place]placeName
	ends   map[inventory.RawEndpoint]inventory.Endpoint
	tally  *tally // of whom hands it out; a path set's once the snapshot is made

	listeners  listeners
	gates      *behind
	connectors connectors
}

type placeName struct{ where, device, namespace string }

// Snapshot gives what was added so far under the names of now.
func (a *Aggregator) Snapshot(names Names, meta Meta) Snapshot {
	return a.build([]*Sealed{a.Seal()}, names, meta, true)
}

// build makes a snapshot of the paths of the given parts and of all else that
// the aggregator holds.
func (a *Aggregator) build(parts []*Sealed, names Names, meta Meta, hops bool) Snapshot {
	b := newBuilder(names)
	b.meta, b.tally = meta, newTally(a.maps.fine)
	paths := b.paths(parts)
	s := Snapshot{
		Schema:      SchemaName,
		ToolVersion: meta.ToolVersion,
		Host:        meta.Host,
		Kernel:      meta.Kernel,
		StartedAt:   meta.StartedAt.UTC(),
		DurationNs:  int64(meta.Duration),
		Ended:       meta.Ended,
		Accounting:  copyAccounting(meta.Accounting),
		Cost:        meta.Cost,
		HostStats:   b.hostStats(a),
		Paths:       paths.export(hops),
		Containers:  b.containers(a),
		Slowest:     b.slowest(a),
		TCP:         b.tcp(a),
		Exchanges:   b.exchanges(a),
		DNS:         b.dns(a),
	}
	var classes map[Class]uint64
	s.Drops, classes = b.drops(a)
	a.notes.export(s.Accounting.Notes, classes)
	s.Accounting.Notes["unread_counters"] = a.counters.sum(CountUnread)
	s.Findings = allFindings(&s, append(dnsFindings(s.DNS, meta.Accounting.Notes["dns_ring_full"]), lossFindings(&s)...))
	return s
}

func copyAccounting(in Accounting) Accounting {
	out := in
	out.Endings = copyCounts(in.Endings)
	out.Lost = copyCounts(in.Lost)
	out.Notes = copyCounts(in.Notes)
	return out
}

func copyCounts(in map[string]uint64) map[string]uint64 {
	out := make(map[string]uint64, len(in))
	for k, v := range in {
		out[k] = v
	}
	return out
}

// export adds the counts to the notes of a snapshot.
func (n notes) export(to map[string]uint64, classes map[Class]uint64) {
	to["other_paths"] = n.otherPaths
	to["other_hops"] = n.otherHops
	to["other_drops"] = n.otherDrops
	to["other_endpoints"] = n.otherEndpoints
	to["other_tcp"] = n.otherTCP
	to["other_counters"] = n.otherCounters
	to["other_exchanges"] = n.otherExchanges
	to["other_dns"] = n.otherDNS
	to["hop_sum_mismatch"] = n.hopMismatch
	to["negative_hops"] = n.negative
	to["unusable_journeys"] = n.unusable
	for _, c := range []Class{ClassUnread, ClassDuplicate, ClassNoise, ClassUnclear} {
		to["freed_"+c.String()] = classes[c]
	}
}

func (b *builder) place(p journey.Place) placeName {
	n, ok := b.places[p]
	if !ok {
		n.where, n.device = b.names.Where(p.Netns, p.Ifindex)
		n.namespace, _ = b.names.Where(p.Netns, 0)
		b.places[p] = n
	}
	return n
}

// hopPlace names where a hop happens. A bridge that neither of its stops names
// is that of the port which received the packet.
func (b *builder) hopPlace(kind journey.HopKind, p journey.Place) placeName {
	name := b.place(p)
	if kind != journey.HopBridge {
		return name
	}
	if n, ok := b.names.Network(p.Netns, p.Ifindex); ok && n.Bridge != "" {
		name.where, name.device = n.Where(), n.Bridge
	}
	return name
}

func (b *builder) endpoint(raw inventory.RawEndpoint) inventory.Endpoint {
	e, ok := b.ends[raw]
	if !ok {
		e = b.names.Endpoint(b.tenant(raw))
		b.ends[raw] = e
	}
	return e
}

// otherEnd is both ends of the path beyond the limit.
func otherEnd() inventory.Endpoint {
	return inventory.Endpoint{Kind: inventory.KindExternal, Name: otherName}
}

func endOf(e inventory.Endpoint) End {
	return End{Kind: string(e.Kind), Name: e.Name, ContainerID: known(e.ContainerID)}
}

// known is nil for what is unknown.
func known(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func (b *builder) containers(a *Aggregator) []Container {
	sums := map[string]*traffic{}
	for raw, t := range a.traffic {
		id := b.endpoint(raw).ContainerID
		if id == "" {
			continue
		}
		if sums[id] == nil {
			sums[id] = &traffic{}
		}
		sums[id].tx.merge(t.tx)
		sums[id].rx.merge(t.rx)
	}
	out := make([]Container, 0, len(b.meta.Containers))
	inHost := inHostNetns(b.meta.Containers)
	for _, c := range b.meta.Containers {
		row := containerOf(c)
		row.HostHops = inHost(c)
		row.CPU = cpu(a.counters, c.ID, b.meta.Duration)
		if t := sums[c.ID]; t != nil {
			row.TX, row.RX = t.tx, t.rx
		}
		out = append(out, row)
	}
	slices.SortStableFunc(out, func(x, y Container) int {
		return cmp.Or(
			cmp.Compare(y.TX.Bytes+y.RX.Bytes, x.TX.Bytes+x.RX.Bytes),
			cmp.Compare(x.Name, y.Name), cmp.Compare(x.ID, y.ID))
	})
	return out
}

// inHostNetns tells which containers are in the host's network namespace: those of
// mode host, and those that joined one of them.
func inHostNetns(all []inventory.Container) func(inventory.Container) bool {
	const mode = "host"
	host := map[uint32]bool{}
	for _, c := range all {
		if c.NetworkMode == mode && c.Netns != 0 {
			host[c.Netns] = true
		}
	}
	return func(c inventory.Container) bool { return c.NetworkMode == mode || host[c.Netns] }
}

func containerOf(c inventory.Container) Container {
	out := Container{
		ID: c.ID, Name: c.Name, Image: c.Image, Service: known(c.Service), Project: known(c.Project),
		PID: c.PID, CgroupID: c.CgroupID, Netns: c.Netns, State: c.State,
		Networks: make([]Network, 0, len(c.Networks)),
	}
	if !c.Gone.IsZero() {
		at := c.Gone.UTC()
		out.GoneAt = &at
	}
	for _, n := range c.Networks {
		net := Network{Name: n.Network, Driver: n.Driver, Interface: n.Interface, HostInterface: known(n.HostInterface)}
		if len(n.IP) > 0 {
			ip := n.IP[0].String()
			net.IP = &ip
		}
		out.Networks = append(out.Networks, net)
	}
	return out
}

func (b *builder) slowest(a *Aggregator) []Slow {
	out := make([]Slow, 0, len(a.slow.kept))
	for i := range a.slow.kept {
		k := &a.slow.kept[i]
		from, to := b.flowEnds(k.key)
		s := Slow{
			At:   b.meta.MonotonicZero.Add(time.Duration(k.start)).UTC(),
			From: endOf(from), To: endOf(to),
			Proto: journey.ProtoName(k.key.proto), Port: k.key.port, TotalNs: k.total,
			Hops: make([]SlowHop, 0, len(k.hops)),
		}
		for _, h := range k.hops {
			at := b.hopPlace(h.Kind, h.Place)
			s.Hops = append(s.Hops, SlowHop{
				Hop: h.Kind.String(), Where: at.where, Namespace: at.namespace, Ns: int64(h.Duration),
			})
		}
		out = append(out, s)
	}
	slices.SortStableFunc(out, func(x, y Slow) int {
		return cmp.Or(cmp.Compare(y.TotalNs, x.TotalNs), x.At.Compare(y.At))
	})
	return out
}
