package exchange

import "time"

// Limits bound a joiner's memory. A zero field means its default.
type Limits struct {
	Pending  int           // records that wait for their other end, default 32,768
	Outgoing int           // outgoing exchanges kept to tell what a server waited for, default 32,768
	Window   time.Duration // how long a record waits, default 6 s
}

const (
	defaultPending  = 32768
	defaultOutgoing = 32768
	// defaultWindow is longer than records of one exchange, and of those that it
	// waited for, lie apart: the kernel side hands one over when the connection's
	// next request begins or it closes, and collects those that stay idle after
	// three to four seconds.
	defaultWindow = 6 * time.Second
)

func (l Limits) withDefaults() Limits {
	if l.Pending <= 0 {
		l.Pending = defaultPending
	}
	if l.Outgoing <= 0 {
		l.Outgoing = defaultOutgoing
	}
	if l.Window <= 0 {
		l.Window = defaultWindow
	}
	return l
}

// Counts is what became of records. They count records or exchanges as they
// came, whatever their weight.
type Counts struct {
	Records    uint64 // taken in
	Duplicates uint64 // of an end that was there already
	Both       uint64 // exchanges with both ends
	OneSided   uint64 // exchanges of which one end was seen: the other one is not on this host, or its record did not come
	Early      uint64 // of OneSided and Both, handed out before their time: Limits.Pending
	Bent       uint64 // exchanges with a part that would have been negative
	Unseen     uint64 // exchanges not handed out: the server alone is here, and when the request came is not known
	Proxied    uint64 // pairs of exchanges before and behind docker-proxy
	Guessed    uint64 // of those, chosen by time among several that fit
	Unpaired   uint64 // exchanges of docker-proxy of which the other one was not found
	Unsplit    uint64 // server exchanges of which waiting was not told apart: sampled, or outgoing ones forgotten
}

// Joiner joins the records of both ends of each exchange, and what belongs
// together beyond that. It belongs to one goroutine.
type Joiner struct {
	limits  Limits
	isProxy func(tgid uint32) bool

	pending map[joinKey]*entry
	queue   fifo[*entry] // in the order of their deadlines
	late    fifo[*entry] // of docker-proxy's own, which wait twice as long
	outs    outgoing
	serving serving
	fronts  serving // docker-proxy's own
	proxies proxyPairs
	counts  Counts
	out     Exchange // memory of what is handed out
}

// joinKey is the same at both ends of an exchange.
type joinKey struct{ request, answer uint32 }

// entry is one exchange as far as it is known.
type entry struct {
	client, server *Record
	due            uint64
	out            *out // of client, nil without one
	done           bool // handed out, or part of one that was
}

// NewJoiner makes an empty joiner. isProxy tells docker-proxy's processes; nil:
// there are none.
func NewJoiner(l Limits, isProxy func(tgid uint32) bool) *Joiner {
	if isProxy == nil {
		isProxy = func(uint32) bool { return false }
	}
	l = l.withDefaults()
	return &Joiner{
		limits: l, isProxy: isProxy, pending: map[joinKey]*entry{},
		outs: newOutgoing(l.Outgoing), serving: serving{}, fronts: serving{}, proxies: proxyPairs{},
	}
}

// Counts tells what became of records so far.
func (j *Joiner) Counts() Counts { return j.counts }

// Waiting is how many exchanges wait for their other end.
func (j *Joiner) Waiting() int { return len(j.pending) }

// Add takes a record at the time now (CLOCK_MONOTONIC, ns) and hands out what
// is due. What emit gets is valid during the call only.
func (j *Joiner) Add(r *Record, now uint64, emit func(*Exchange)) {
	j.counts.Records++
	k := joinKey{r.RequestSeq, r.AnswerSeq}
	e := j.pending[k]
	switch {
	case e == nil:
		e = &entry{due: now + uint64(j.limits.Window)}
		j.pending[k] = e
		j.queue.push(e)
	case e.end(r.Role) != nil:
		j.counts.Duplicates++
		return
	}
	j.take(e, r)
	j.Advance(now, emit)
	for before := len(j.pending); before > j.limits.Pending; before = len(j.pending) {
		j.first(emit)
		if len(j.pending) < before {
			j.counts.Early++
		}
	}
}

// end is the record of the role.
func (e *entry) end(role Role) *Record {
	if role == RoleServer {
		return e.server
	}
	return e.client
}

func (j *Joiner) take(e *entry, r *Record) {
	if r.Role == RoleServer {
		e.server = r
		if e.out != nil {
			e.out.learn(r)
		}
		switch {
		case r.reason() != ReasonNone:
		case j.isProxy(r.Sock.Tgid):
			j.fronts.add(r)
		default:
			j.serving.add(r)
		}
		return
	}
	e.client = r
	if r.reason() == ReasonNone {
		e.out = j.outs.add(e, j.isProxy(r.Sock.Tgid))
		if e.server != nil {
			e.out.learn(e.server)
		}
	}
}

// Advance hands out what has waited long enough by the time now.
func (j *Joiner) Advance(now uint64, emit func(*Exchange)) {
	for e := j.queue.front(); e != nil && e.due <= now; e = j.queue.front() {
		j.queue.pop()
		j.release(e, true, emit)
	}
	for e := j.late.front(); e != nil && e.due <= now; e = j.late.front() {
		j.late.pop()
		j.release(e, false, emit)
	}
}

// Flush hands out everything, at the end of a trace.
func (j *Joiner) Flush(emit func(*Exchange)) {
	j.Advance(1<<64-1, emit)
}

// first hands out what has waited longest.
func (j *Joiner) first(emit func(*Exchange)) {
	q := &j.queue
	if e := j.late.front(); e != nil && (q.front() == nil || e.due <= q.front().due) {
		q = &j.late
	}
	e := q.front()
	q.pop()
	j.release(e, false, emit)
}

// release hands out an exchange. What docker-proxy itself asked is part of the
// exchange that it was asked for: where mayWait, it waits for that one.
func (j *Joiner) release(e *entry, mayWait bool, emit func(*Exchange)) {
	if e.done {
		return
	}
	if mayWait && e.out != nil && e.out.proxy != nil {
		e.due += uint64(j.limits.Window)
		j.late.push(e)
		return
	}
	j.finish(e)
	if e.unseen() {
		j.counts.Unseen++
		return
	}
	x := &j.out
	*x = Exchange{Parts: x.Parts[:0], Sides: x.Sides[:0]}
	inner := j.behind(e)
	if inner != nil {
		j.finish(inner)
		j.counts.Proxied++
	} else if e.isProxied(j.isProxy) {
		j.counts.Unpaired++
	}
	j.assemble(x, e, inner)
	for _, of := range []*entry{e, inner} {
		if of != nil && of.server != nil {
			j.serving.take(of.server) // what is docker-proxy may have become known meanwhile
			j.fronts.take(of.server)
		}
	}
	emit(x)
}

// finish takes an entry out of what is pending.
func (j *Joiner) finish(e *entry) {
	e.done = true
	r := e.client
	if r == nil {
		r = e.server
	}
	delete(j.pending, joinKey{r.RequestSeq, r.AnswerSeq})
	if e.out != nil {
		e.out.e = nil
	}
}

// isProxied reports whether one end of an exchange that is none of the left-out
// ones is docker-proxy's.
func (e *entry) isProxied(isProxy func(uint32) bool) bool {
	of := func(r *Record) bool { return r != nil && r.reason() == ReasonNone && isProxy(r.Sock.Tgid) }
	return of(e.client) || of(e.server)
}
