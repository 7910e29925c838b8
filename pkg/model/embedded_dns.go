package model

import (
	"net/netip"

	"github.com/hopscope/hopscope/pkg/dns"
	"github.com/hopscope/hopscope/pkg/journey"
)

// isEmbeddedDNS says whether an address is that of Docker's own name server,
// which the daemon opens inside of every container on a user-defined network
// (moby libnetwork, resolverIPSandbox).
func isEmbeddedDNS(a netip.Addr) bool { return a == netip.AddrFrom4([4]byte{127, 0, 0, 11}) }

// askedPort is the port that the client asked for. The embedded name server
// listens on a port of its own choice, to which the container's nat rules lead
// queries to port 53, before the first stop at which a query is seen; its
// answers are seen after the way back.
func askedPort(j *journey.Journey, port uint16) uint16 {
	if isEmbeddedDNS(j.First.Src.Addr()) || isEmbeddedDNS(j.Last.Dst.Addr()) {
		return dns.Port
	}
	return port
}
