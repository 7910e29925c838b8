package model

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/hopscope/hopscope/pkg/dns"
	"github.com/hopscope/hopscope/pkg/inventory"
)

// embeddedDNSName is how Docker's name server is called among ends.
const embeddedDNSName = "(docker dns)"

// dnsName is one row by name.
type dnsName struct {
	from, to  inventory.Endpoint
	resolver  netip.Addr
	forwarded bool
}

type dnsSum struct {
	dnsSums
	latency sharedDist
}

// dns lists who asks which name server, the most unanswered first.
func (b *builder) dns(a *Aggregator) []DNS {
	if b.meta.NoDNS {
		return nil
	}
	sums := map[dnsName]*dnsSum{}
	for k, s := range a.dns {
		name := b.dnsName(k)
		sum := sums[name]
		if sum == nil {
			sum = &dnsSum{}
			sums[name] = sum
		}
		sum.add(&s.dnsSums)
		sum.latency.merge(&s.latency)
	}
	out := make([]DNS, 0, len(sums))
	for n, s := range sums {
		out = append(out, b.dnsRow(n, s))
	}
	slices.SortFunc(out, func(x, y DNS) int {
		return cmp.Or(
			cmp.Compare(y.Timeout, x.Timeout),
			cmp.Compare(y.Queries, x.Queries),
			cmp.Compare(x.From.Name, y.From.Name),
			cmp.Compare(x.Resolver, y.Resolver),
			cmp.Compare(x.To.Name, y.To.Name))
	})
	return out
}

func (b *builder) dnsRow(n dnsName, s *dnsSum) DNS {
	row := DNS{
		From: endOf(n.from), To: endOf(n.to), Resolver: n.resolver.String(), Forwarded: n.forwarded,
		Queries: s.queries(), Answered: s.outcomes[dns.Answered], Timeout: s.outcomes[dns.TimedOut],
		Superseded: s.outcomes[dns.Superseded], Pending: s.outcomes[dns.Pending],
		Retries: s.retries, Truncated: s.truncated,
		Rcode: map[string]uint64{}, Latency: b.dist(s.latency.d),
	}
	if n.from.Kind == inventory.KindContainer {
		row.Container = known(n.from.Name)
	}
	for code, count := range s.rcodes {
		if count > 0 {
			row.Rcode[dns.RcodeName(uint8(code))] = count
		}
	}
	return row
}

// dnsName names both ends. A socket inside of a container's namespace that is
// none of its processes' is the engine's, which passes on there what its name
// server was asked (libnetwork, Resolver.dialExtDNS).
func (b *builder) dnsName(k dnsKey) dnsName {
	n := dnsName{from: b.endpoint(k.asker), resolver: k.resolver}
	if isEmbeddedDNS(k.resolver) {
		n.to = inventory.Endpoint{Kind: inventory.KindHost, Name: embeddedDNSName}
		return n
	}
	server := inventory.RawEndpoint{Addr: k.resolver}
	if k.resolver.IsLoopback() {
		server.Netns = k.asker.Netns
	}
	n.to = b.endpoint(server)
	n.forwarded = n.from.Kind == inventory.KindContainer && b.foreign(k.asker.Cgroup)
	return n
}

// foreign reports whether a cgroup is surely no container's: it cannot be told
// where cgroups are not known.
func (b *builder) foreign(cgroup uint64) bool {
	if cgroup == 0 || b.isContainer(cgroup) {
		return false
	}
	return slices.ContainsFunc(b.meta.Containers, func(c inventory.Container) bool { return c.CgroupID != 0 })
}
