package dns

import (
	"container/list"
	"slices"
)

// maxOpen bounds the queries that wait for an answer at once.
const maxOpen = 1 << 16

// Pairer makes lookups of messages. It belongs to one goroutine.
type Pairer struct {
	emit  func(Lookup)
	limit int
	open  map[question][]*list.Element
	order *list.List // of *waiting, the one sent longest ago first
	blind int        // open queries whose id is not known
	left  LeftOut
}

// LeftOut counts messages that became part of no lookup.
type LeftOut struct {
	Unmatched uint64 // answers to nothing that was asked: begun before the trace, or after the timeout
	Beyond    uint64 // queries that would have been too many at once
}

// question is what an answer repeats, at the socket that asked it.
type question struct {
	socket uint64
	port   uint16 // a socket's address is used again, hardly with the same port
	id     uint16
	unread bool
}

type waiting struct {
	question
	Lookup
	last       uint64 // when it was sent last
	superseded bool
}

// NewPairer makes a pairer that hands each lookup to emit when its outcome is
// known.
func NewPairer(emit func(Lookup)) *Pairer {
	return &Pairer{emit: emit, limit: maxOpen, open: make(map[question][]*list.Element), order: list.New()}
}

// LeftOut tells what became part of no lookup so far.
func (p *Pairer) LeftOut() LeftOut { return p.left }

// Take adds a message. Messages come in the order of their time, but for what
// several CPUs do at the same moment.
func (p *Pairer) Take(m *Message) {
	p.Expire(m.At)
	if m.Answer {
		p.answer(m)
	} else {
		p.query(m)
	}
}

func questionOf(m *Message) question {
	return question{socket: m.Socket, port: m.Port, id: m.ID, unread: m.Unread}
}

func (p *Pairer) query(m *Message) {
	q := questionOf(m)
	if !m.Unread { // two that were not read may be different ones
		if e := to(p.open[q], m); e != nil {
			w := e.Value.(*waiting)
			w.Sent++
			w.last = m.At
			p.order.MoveToBack(e)
			return
		}
	}
	if p.order.Len() >= p.limit {
		p.left.Beyond++
		return
	}
	if m.Unread {
		p.blind++
	}
	p.open[q] = append(p.open[q], p.order.PushBack(&waiting{
		question: q, last: m.At,
		Lookup: Lookup{At: m.At, Netns: m.Netns, Cgroup: m.Cgroup, Local: m.Local, Resolver: m.Remote, Sent: 1},
	}))
}

// to is the query that went to the message's name server, nil without one.
func to(open []*list.Element, m *Message) *list.Element {
	for _, e := range open {
		if e.Value.(*waiting).Resolver == m.Remote {
			return e
		}
	}
	return nil
}

func (p *Pairer) answer(m *Message) {
	e := p.asked(m)
	if e == nil {
		p.left.Unmatched++
		return
	}
	w := p.remove(e)
	w.Outcome, w.Rcode, w.LatencyNs = Answered, RcodeUnread, m.At-min(w.At, m.At)
	w.Resolver = m.Remote // a query may have been seen behind DNAT only
	if !m.Unread {
		w.Rcode = uint8(m.Flags & rcodeMask)
		w.Truncated = m.Flags&flagTruncated != 0
	}
	if w.Rcode == RcodeNoError || w.Rcode == RcodeNXDomain {
		for _, other := range p.open[w.question] {
			o := other.Value.(*waiting)
			o.superseded = o.superseded || o.Resolver != m.Remote
		}
	}
	p.emit(w.Lookup)
}

// asked finds the query of an answer: by socket, id and name server; where a
// rule has changed that, by socket and id; where an id was not read, the oldest
// query of the socket to that name server.
func (p *Pairer) asked(m *Message) *list.Element {
	open := p.open[questionOf(m)]
	if e := to(open, m); e != nil {
		return e
	}
	if len(open) == 1 && !m.Unread {
		return open[0]
	}
	if !m.Unread && p.blind == 0 {
		return nil
	}
	for e := p.order.Front(); e != nil; e = e.Next() {
		w := e.Value.(*waiting)
		if w.socket == m.Socket && w.port == m.Port && w.Resolver == m.Remote && (m.Unread || w.unread) {
			return e
		}
	}
	return nil
}

func (p *Pairer) remove(e *list.Element) *waiting {
	w := p.order.Remove(e).(*waiting)
	rest := slices.DeleteFunc(p.open[w.question], func(x *list.Element) bool { return x == e })
	if len(rest) == 0 {
		delete(p.open, w.question)
	} else {
		p.open[w.question] = rest
	}
	if w.unread {
		p.blind--
	}
	return w
}

// Expire ends the queries that have waited for too long at the given time.
func (p *Pairer) Expire(now uint64) {
	p.end(TimedOut, func(w *waiting) bool { return w.last+uint64(Timeout) <= now })
}

// End ends all queries that wait: nothing comes any more.
func (p *Pairer) End() { p.end(Pending, func(*waiting) bool { return true }) }

func (p *Pairer) end(outcome Outcome, over func(*waiting) bool) {
	for e := p.order.Front(); e != nil && over(e.Value.(*waiting)); e = p.order.Front() {
		w := p.remove(e)
		w.Outcome = outcome
		if w.superseded {
			w.Outcome = Superseded
		}
		p.emit(w.Lookup)
	}
}
