package exchange

import (
	"cmp"
	"slices"
	"sort"
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
	by     map[ownerKey][]*out
	order  []*out // as they came
	head   int
	forgot uint64 // latest end of one that was forgotten
}

func newOutgoing(limit int) outgoing { return outgoing{limit: limit, by: map[ownerKey][]*out{}} }

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
	at := len(list)
	for at > 0 && list[at-1].from > o.from { // they come nearly in that order
		at--
	}
	k.by[o.owner] = slices.Insert(list, at, o)
	k.order = append(k.order, o)
	if len(k.order)-k.head > k.limit {
		k.forget()
	}
	return o
}

// forget drops the oldest.
func (k *outgoing) forget() {
	o := k.order[k.head]
	k.order[k.head] = nil
	k.head++
	if k.head > k.limit {
		k.order = append(make([]*out, 0, 2*k.limit), k.order[k.head:]...)
		k.head = 0
	}
	k.forgot = max(k.forgot, o.to)
	list := k.by[o.owner]
	if i := slices.Index(list, o); i >= 0 {
		list = slices.Delete(list, i, i+1)
	}
	if len(list) == 0 {
		delete(k.by, o.owner)
		return
	}
	k.by[o.owner] = list
}

// within lists an owner's outgoing exchanges that began from on and ended until
// to.
func (k *outgoing) within(owner ownerKey, from, to uint64) []*out {
	list := k.by[owner]
	first := sort.Search(len(list), func(i int) bool { return list[i].from >= from })
	var found []*out
	for _, o := range list[first:] {
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
type serving map[ownerKey][]*request

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
	at := len(list)
	for at > 0 && list[at-1].RequestRead > r.RequestRead {
		at--
	}
	s[r.owner()] = slices.Insert(list, at, &request{Record: r})
}

// take removes a request, nil where it was not added.
func (s serving) take(r *Record) *request {
	owner := r.owner()
	list := s[owner]
	i := slices.IndexFunc(list, func(x *request) bool { return x.Record == r })
	if i < 0 {
		return nil
	}
	taken := list[i]
	if list = slices.Delete(list, i, i+1); len(list) == 0 {
		delete(s, owner)
	} else {
		s[owner] = list
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
	next := sort.Search(len(list), func(i int) bool { return list[i].RequestRead > o.from })
	return list[max(0, next-lookBack):next]
}

// claim decides to which request an outgoing exchange belongs: of those under
// way during all of it, the one that was read last before, but rather one that
// waits for nothing else at that time.
func (s serving) claim(o *out) {
	var best *request
	for _, r := range slices.Backward(s.around(o)) {
		if r.Answer < o.to {
			continue
		}
		if !r.waitsDuring(o) {
			best = r
			break
		}
		if best == nil {
			best = r
		}
	}
	if best != nil {
		best.own = append(best.own, o)
	}
	o.claimed = true
}

func (r *request) waitsDuring(o *out) bool {
	return slices.ContainsFunc(r.own, func(x *out) bool { return x.from < o.to && o.from < x.to })
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
