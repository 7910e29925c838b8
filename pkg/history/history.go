// Package history keeps the last minutes of aggregation in pieces, so that a
// screen can show the last second, ten seconds or minute, step back in time,
// and draw how latency went. Its memory is bounded: by time, and by a budget.
package history

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/hopscope/hopscope/pkg/journey"
	"github.com/hopscope/hopscope/pkg/model"
)

const (
	fineKept     = 60 // pieces of a second
	coarseKept   = 30 // pieces of ten seconds
	finePerPiece = 10 // fine pieces that become one coarse one

	defaultBytes = 128 << 20

	// A piece takes 1 kB a path of which it saw few packets: a second of a large
	// host is let in whole, and the budget says how many seconds are kept.
	piecePaths = 32 << 10
)

// Options of a history. Zero fields mean their defaults.
type Options struct {
	Limits model.Limits // of the sum of everything
	// Bytes is the budget for what is kept of the past, default 128 MiB. Where
	// it is too small for six minutes fewer of the seconds are kept apart, and
	// then the oldest go first. The piece at hand and the sum of everything are
	// bounded by their limits.
	Bytes int
}

// History takes journeys from one side and gives frames to the other; both
// sides, and Roll, may be in goroutines of their own. Taking a journey never
// waits for a frame.
type History struct {
	limits model.Limits // of pieces, and windows of them
	budget int

	in    sync.Mutex // short: held to add one journey or to change the piece
	cur   *model.Aggregator
	began time.Time

	mu      sync.Mutex        // the past
	all     *model.Aggregator // the sum of the pieces that say so
	from    time.Time         // when the first piece began
	to      time.Time         // when the last piece ended
	fine    []*piece          // oldest first
	coarse  []*piece          // oldest first, before fine
	bytes   int
	dropped uint64

	frames sync.Mutex // one frame at a time; guards what pieces remember
}

// piece is the traffic of one stretch of time.
type piece struct {
	from, to time.Time
	sealed   *model.Sealed
	bytes    int
	summed   bool // it is in the sum of everything; guarded by mu

	worst   map[string]int64 // remembered by trends
	named   model.Names      // under which
	settled bool             // for good
}

// New begins a history at the given time.
func New(o Options, now time.Time) *History {
	if o.Bytes <= 0 {
		o.Bytes = defaultBytes
	}
	limits := o.Limits
	limits.Paths, limits.Busy = max(limits.Paths, piecePaths), max(limits.Busy, piecePaths)
	return &History{
		limits: limits, budget: o.Bytes,
		cur: model.New(limits), began: now,
		all: model.New(o.Limits), from: now, to: now,
	}
}

// Journey counts a journey with its hops into the piece at hand. Both may be
// reused by the caller. The error is always nil.
func (h *History) Journey(j *journey.Journey, hops []journey.Hop) error {
	h.in.Lock()
	defer h.in.Unlock()
	h.cur.Add(j, hops)
	return nil
}

// With runs f with the piece at hand, to count what is no journey (drops,
// retransmissions) or to tell of servers. f must be short and must not keep the
// aggregator.
func (h *History) With(f func(*model.Aggregator)) {
	h.in.Lock()
	defer h.in.Unlock()
	f(h.cur)
}

// Run ends a piece every second until ctx ends. The first ones are shorter, so
// that a screen need not wait for them.
func (h *History) Run(ctx context.Context) {
	for i := 0; ; i++ {
		wait := time.Second
		if i < 4 {
			wait = 250 * time.Millisecond
		}
		select {
		case <-ctx.Done():
			h.Roll(time.Now())
			return
		case <-time.After(wait):
			h.Roll(time.Now())
		}
	}
}

// Roll ends the piece at hand and begins the next. It is for those who keep
// the time themselves, as a replay does; others use Run.
func (h *History) Roll(now time.Time) {
	h.in.Lock()
	old, from := h.cur, h.began
	h.cur, h.began = old.Next(), now
	h.in.Unlock()

	sealed := old.Seal()
	sealed.Date(now)
	p := &piece{from: from, to: now, sealed: sealed, bytes: sealed.Size()}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.to = now
	h.fine = append(h.fine, p)
	h.bytes += p.bytes
	if len(h.fine) >= fineKept+finePerPiece {
		h.coarsen()
	}
	h.keepBudget()
}

// coarsen makes one coarse piece of the oldest fine ones.
func (h *History) coarsen() {
	old := h.fine[:finePerPiece]
	sum := model.New(h.limits)
	for _, p := range old {
		sum.Merge(p.sealed)
		h.bytes -= p.bytes
	}
	sealed := sum.Seal()
	p := &piece{from: old[0].from, to: old[len(old)-1].to, sealed: sealed, bytes: sealed.Size()}
	h.bytes += p.bytes
	if slices.ContainsFunc(old, func(p *piece) bool { return p.summed }) {
		h.addUp(old)
	} else { // ten at once
		h.addUp([]*piece{p})
	}
	p.summed = true
	// New slices: a frame may hold the old ones.
	h.fine = append([]*piece(nil), h.fine[finePerPiece:]...)
	h.coarse = append(append([]*piece(nil), h.coarse...), p)
	if len(h.coarse) > coarseKept {
		h.bytes -= h.coarse[0].bytes
		h.coarse = h.coarse[1:]
	}
}

// addUp adds those pieces to the sum of everything that are not in it yet. That
// is left until they become a coarse piece or somebody asks for the sum: most of
// the time nobody does.
func (h *History) addUp(pieces []*piece) {
	for _, p := range pieces {
		if !p.summed {
			h.all.Merge(p.sealed)
			p.summed = true
		}
	}
}

// keepBudget makes one piece of the oldest fine ones before their time, and
// then forgets the oldest, though never the last one.
func (h *History) keepBudget() {
	for h.bytes > h.budget && len(h.coarse)+len(h.fine) > 1 {
		if len(h.fine) > finePerPiece {
			h.coarsen()
			continue
		}
		oldest := &h.coarse
		if len(h.coarse) == 0 {
			oldest = &h.fine
		}
		h.addUp((*oldest)[:1])
		h.bytes -= (*oldest)[0].bytes
		*oldest = (*oldest)[1:]
		h.dropped++
	}
}

// Usage is what the past takes at the moment.
type Usage struct {
	Bytes   int    // of sealed pieces
	Pieces  int    // fine and coarse
	Dropped uint64 // pieces forgotten before their time, for the budget
}

// Usage tells what the past takes.
func (h *History) Usage() Usage {
	h.mu.Lock()
	defer h.mu.Unlock()
	return Usage{Bytes: h.bytes, Pieces: len(h.fine) + len(h.coarse), Dropped: h.dropped}
}
