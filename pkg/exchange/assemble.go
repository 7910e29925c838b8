package exchange

// assemble makes an exchange of what its sockets saw. inner is the one behind
// docker-proxy, nil without one.
func (j *Joiner) assemble(x *Exchange, e, inner *entry) {
	x.Weight, x.View = 1, e.view()
	last := e // the container's
	if inner != nil {
		last = inner
	}
	x.ends(e, last)
	if inner != nil {
		x.Proxied, x.Proxy = true, Proxy{inner.client.Sock.party(), inner.client.Sock.Remote}
	}
	for _, r := range []*Record{e.client, e.server} {
		if r != nil {
			x.Weight = max(x.Weight, r.Weight)
			if x.Reason == ReasonNone {
				x.Reason = r.reason()
			}
		}
	}
	if e.view() == ViewBoth {
		j.counts.Both++
	} else {
		j.counts.OneSided++
	}
	if x.Reason != ReasonNone {
		x.leftOut(e)
		return
	}
	j.cut(x, e, inner)
	x.sides(e, j.isProxy)
	if inner != nil {
		x.sides(inner, j.isProxy)
	}
	if last.server != nil {
		j.splitApp(x, last.server)
	}
}

func (e *entry) view() View {
	switch {
	case e.server == nil:
		return ViewClient
	case e.client == nil:
		return ViewServer
	}
	return ViewBoth
}

// unseen: the kernel missed the request's arrival, and the client's record, which
// would tell when it was sent, is not there. The answer alone makes no exchange.
func (e *entry) unseen() bool {
	return e.client == nil && e.server.reason() == ReasonNone && e.server.begin() == e.server.Answer
}

// ends names both ends: the client of the first connection, and the server of
// the last one.
func (x *Exchange) ends(e, last *entry) {
	if r := e.client; r != nil {
		x.Client, x.Asked, x.RTT = r.Sock.party(), r.Sock.Remote, uint64(r.SRTT)
	} else {
		r := e.server
		x.Client, x.Asked, x.RTT = Party{Addr: r.Sock.Remote.Addr()}, r.Sock.Local, uint64(r.SRTT)
	}
	if r := last.server; r != nil {
		x.Server, x.Port = r.Sock.party(), r.Sock.Local.Port()
		return
	}
	at := last.client.Sock.Remote
	x.Server, x.Port = Party{Addr: at.Addr()}, at.Port()
}

// leftOut gives an exchange without parts its time.
func (x *Exchange) leftOut(e *entry) {
	for _, r := range []*Record{e.client, e.server} {
		if r != nil {
			x.Start = r.begin()
			return
		}
	}
}

// times are all that a record may have, in their order.
func (r *Record) times() [6]uint64 {
	return [...]uint64{r.Request, r.RequestEnd, r.RequestRead, r.Answer, r.AnswerEnd, r.AnswerRead}
}

// begin is the first time of a record.
func (r *Record) begin() uint64 {
	for _, at := range r.times() {
		if at != 0 {
			return at
		}
	}
	return 0
}

// cut splits the whole time.
func (j *Joiner) cut(x *Exchange, e, inner *entry) {
	s := split{parts: x.Parts}
	c, r := e.client, e.server
	if c != nil {
		s.at, s.end = c.begin(), max(c.AnswerEnd, c.AnswerRead)
	} else {
		s.at, s.end = r.begin(), r.AnswerEnd
	}
	if s.end < s.at {
		s.end, s.bent = s.at, true
	}
	x.Start, x.Total = s.at, s.end-s.at
	way := PartRequestNetwork
	if c == nil {
		way = PartRequest
	}
	switch {
	case r == nil:
		s.to(PartElsewhere, c.Answer)
		s.to(PartResponse, c.AnswerEnd)
	case inner != nil:
		s.to(way, r.RequestEnd)
		s.behind(inner)
		s.to(PartProxy, r.AnswerEnd)
	default:
		s.server(way, r)
	}
	if c != nil {
		if r != nil {
			s.to(PartResponseNetwork, c.AnswerEnd)
		}
		s.to(PartClientRecv, c.AnswerRead)
	}
	if rest := s.end - s.at; rest > 0 { // a bound that was not seen: the last part has it
		s.add(s.parts[len(s.parts)-1].Kind, rest)
	}
	x.Parts = s.parts
	if s.bent {
		j.counts.Bent++
	}
}

// behind adds what happened from docker-proxy on to the container and back. The
// last bytes count: docker-proxy passes on what it has, so that the first ones
// may leave before the last ones arrive.
func (s *split) behind(inner *entry) {
	c, r := inner.client, inner.server
	s.to(PartProxy, c.RequestEnd)
	if r == nil {
		s.to(PartElsewhere, c.Answer)
		s.to(PartResponse, c.AnswerEnd)
		return
	}
	s.server(PartProxyRequest, r)
	s.to(PartProxyResponse, c.AnswerEnd)
}

// sides tells what each socket tells of its application. docker-proxy is none.
func (x *Exchange) sides(e *entry, isProxy func(uint32) bool) {
	if r := e.client; r != nil && !isProxy(r.Sock.Tgid) {
		x.Sides = append(x.Sides, Side{
			Owner: r.Sock.party(), Peer: r.Sock.Remote.Addr(), Port: r.Sock.Remote.Port(),
			SockRecv: between(r.AnswerEnd, r.AnswerRead), App: -1,
		})
	}
	if r := e.server; r != nil && !isProxy(r.Sock.Tgid) {
		x.Sides = append(x.Sides, Side{
			Owner: r.Sock.party(), Peer: r.Sock.Remote.Addr(), Port: r.Sock.Local.Port(), Server: true,
			SockRecv: between(r.RequestEnd, r.RequestRead), App: between(r.RequestRead, r.Answer),
		})
	}
}

// between is -1 where one of the times is not known.
func between(from, to uint64) int64 {
	switch {
	case from == 0 || to == 0:
		return -1
	case to < from:
		return 0
	}
	return int64(to - from)
}
