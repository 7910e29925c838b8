// Package exchange turns the kernel's socket events into exchanges: a request,
// the answer to it, and where the time between them went. It works on bytes and
// on times that it is given, so that captures and tests need no kernel.
//
// Each end of a TCP connection on this host gives a record of its own. TCP's
// sequence numbers are the same at both, whatever NAT does on the way, and so
// join them. docs/exchanges.md tells what is joined, what is left out, and why.
package exchange

import (
	"net/netip"
	"slices"
	"time"
)

// Role is which end of a connection a socket is.
type Role uint8

// The roles (enum hs_role).
const (
	RoleUnknown Role = 0
	RoleClient  Role = 1 // sends the requests
	RoleServer  Role = 2
)

// Flags say what is known of a record's connection (enum hs_event_flag).
type Flags uint8

// The flags.
const (
	FlagFirst       Flags = 1  // first exchange of a connection that was seen from its start
	FlagMidway      Flags = 2  // the connection is older than the trace
	FlagPipelined   Flags = 4  // the next request began before this answer was read
	FlagServerFirst Flags = 8  // the server spoke first
	FlagStream      Flags = 16 // both directions interleave
	FlagClosed      Flags = 32 // ended by the connection's close
	FlagReset       Flags = 64 // ended by a reset
)

// Sock is one end of a TCP connection (struct hs_sock).
type Sock struct {
	Cookie        uint64 // tells it from other sockets of its time
	Cgroup        uint64 // 0: unknown
	Local, Remote netip.AddrPort
	Netns         uint32
	Tgid, Tid     uint32 // process and thread that read or sent, 0: unknown
}

// Record is what one end of a connection saw of an exchange (struct
// hs_exchange). Times are CLOCK_MONOTONIC in ns, 0: not seen.
type Record struct {
	Role   Role
	Flags  Flags
	Weight uint32 // exchanges that it stands for
	Sock   Sock

	Request     uint64 // first byte: sent (client), or taken in by TCP (server)
	RequestEnd  uint64 // last byte, likewise
	RequestRead uint64 // server: the application's last read before it answered
	Answer      uint64 // first byte: sent (server), or taken in by TCP (client)
	AnswerEnd   uint64 // last byte, likewise
	AnswerRead  uint64 // client: the application's last read

	RequestSeq, AnswerSeq     uint32 // TCP sequence numbers of the first bytes
	RequestBytes, AnswerBytes uint32
	SRTT                      time.Duration // smoothed round trip time, 0: unknown
}

// Connect is the outcome of one connect(2), or a connection that accept(2)
// fetched (struct hs_connect).
type Connect struct {
	Error      uint16 // errno, 0 where it succeeded
	Weight     uint32
	Sock       Sock
	Start, End uint64 // CLOCK_MONOTONIC, ns
}

// Party is one end of an exchange, in raw facts.
type Party struct {
	Cgroup uint64 // 0: unknown
	Netns  uint32 // 0: not on this host, or not seen
	Addr   netip.Addr
}

func (s *Sock) party() Party { return Party{s.Cgroup, s.Netns, s.Local.Addr()} }

// View says from which ends an exchange was seen.
type View uint8

// The views.
const (
	ViewBoth   View = 1
	ViewClient View = 2 // at the client alone: the server is elsewhere
	ViewServer View = 3 // at the server alone: from the host's edge on
)

func (v View) String() string {
	switch v {
	case ViewClient:
		return "client"
	case ViewServer:
		return "server"
	}
	return "both"
}

// Exchange is a request and its answer, put together from what one to four
// sockets saw. Its parts sum to its total.
type Exchange struct {
	Start          uint64 // CLOCK_MONOTONIC, ns
	Total          uint64 // ns
	Client, Server Party
	Port           uint16         // as the server has it
	Asked          netip.AddrPort // as the client asked for it: before DNAT
	View           View
	Reason         Reason // why it is left out; its parts then mean nothing
	Weight         uint32 // exchanges that it stands for
	RTT            uint64 // smoothed round trip time of the client's leg, ns, 0: unknown
	Parts          []Part
	Sides          []Side // one a socket that saw it
	Proxied        bool   // by docker-proxy
	Proxy          Proxy  // which, where Proxied
}

// Proxy is a docker-proxy between client and server, in raw facts: its end of
// the connection to the container.
type Proxy struct {
	Party
	Target netip.AddrPort
}

// Part is the time that an exchange spent at one place.
type Part struct {
	Kind   PartKind
	Ns     uint64
	Target Party // PartWaiting: on whom
	Port   uint16
}

// Side is what one socket tells of the application that owns it.
type Side struct {
	Owner    Party
	Peer     netip.Addr // as the socket sees it
	Port     uint16     // of the service, as the socket sees it
	Server   bool       // the owner serves
	SockRecv int64      // ns from the last byte's arrival to its read, -1: unknown
	App      int64      // ns from the read of the request to the first byte of the answer, -1: unknown
}

// Clone is a copy that shares no memory.
func (x *Exchange) Clone() Exchange {
	out := *x
	out.Parts, out.Sides = slices.Clone(x.Parts), slices.Clone(x.Sides)
	return out
}
