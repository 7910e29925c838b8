package model

import (
	"slices"
	"strings"
)

// Class says what became of a packet that the kernel freed as dropped. Healthy
// traffic is freed that way too.
type Class uint8

const (
	ClassLoss      Class = iota // the receiver misses it
	ClassUnread                 // arrived, and its socket was closed before it was read
	ClassDuplicate              // its content had arrived before
	ClassNoise                  // used up as it should be; nothing is missing
)

func (c Class) String() string {
	switch c {
	case ClassUnread:
		return "unread"
	case ClassDuplicate:
		return "duplicate"
	case ClassNoise:
		return "noise"
	}
	return "loss"
}

// Dropped is what a class is decided by.
type Dropped struct {
	Reason   string // name of the enum skb_drop_reason, with or without its prefix
	Location string // kernel function, with or without an offset
	Proto    uint8
	TCPFlags uint8
}

// dropRule gives a class to a reason at the functions in at (any, if empty).
type dropRule struct {
	reason string
	at     []string
	class  Class
}

// dropRules are tried in order; what no rule knows is a loss.
func dropRules() []dropRule {
	return []dropRule{
		// The receive queue of a socket that closes (inet_csk_destroy_sock).
		{"QUEUE_PURGE", []string{"sk_stream_kill_queues", "inet_sock_destruct"}, ClassUnread},
		{"NOT_SPECIFIED", []string{"udp_destruct_common", "udp_destruct_sock", "udpv6_destruct_sock", "sk_stream_kill_queues", "inet_sock_destruct"}, ClassUnread},
		// A segment for a socket that closed meanwhile (tcp_rcv_state_process).
		{"TCP_CLOSE", nil, ClassUnread},
		// The segment was processed for a TIME_WAIT socket and is done with.
		{"NOT_SPECIFIED", []string{"tcp_v4_rcv", "tcp_v6_rcv"}, ClassNoise},
		// An echo reply that the raw socket of ping(8) took a copy of.
		{"NO_SOCKET", []string{"ping_rcv"}, ClassNoise},
		// Sequence space that was received before (tcp_data_queue,
		// tcp_ofo_queue): a retransmission came too late.
		{"TCP_OLD_DATA", nil, ClassDuplicate},
		{"TCP_OFOMERGE", nil, ClassDuplicate},
	}
}

// Classify says whether a dropped packet is a loss.
func Classify(d Dropped) Class { return classify(dropRules(), d) }

func classify(rules []dropRule, d Dropped) Class {
	reason := strings.TrimPrefix(d.Reason, "SKB_DROP_REASON_")
	function, _, _ := strings.Cut(d.Location, "+")
	for _, r := range rules {
		if r.reason == reason && (len(r.at) == 0 || slices.Contains(r.at, function)) {
			return r.class
		}
	}
	return ClassLoss
}
