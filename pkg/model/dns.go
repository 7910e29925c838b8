package model

import (
	"net/netip"

	"github.com/hopscope/hopscope/pkg/dns"
	"github.com/hopscope/hopscope/pkg/inventory"
)

// dnsKey is the queries of one asker to one name server, in raw facts.
type dnsKey struct {
	asker    inventory.RawEndpoint
	resolver netip.Addr // as the asking socket sees it
}

// dnsSums are the counts of lookups, apart from their latencies.
type dnsSums struct {
	outcomes  [dns.Pending + 1]uint64
	rcodes    [dns.Rcodes]uint64
	truncated uint64
	retries   uint64
}

type dnsStats struct {
	dnsSums
	latency dist
}

func (s *dnsSums) add(o *dnsSums) {
	for i, n := range o.outcomes {
		s.outcomes[i] += n
	}
	for i, n := range o.rcodes {
		s.rcodes[i] += n
	}
	s.truncated += o.truncated
	s.retries += o.retries
}

func (s *dnsSums) queries() (n uint64) {
	for _, x := range s.outcomes {
		n += x
	}
	return n
}

// AddDNS counts a lookup. They are never sampled.
func (a *Aggregator) AddDNS(l dns.Lookup) {
	s := a.dnsSide(dnsKey{
		asker:    inventory.RawEndpoint{Netns: l.Netns, Cgroup: l.Cgroup, Addr: l.Local},
		resolver: l.Resolver,
	})
	if s == nil {
		a.notes.otherDNS++
		return
	}
	s.outcomes[min(l.Outcome, dns.Pending)]++
	s.retries += uint64(max(l.Sent, 1) - 1)
	if l.Outcome != dns.Answered {
		return
	}
	s.rcodes[min(l.Rcode, dns.RcodeUnread)]++
	if l.Truncated {
		s.truncated++
	}
	s.latency.add(int64(l.LatencyNs), 1)
}

// dnsSide is nil beyond the limit.
func (a *Aggregator) dnsSide(k dnsKey) *dnsStats {
	s := a.dns[k]
	if s == nil {
		if len(a.dns) >= a.limits.Endpoints {
			return nil
		}
		s = &dnsStats{latency: newDist(a.maps.fine)}
		a.dns[k] = s
	}
	return s
}

// sealedDNS is a dnsStats of a Sealed.
type sealedDNS struct {
	key dnsKey
	dnsSums
	latency sealedDist
}

func (s *Sealed) sealDNS(all map[dnsKey]*dnsStats) {
	for k, d := range all {
		if d.queries() > 0 { // an aggregator that is used again keeps empty ones
			s.dns = append(s.dns, sealedDNS{k, d.dnsSums, s.dist(&d.latency)})
		}
	}
}

func (a *Aggregator) mergeDNS(s *Sealed, from *sealedDNS) {
	to := a.dnsSide(from.key)
	if to == nil {
		a.notes.otherDNS += from.queries()
		return
	}
	to.add(&from.dnsSums)
	to.latency.mergeSealed(s, &from.latency)
}
