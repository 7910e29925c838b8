package model

import (
	"cmp"
	"slices"

	"github.com/hopscope/hopscope/pkg/exchange"
)

// SocketEvent is what sockets told: exactly one field is set. What it points to
// may be reused after the call that it is an argument of.
type SocketEvent struct {
	Exchange *exchange.Exchange
	Connect  *ConnectCount
	Accept   *AcceptCount
	Resets   *ResetCount
}

// At is when it ended, CLOCK_MONOTONIC in ns, 0 for counts.
func (e SocketEvent) At() uint64 {
	switch {
	case e.Exchange != nil:
		return e.Exchange.Start + e.Exchange.Total
	case e.Connect != nil:
		return e.Connect.At
	case e.Accept != nil:
		return e.Accept.At
	}
	return 0
}

// clone is a copy that shares no memory.
func (e SocketEvent) clone() SocketEvent {
	switch {
	case e.Exchange != nil:
		x := e.Exchange.Clone()
		return SocketEvent{Exchange: &x}
	case e.Connect != nil:
		c := *e.Connect
		return SocketEvent{Connect: &c}
	case e.Accept != nil:
		c := *e.Accept
		return SocketEvent{Accept: &c}
	}
	r := *e.Resets
	return SocketEvent{Resets: &r}
}

// AddSocket counts an event.
func (a *Aggregator) AddSocket(e SocketEvent) {
	switch {
	case e.Exchange != nil:
		a.AddExchange(e.Exchange)
	case e.Connect != nil:
		a.AddConnect(*e.Connect)
	case e.Accept != nil:
		a.AddAccept(*e.Accept)
	case e.Resets != nil:
		a.AddResets(*e.Resets)
	}
}

// maxLater bounds what waits for its slice; what is beyond it counts at once.
const maxLater = 1 << 16

// AddSocket counts an event in the slice in which it ended, or the current one
// where it has no time. A capture hands events out in groups, before or after
// the journeys of the same time.
func (s *Slices) AddSocket(e SocketEvent) {
	if e.At() == 0 {
		s.now.AddSocket(e)
		return
	}
	if len(s.later) >= maxLater {
		s.catchUp(s.end)
	}
	if len(s.later) >= maxLater {
		s.now.AddSocket(e)
		return
	}
	s.later = append(s.later, e.clone())
}

// catchUp counts the events that ended before a time, which is not after the
// current slice's end unless nothing comes any more. They are taken slice by
// slice, since adding to one that is past takes time.
func (s *Slices) catchUp(until uint64) {
	slices.SortStableFunc(s.later, func(a, b SocketEvent) int { return cmp.Compare(a.At(), b.At()) })
	n := 0
	for ; n < len(s.later) && s.later[n].At() < until; n++ {
		s.at(s.later[n].At()).AddSocket(s.later[n])
	}
	s.later = slices.Delete(s.later, 0, n)
}
