// Package dns pairs DNS queries with their answers, as the sockets that ask see
// them. It knows ids and flags only (RFC 1035, 4.1.1): no names, no records.
package dns

import (
	"net/netip"
	"time"
)

// Port at which name servers answer (RFC 1035, 4.2).
const Port = 53

// Timeout is how long a query waits for its answer, from the last time that it
// was sent. It is the resolver libraries' own (resolv.conf(5): timeout).
const Timeout = 5 * time.Second

// Message is a query that left a socket, or an answer that reached it.
type Message struct {
	At     uint64     // CLOCK_MONOTONIC, ns
	Socket uint64     // tells sockets apart while they live
	Netns  uint32     // of the socket
	Cgroup uint64     // of the socket, 0 when unknown
	Local  netip.Addr // of the socket
	Port   uint16     // the local one
	Remote netip.Addr // the name server's, as the socket sees it
	ID     uint16     // 0 when Unread
	Flags  uint16     // the header's second word, 0 when Unread
	Answer bool
	Unread bool // the header was not in reach
}

// Outcome of a query.
type Outcome uint8

// A query has one outcome.
const (
	Answered   Outcome = iota + 1
	TimedOut           // no answer within Timeout
	Superseded         // none either, but another name server had answered the same question
	Pending            // the trace ended before an answer or Timeout
)

// Lookup is one query with its outcome. A query that is sent again by the same
// socket, with the same id and to the same name server, while it waits is still
// that query.
type Lookup struct {
	At        uint64 // when it was sent first, CLOCK_MONOTONIC, ns
	Netns     uint32 // of the socket that asked
	Cgroup    uint64 // of that socket, 0 when unknown
	Local     netip.Addr
	Resolver  netip.Addr
	Outcome   Outcome
	Rcode     uint8  // of the answer, RFC 1035, 4.1.1; [RcodeUnread] when unknown
	Truncated bool   // the answer said so: the client may ask again over TCP
	Sent      uint32 // datagrams, at least 1
	LatencyNs uint64 // from the first datagram to the answer
}

// The parts of a header's flags (RFC 1035, 4.1.1).
const (
	flagTruncated = 1 << 9
	rcodeMask     = 15
)

// Rcodes that are looked at.
const (
	RcodeNoError  = 0
	RcodeServFail = 2
	RcodeNXDomain = 3
	RcodeRefused  = 5
	// RcodeUnread is not of a header (it has 4 bits): the answer came, but its
	// header was not in reach.
	RcodeUnread = 16
	// Rcodes is how many there are.
	Rcodes = 17
)

// rcodeNames are those of the registry "DNS RCODEs" (RFC 6895, 2.3).
var rcodeNames = [Rcodes]string{
	"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH",
	"NOTZONE", "DSOTYPENI", "RCODE12", "RCODE13", "RCODE14", "RCODE15", "UNREAD",
}

// RcodeName is the mnemonic of a response code.
func RcodeName(rcode uint8) string { return rcodeNames[min(int(rcode), Rcodes-1)] }
