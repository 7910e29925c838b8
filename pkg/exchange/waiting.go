package exchange

import (
	"cmp"
	"slices"
)

// ownerKey is whose sockets they are: containers that share a namespace differ
// by cgroup, and those of a host without cgroup v2 by namespace.
type ownerKey struct {
	cgroup uint64
	netns  uint32
}

func (r *Record) owner() ownerKey { return ownerKey{r.Sock.Cgroup, r.Sock.Netns} }

// out is an outgoing exchange: what somebody may have waited for.
type out struct {
	from, to uint64
	tgid     uint32
	target   Party
	port     uint16
	claimed  bool    // it is known to which request it belongs, or that there is none
	guessed  bool    // it might as well be another
	e        *entry  // nil once it was handed out
	proxy    *Record // docker-proxy's own, nil of others
	owner    ownerKey
}

// learn names the target by the server's own record.
func (o *out) learn(r *Record) { o.target, o.port = r.Sock.party(), r.Sock.Local.Port() }

// outgoing keeps the latest outgoing exchanges of each owner, sorted by when
// they began.
type outgoing struct {
	limit  int
	by     map[ownerKey]*timeline[*out]
	order  fifo[*out] // as they came
	forgot uint64     // latest end of one that was forgotten
}

func newOutgoing(limit int) outgoing {
	return outgoing{limit: limit, by: map[ownerKey]*timeline[*out]{}}
}

func (k *outgoing) add(e *entry, proxy bool) *out {
	r := e.client
	o := &out{
		from: r.Request, to: max(r.AnswerEnd, r.AnswerRead), tgid: r.Sock.Tgid,
		target: Party{Addr: r.Sock.Remote.Addr()}, port: r.Sock.Remote.Port(), e: e, owner: r.owner(),
	}
	if proxy {
		o.proxy = r
	}
	list := k.by[o.owner]
	if list == nil {
		list = &timeline[*out]{time: func(o *out) uint64 { return o.from }}
		k.by[o.owner] = list
	}
	list.add(o)
	k.order.push(o)
	if k.order.len() > k.limit {
		k.forget()
	}
	return o
}

// forget drops the oldest.
func (k *outgoing) forget() {
	o := k.order.front()
	k.order.pop()
	k.forgot = max(k.forgot, o.to)
	list := k.by[o.owner]
	list.remove(o.from, func(x *out) bool { return x == o })
	if len(list.all()) == 0 {
		delete(k.by, o.owner)
	}
}

// within lists an owner's outgoing exchanges that began from on and ended until
// to.
func (k *outgoing) within(owner ownerKey, from, to uint64) []*out {
	var found []*out
	for _, o := range k.by[owner].since(from) {
		if o.from > to {
			break
		}
		if o.to <= to {
			found = append(found, o)
		}
	}
	return found
}

// serving keeps the server exchanges of each owner that are not handed out,
// sorted by when their request was read.
type serving map[ownerKey]*timeline[*request]

// request is a server exchange, and the outgoing ones that are taken to belong
// to it.
type request struct {
	*Record
	own []*out
}

func (s serving) add(r *Record) {
	if r.RequestRead == 0 {
		return
	}
	list := s[r.owner()]
	if list == nil {
		list = &timeline[*request]{time: func(r *request) uint64 { return r.RequestRead }}
		s[r.owner()] = list
	}
	list.add(&request{Record: r})
}

// take removes a request, nil where it was not added.
func (s serving) take(r *Record) *request {
	list := s[r.owner()]
	taken, _ := list.remove(r.RequestRead, func(x *request) bool { return x.Record == r })
	if len(list.all()) == 0 {
		delete(s, r.owner())
	}
	return taken
}

// lookBack bounds how many concurrent requests are looked at to tell which of
// them an outgoing exchange belongs to.
const lookBack = 64

// around are requests that were read before an outgoing exchange began, the
// latest last.
func (s serving) around(o *out) []*request {
	list := s[o.owner]
	before := list.all()
	before = before[:len(before)-len(list.since(o.from+1))]
	return before[max(0, len(before)-lookBack):]
}

// claim decides to which request an outgoing exchange belongs: of those under
// way during all of it, the shortest one, but rather one that waits for nothing
// else at that time.
func (s serving) claim(o *out) {
	o.claimed = true
	fit := s.fitting(o)
	if len(fit) > 0 && !s.place(o, fit, map[*request]bool{}) {
		fit[0].own = append(fit[0].own, o)
	}
}

// maxMoves bounds how many requests are asked to make room.
const maxMoves = 16

// place gives an outgoing exchange to a request that waits for nothing else
// during it. Where each that fits does, one makes room, if what it waits for can
// be placed elsewhere: as many requests as can be wait for something of their
// own (an augmenting path, as in Kuhn's algorithm for bipartite matching).
func (s serving) place(o *out, fit []*request, moved map[*request]bool) bool {
	for _, r := range fit {
		if !r.waitsDuring(o) {
			r.own = append(r.own, o)
			return true
		}
	}
	for _, r := range fit {
		if moved[r] || len(moved) == maxMoves {
			continue
		}
		moved[r] = true
		i := r.onlyDuring(o)
		if i < 0 {
			continue
		}
		other := r.own[i]
		r.own[i] = o
		if s.place(other, s.fitting(other), moved) {
			return true
		}
		r.own[i] = other
	}
	return false
}

// fitting lists the requests under way during all of an outgoing exchange, the
// shortest first: the less time is left over, the likelier it is the one.
func (s serving) fitting(o *out) (fit []*request) {
	for _, r := range s.around(o) {
		if r.Answer >= o.to {
			fit = append(fit, r)
		}
	}
	slices.SortStableFunc(fit, func(a, b *request) int {
		return cmp.Compare(a.Answer-a.RequestRead, b.Answer-b.RequestRead)
	})
	return fit
}

func (o *out) overlaps(x *out) bool { return o.from < x.to && x.from < o.to }

func (r *request) waitsDuring(o *out) bool { return slices.ContainsFunc(r.own, o.overlaps) }

// onlyDuring is the index of the one outgoing exchange that the request waits
// for during this one, -1 where it is several.
func (r *request) onlyDuring(o *out) int {
	i := slices.IndexFunc(r.own, o.overlaps)
	if i >= 0 && slices.ContainsFunc(r.own[i+1:], o.overlaps) {
		return -1
	}
	return i
}

// splitApp divides the application's time into its own and that in which it
// waited for others. It is an estimate: what overlaps need not be waited for.
func (j *Joiner) splitApp(x *Exchange, r *Record) {
	at := slices.IndexFunc(x.Parts, func(p Part) bool { return p.Kind == PartApp })
	if at < 0 || r.RequestRead == 0 {
		return
	}
	if x.Weight > 1 || j.outs.forgot > r.RequestRead {
		j.counts.Unsplit++
		return
	}
	for _, o := range j.outs.within(r.owner(), r.RequestRead, r.Answer) {
		if !o.claimed && o.proxy == nil {
			j.serving.claim(o)
		}
	}
	req := j.serving.take(r)
	if req == nil {
		return
	}
	app := x.Parts[at].Ns
	for _, w := range waits(req.own) {
		w.Ns = min(w.Ns, app)
		app -= w.Ns
		if w.Ns > 0 {
			x.Parts = append(x.Parts, w)
		}
	}
	x.Parts[at].Ns = app
}

// waits is the time during which any of the exchanges was under way, by target.
// Where several are, it belongs to the one that ends last: it is the one that
// had to be waited for.
func waits(own []*out) []Part {
	slices.SortFunc(own, func(a, b *out) int { return cmp.Or(cmp.Compare(b.to, a.to), cmp.Compare(a.from, b.from)) })
	var parts []Part
	edge := uint64(1<<64 - 1) // all from here to the end of the present one belongs to others
	for _, o := range own {
		to := min(o.to, edge)
		edge = min(edge, o.from)
		if to <= o.from {
			continue
		}
		parts = addWait(parts, Part{Kind: PartWaiting, Ns: to - o.from, Target: o.target, Port: o.port})
	}
	return parts
}

func addWait(parts []Part, p Part) []Part {
	for i := range parts {
		if parts[i].Target == p.Target && parts[i].Port == p.Port {
			parts[i].Ns += p.Ns
			return parts
		}
	}
	return append(parts, p)
}
