package model

import (
	"slices"
	"strings"

	"github.com/hopscope/hopscope/pkg/journey"
)

// Class says what became of a packet that the kernel freed as dropped. Healthy
// traffic is freed that way too.
type Class uint8

// The classes.
const (
	ClassLoss      Class = iota // the receiver misses it
	ClassUnread                 // arrived, and its socket was closed before it was read
	ClassDuplicate              // its content had arrived before
	ClassNoise                  // used up as it should be; nothing is missing
	ClassUnclear                // one or the other: the function that freed it is not known
)

func (c Class) String() string {
	switch c {
	case ClassUnread:
		return "unread"
	case ClassDuplicate:
		return "duplicate"
	case ClassNoise:
		return "noise"
	case ClassUnclear:
		return "unclear"
	}
	return "loss"
}

// Dropped is what a class is decided by.
type Dropped struct {
	Reason   string // name of the enum skb_drop_reason, with or without its prefix
	Location string // kernel function, with or without an offset; "" or its address where the kernel hides names
	Proto    uint8
	TCPFlags uint8

	Multicast bool // the packet's destination
}

// dropRule gives a class to a reason at the functions in at (any, if empty).
type dropRule struct {
	reason    string
	at        []string
	class     Class
	multicast bool  // only of multicast packets
	proto     uint8 // only of this protocol; 0: of all
}

// dropRules are tried in order; what no rule knows is a loss.
func dropRules() []dropRule {
	return []dropRule{
		// The receive queue of a socket that closes (inet_csk_destroy_sock), and
		// of a connection whose listener closes before it was accepted
		// (inet_child_forget).
		{reason: "QUEUE_PURGE", at: []string{"sk_stream_kill_queues", "inet_sock_destruct", "tcp_disconnect"}, class: ClassUnread},
		{reason: "NOT_SPECIFIED", at: []string{"udp_destruct_common", "udp_destruct_sock", "udpv6_destruct_sock", "sk_stream_kill_queues", "inet_sock_destruct"}, class: ClassUnread},
		// A segment for a socket that closed meanwhile (tcp_rcv_state_process).
		{reason: "TCP_CLOSE", class: ClassUnread},
		// A segment for a socket that is gone, which met the listener in its
		// place (tcp_rcv_state_process): answered by a reset.
		{reason: "TCP_FLAGS", at: []string{"tcp_v4_do_rcv", "tcp_v6_do_rcv"}, class: ClassUnread},
		// The segment was processed for a TIME_WAIT socket and is done with.
		{reason: "NOT_SPECIFIED", at: []string{"tcp_v4_rcv", "tcp_v6_rcv"}, class: ClassNoise},
		// An echo reply that the raw socket of ping(8) took a copy of.
		{reason: "NO_SOCKET", at: []string{"ping_rcv"}, class: ClassNoise, proto: journey.ProtoICMP},
		{reason: "NO_SOCKET", at: []string{"ping_rcv"}, class: ClassNoise, proto: journey.ProtoICMPv6},
		// Group membership reports and neighbour discovery reach whoever is
		// there, whether it listens or not (ip6_mc_input, br_dev_xmit).
		{reason: "IPV6DISABLED", at: []string{"ip6_rcv_core"}, class: ClassNoise, multicast: true},
		{reason: "NOT_SPECIFIED", at: []string{"ip6_mc_input", "ip_mr_input"}, class: ClassNoise, multicast: true},
		{reason: "NO_TX_TARGET", at: []string{"br_dev_xmit", "br_flood", "br_multicast_flood"}, class: ClassNoise, multicast: true},
		// An ACK that a closing or opening socket took note of; it holds nothing
		// to queue (tcp_rcv_state_process, label discard).
		{reason: "NOT_SPECIFIED", at: []string{"tcp_rcv_state_process", "tcp_rcv_synsent_state_process"}, class: ClassNoise},
		// Sequence space that was received before (tcp_data_queue,
		// tcp_ofo_queue): a retransmission came too late.
		// A SYN-ACK that was sent again, since the listener dropped the
		// handshake's end (tcp_validate_incoming); it is acknowledged again.
		{reason: "TCP_INVALID_SYN", at: []string{"tcp_validate_incoming"}, class: ClassDuplicate},
		{reason: "TCP_OLD_DATA", class: ClassDuplicate},
		{reason: "TCP_OFOMERGE", class: ClassDuplicate},
		{reason: "TCP_OLD_SEQUENCE", class: ClassDuplicate},
	}
}

// Classify says whether a dropped packet is a loss.
func Classify(d Dropped) Class { return classify(dropRules(), d) }

func classify(rules []dropRule, d Dropped) Class {
	reason := strings.TrimPrefix(d.Reason, "SKB_DROP_REASON_")
	function, _, _ := strings.Cut(d.Location, "+")
	hidden := function == "" || strings.HasPrefix(function, "0x")
	for _, r := range rules {
		if r.reason != reason || r.multicast && !d.Multicast || r.proto != 0 && r.proto != d.Proto {
			continue
		}
		switch {
		case len(r.at) == 0 || slices.Contains(r.at, function):
			return r.class
		case hidden:
			return ClassUnclear
		}
	}
	return ClassLoss
}
