package replay

import (
	"errors"
	"io"
	"time"

	"github.com/hopscope/hopscope/pkg/capture"
	"github.com/hopscope/hopscope/pkg/history"
	"github.com/hopscope/hopscope/pkg/journey"
	"github.com/hopscope/hopscope/pkg/model"
)

const (
	pieceLength = time.Second
	// The first pieces are short, so that a screen need not wait for them.
	shortPieces = 4
	shortLength = pieceLength / shortPieces

	// longestGap is more than a history remembers: of a longer silence, as one
	// that a wrong time in the file tells of, only its end is cut into pieces.
	longestGap = 10 * time.Minute
)

// tape runs a capture into a history, by the capture's own clock. It belongs
// to one goroutine, but for the history.
type tape struct {
	file    *capture.Reader
	filter  capture.Filter
	zero    time.Time // of CLOCK_MONOTONIC
	history *history.History

	hops   []journey.Hop
	rec    capture.Record
	held   bool      // rec is later than what was asked for
	clock  time.Time // of what was read last; never runs back
	rolled time.Time // when the last piece ended
	pieces int
	end    time.Time // of the capture
	open   bool      // what is read may end later than that
	over   bool
	status capture.Status
}

// openTape begins at the moment from, what was before being passed over.
func openTape(facts *capture.Summary, o Options, from, end time.Time) (*tape, error) {
	since, err := capture.Choice{From: from}.Filter(facts)
	if err != nil {
		return nil, err
	}
	r, servers, err := facts.Open(from)
	if err != nil {
		return nil, err
	}
	t := &tape{
		file: r, filter: o.Filter, zero: r.Head().MonotonicZero, history: history.New(o.History, from),
		clock: from, rolled: from, end: end, open: o.To.IsZero(),
	}
	if from.After(facts.Meta.StartedAt) {
		t.filter = t.filter.And(since)
	}
	t.learn(servers)
	return t, nil
}

func (t *tape) close() error { return t.file.Close() }

// checkEvery is after how many records runTo looks at its deadline.
const checkEvery = 512

// runTo takes in what happened up to the given time of the capture, and tells
// whether it came so far before the deadline.
func (t *tape) runTo(target time.Time, late func() bool) (reached bool, err error) {
	for n := 1; !t.over; n++ {
		if n%checkEvery == 0 && late() {
			return false, nil
		}
		if err := t.next(); err != nil {
			return false, err
		}
		if t.over {
			break
		}
		at := t.time()
		if at.After(target) && target.Before(t.end) {
			t.held = true
			break
		}
		if at.After(t.clock) {
			t.clock = at
			t.rollTo(at)
		}
		t.take()
	}
	if t.over {
		t.finish()
	} else {
		t.rollTo(target)
	}
	return true, nil
}

// next reads a record, or finds that there is none.
func (t *tape) next() error {
	if t.held {
		t.held = false
		return nil
	}
	var err error
	t.rec, err = t.file.Next()
	if errors.Is(err, io.EOF) {
		t.over = true
		return nil
	}
	return err
}

// time is when the record was made: a journey's when it ended. What has no time
// of its own belongs to what was before it, and so do counts, which are dated
// by the newest journey or status.
func (t *tape) time() time.Time {
	switch {
	case t.rec.Journey != nil:
		return t.zero.Add(time.Duration(t.rec.Journey.Start) + t.rec.Journey.Total())
	case t.rec.Status != nil:
		return t.zero.Add(time.Duration(t.rec.Status.At))
	}
	return t.clock
}

// rollTo ends the pieces that end up to now; the last one ends with finish.
func (t *tape) rollTo(now time.Time) {
	if now.Sub(t.rolled) > longestGap {
		t.roll(now.Add(-longestGap))
	}
	for {
		length := pieceLength
		if t.pieces < shortPieces {
			length = shortLength
		}
		next := t.rolled.Add(length)
		if next.After(now) || !next.Before(t.end) {
			return
		}
		t.roll(next)
	}
}

func (t *tape) roll(at time.Time) {
	t.history.Roll(at)
	t.rolled = at
	t.pieces++
}

// finish ends the last piece with the capture. One that was cut short lasted
// at least until its last journey.
func (t *tape) finish() {
	if t.open && t.clock.After(t.end) {
		t.end = t.clock
	}
	t.rollTo(t.end)
	if t.rolled.Before(t.end) || t.pieces == 0 {
		t.roll(t.end)
	}
}

func (t *tape) take() {
	rec := &t.rec
	switch {
	case rec.Journey != nil:
		if want := t.filter.Journey; want == nil || want(rec.Journey) {
			t.hops = rec.Journey.Hops(t.hops)
			_ = t.history.Journey(rec.Journey, t.hops) // is always nil
		}
	case rec.Drops != nil:
		if want := t.filter.Drops; want == nil || want(rec.Drops) {
			t.history.With(func(a *model.Aggregator) { a.AddDrops(rec.Drops.DropCount) })
		}
	case rec.Retransmits != nil:
		if want := t.filter.Retransmits; want == nil || want(rec.Retransmits) {
			t.history.With(func(a *model.Aggregator) { a.AddRetransmits(rec.Retransmits.RetransmitCount) })
		}
	case rec.Counters != nil:
		t.history.With(func(a *model.Aggregator) { a.AddCounters(t.filter.Counts(rec.Counters)) })
	case rec.Sockets != nil:
		if want := t.filter.Sockets; want == nil || want(rec.Sockets) {
			t.history.With(func(a *model.Aggregator) { a.AddSocket(rec.Sockets.SocketEvent) })
		}
	case rec.DNS != nil:
		if want := t.filter.DNS; want == nil || want(rec.DNS) {
			t.history.With(func(a *model.Aggregator) { a.AddDNS(rec.DNS.Lookup) })
		}
	case rec.Servers != nil:
		t.learn(rec.Servers)
	case rec.Status != nil:
		t.status = *rec.Status
	case rec.End != nil:
		t.status, t.open = rec.End.Status, false
	}
}

func (t *tape) learn(servers []capture.Server) {
	t.history.With(func(a *model.Aggregator) {
		for _, s := range servers {
			a.LearnServer(s.Proto, s.Addr)
		}
	})
}
