package model

import (
	"net/netip"

	"github.com/hopscope/hopscope/pkg/journey"
)

const (
	tcpFlagSYN = 0x02
	tcpFlagACK = 0x10

	// firstEphemeral is the lowest port that Linux gives to a client unless it
	// was told otherwise (net.ipv4.ip_local_port_range, ip(7)).
	firstEphemeral = 32768

	// maxServers bounds the memory of learned servers; the oldest goes first.
	maxServers = 4096
)

type serverKey struct {
	addr  netip.AddrPort
	proto uint8
}

// servers remembers which addresses and ports were seen to accept connections,
// as a SYN or its answer shows. That is far less than one entry a flow.
type servers struct {
	known map[serverKey]struct{}
	ring  []serverKey // in the order of learning
	next  int         // oldest, once the ring is full
}

func newServers() *servers {
	return &servers{known: map[serverKey]struct{}{}}
}

func (s *servers) learn(proto uint8, addr netip.AddrPort) {
	k := serverKey{addr, proto}
	if _, ok := s.known[k]; ok {
		return
	}
	if len(s.ring) < maxServers {
		s.ring = append(s.ring, k)
	} else {
		delete(s.known, s.ring[s.next])
		s.ring[s.next] = k
		s.next = (s.next + 1) % maxServers
	}
	s.known[k] = struct{}{}
}

func (s *servers) has(proto uint8, addr netip.AddrPort) bool {
	_, ok := s.known[serverKey{addr, proto}]
	return ok
}

// response reports whether a journey runs from the server to the client. Only
// a SYN tells for certain. Without one: toward what was learned to be a server,
// else from the port outside of the ephemeral range, else from the lower one.
func (s *servers) response(j *journey.Journey) bool {
	if !hasPorts(j.Proto) {
		return icmpResponse(j)
	}
	if j.Proto == journey.ProtoTCP && j.TCPFlags&tcpFlagSYN != 0 {
		return s.handshake(j)
	}
	if from := isEmbeddedDNS(j.First.Src.Addr()); from || isEmbeddedDNS(j.Last.Dst.Addr()) {
		return from
	}
	toServer := s.has(j.Proto, j.Last.Dst) || s.has(j.Proto, j.First.Dst)
	fromServer := s.has(j.Proto, j.First.Src)
	if toServer != fromServer {
		return fromServer
	}
	src, dst := j.First.Src.Port(), j.Last.Dst.Port()
	if (src < firstEphemeral) != (dst < firstEphemeral) {
		return src < firstEphemeral
	}
	return src < dst
}

// handshake learns the server from a SYN or SYN-ACK, under both addresses that
// NAT gives it.
func (s *servers) handshake(j *journey.Journey) (response bool) {
	if j.TCPFlags&tcpFlagACK != 0 {
		s.learn(j.Proto, j.First.Src)
		s.learn(j.Proto, j.Last.Src)
		return true
	}
	s.learn(j.Proto, j.First.Dst)
	s.learn(j.Proto, j.Last.Dst)
	return false
}

// icmpResponse reports whether an ICMP message answers another packet: all but
// the requests of RFC 792, RFC 4443 and RFC 4861 do.
func icmpResponse(j *journey.Journey) bool {
	kind := j.First.Dst.Port() >> 8
	switch j.Proto {
	case journey.ProtoICMP:
		return kind != 8 && kind != 13 // echo, timestamp
	case journey.ProtoICMPv6:
		switch kind {
		case 128, 130, 133, 135: // echo, multicast listener, router, neighbour
			return false
		}
		return true
	}
	return false
}
