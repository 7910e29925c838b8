package dropreason

import "strings"

// Retransmits lists what makes TCP send a segment again, by the names that the
// tool gives it.
func Retransmits() []Reason {
	return []Reason{
		{[]string{"RTO"},
			"no acknowledgement came within the retransmission timeout, 200 ms or more and twice as long each time: the connection stood still meanwhile",
			"see where the segments, or their acknowledgements, were dropped; where nothing is dropped on this host, the peer or the way to it loses them: `ss -ti` shows rto and backoff"},
		{[]string{"FAST"},
			"fast retransmit: later segments had arrived, as their acknowledgements told; this one was lost, or overtaken",
			"look for a queue or a policer that drops (`tc -s qdisc`); if nothing is lost, packets overtake each other: `nstat -az TcpExtTCPDSACKRecv TcpExtTCPSACKReorder`"},
		{[]string{"TLP"},
			"tail loss probe (RFC 8985): the last segment of a burst was not acknowledged for about two round trips, and was sent again to learn why",
			"a few are normal; many mean that the ends of bursts are lost, or that the receiver has no CPU to acknowledge them"},
		{[]string{"SYN"},
			"a request for a connection was not answered within a second, then two, four: who connects waits that long",
			"see that the server runs and its accept queue has room (TCP_LISTEN_OVERFLOW), and whether a firewall drops requests without an answer"},
		{[]string{"SYNACK"},
			"a server's answer to a request for a connection was not acknowledged within a second",
			"see whether a full accept queue dropped the end of the handshake (TCP_LISTEN_OVERFLOW), and whether answers find their way back; many from many addresses are a SYN flood"},
		{[]string{"OTHER"},
			"sent again outside of loss recovery, as where the path's MTU turned out to be smaller than it seemed",
			"if there are many, make the MTUs on the way agree, and let ICMP \"fragmentation needed\" pass"},
	}
}

// FindRetransmit gives the explanation of a kind of retransmission; false for one
// that is not explained.
func FindRetransmit(kind string) (Reason, bool) { return find(Retransmits(), strings.ToUpper(kind)) }
