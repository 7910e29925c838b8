package pipeline

import (
	"slices"

	"github.com/hopscope/hopscope/pkg/dns"
	"github.com/hopscope/hopscope/pkg/journey"
)

// DNS takes one message of a socket that asks a name server.
func (p *Pipeline) DNS(m *dns.Message) {
	if !p.match.wantsDNS() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dns.Take(m)
}

// ExpireDNS ends the queries that have waited for too long; now is
// CLOCK_MONOTONIC, in ns.
func (p *Pipeline) ExpireDNS(now uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dns.Expire(now)
}

// EndDNS ends the queries that still wait: no answer comes any more.
func (p *Pipeline) EndDNS() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dns.End()
}

// lookup takes a query with its outcome; the lock is held.
func (p *Pipeline) lookup(l dns.Lookup) {
	if asks := p.sockets.wanted.Asks; asks != nil && !asks(l.Netns, l.Local, l.Resolver) {
		return
	}
	p.agg.AddDNS(l)
	p.toSignalSinks(func(s SignalSink) error { return s.DNS(l) })
}

// wantsDNS reports whether name servers' service, over UDP, is wanted.
func (m *Match) wantsDNS() bool {
	return (len(m.Protos) == 0 || slices.Contains(m.Protos, journey.ProtoUDP)) &&
		(len(m.Ports) == 0 || slices.Contains(m.Ports, dns.Port))
}
