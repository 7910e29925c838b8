package exchange

// PartKind is where time of an exchange goes. The order is the one in which an
// exchange meets them.
type PartKind uint8

// The parts.
const (
	PartNone            PartKind = iota
	PartRequest                  // first to last byte of the request, at a server whose client is elsewhere
	PartRequestNetwork           // first byte sent to last byte arrived
	PartProxy                    // docker-proxy's own, both ways
	PartProxyRequest             // from docker-proxy to the container
	PartNetworkRecv              // first byte sent to last byte read, where the arrival was not seen
	PartServerRecv               // request arrived, not yet read
	PartRecvApp                  // likewise and PartApp, where the read was not seen
	PartApp                      // read to the first byte of the answer
	PartWaiting                  // of that, an estimate: while an outgoing exchange was under way
	PartAppBody                  // first to last byte of the answer
	PartElsewhere                // request sent to first byte of the answer, where the server is elsewhere
	PartResponse                 // first to last byte of the answer, likewise
	PartProxyResponse            // from the container to docker-proxy
	PartResponseNetwork          // last byte sent to last byte arrived
	PartClientRecv               // answer arrived, not yet read
	partMax
)

var partNames = [partMax]string{
	PartRequest: "request", PartRequestNetwork: "request_network", PartProxy: "userland_proxy",
	PartProxyRequest: "request_network", PartNetworkRecv: "request_network+sock_recv", PartServerRecv: "sock_recv", PartRecvApp: "sock_recv+app",
	PartApp: "app", PartWaiting: "waiting", PartAppBody: "app_body", PartElsewhere: "network+app",
	PartResponse: "response", PartProxyResponse: "response_network",
	PartResponseNetwork: "response_network", PartClientRecv: "sock_recv",
}

func (k PartKind) String() string {
	if k.Valid() {
		return partNames[k]
	}
	return "unknown"
}

// Valid says whether a part of that kind exists.
func (k PartKind) Valid() bool { return k > PartNone && k < partMax }

// split cuts the time between begin and end into parts. A part that would be
// negative, because two sockets saw the same bytes in the other order, is 0 and
// the time is taken off the part before it, or after it: bounds never run back,
// and none lies beyond the end.
type split struct {
	at, end uint64
	parts   []Part
	bent    bool // a part would have been negative
}

// to ends a part. One that was not seen to end is part of the next one.
func (s *split) to(kind PartKind, at uint64) {
	if at == 0 {
		return
	}
	if at < s.at || at > s.end {
		s.bent = true
		at = min(max(at, s.at), s.end)
	}
	s.add(kind, at-s.at)
	s.at = at
}

func (s *split) add(kind PartKind, ns uint64) {
	for i := range s.parts {
		if s.parts[i].Kind == kind {
			s.parts[i].Ns += ns
			return
		}
	}
	s.parts = append(s.parts, Part{Kind: kind, Ns: ns})
}

// server adds the way to the server, and what happened there.
func (s *split) server(way PartKind, r *Record) {
	s.to(way, r.RequestEnd)
	switch {
	case r.RequestRead == 0 && r.RequestEnd == 0:
		s.to(PartElsewhere, r.Answer)
	case r.RequestRead == 0:
		s.to(PartRecvApp, r.Answer)
	case r.RequestEnd == 0:
		s.to(PartNetworkRecv, r.RequestRead)
		s.to(PartApp, r.Answer)
	default:
		s.to(PartServerRecv, r.RequestRead)
		s.to(PartApp, r.Answer)
	}
	s.to(PartAppBody, r.AnswerEnd)
}
