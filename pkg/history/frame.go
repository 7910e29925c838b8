package history

import (
	"time"

	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/model"
)

// Query says what a frame shall show.
type Query struct {
	Window time.Duration // 0: everything since the begin
	Until  time.Time     // the window's end; zero: now
	Heat   *HeatQuery    // nil: no heat map
}

// HeatQuery asks for the heat map of a path, or of one of its hops.
type HeatQuery struct {
	Path       model.PathID
	Hop, Where string // both empty: the path as a whole
}

// Frame is one moment, immutable.
type Frame struct {
	// Snapshot is that of the window, with the hops of its paths left out, see
	// [model.Path.AllHops]. Accounting and cost are of now.
	Snapshot model.Snapshot
	At       time.Time     // the window's end
	Covered  time.Duration // what the window really holds, at pieces' edges
	Oldest   time.Time     // how far back Until may go
	Newest   time.Time     // the end of the last piece
	Trends   map[string][]int64
	Heat     []HeatColumn // oldest first, nil unless asked for

	// Selected are the ids of the containers that are traced, nil for all. The
	// feed sets it: a history takes what it is given.
	Selected map[string]bool
}

// Unmeasured stands in a trend where no packet was seen.
const Unmeasured = -1

// HeatColumn counts packets by latency over one piece of time. Counts is by
// row, see [model.HeatRow].
type HeatColumn struct {
	From, To time.Time
	Counts   map[int]uint64
}

// Frame makes a frame. It takes the names and, but for times, the meta data of
// now.
func (h *History) Frame(q Query, names model.Names, meta model.Meta) Frame {
	h.frames.Lock()
	defer h.frames.Unlock()
	pieces, newest := h.past()
	until := q.Until
	if until.IsZero() || until.After(newest) {
		until = newest
	}
	f := Frame{At: until, Newest: newest, Oldest: newest}
	if len(pieces) > 0 {
		f.Oldest = pieces[0].to
	}
	pieces = upTo(pieces, until)
	if q.Window <= 0 {
		f.Snapshot, f.Covered = h.total(names, meta)
		f.At = newest
	} else {
		f.Snapshot, f.Covered = h.window(lastOf(pieces, until.Add(-q.Window)), names, meta)
		if n := len(pieces); n > 0 {
			f.At = pieces[n-1].to
		}
	}
	naming := model.NewNaming(namesOf(names, pieces))
	f.Trends = trends(pieces, names, naming, newest)
	if q.Heat != nil {
		f.Heat = heat(pieces, naming, q.Heat)
	}
	return f
}

// past gives all pieces, oldest first.
func (h *History) past() (pieces []*piece, newest time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	pieces = make([]*piece, 0, len(h.coarse)+len(h.fine))
	pieces = append(pieces, h.coarse...)
	return append(pieces, h.fine...), h.to
}

// upTo leaves out what ended after the given time, but for the first piece:
// there is always something to show.
func upTo(pieces []*piece, until time.Time) []*piece {
	n := len(pieces)
	for n > 1 && pieces[n-1].to.After(until) {
		n--
	}
	return pieces[:n]
}

// lastOf are the pieces of which most lies after from, at least the last one.
func lastOf(pieces []*piece, from time.Time) []*piece {
	i := len(pieces)
	for i > 0 {
		p := pieces[i-1]
		middle := p.from.Add(p.to.Sub(p.from) / 2)
		if i < len(pieces) && middle.Before(from) {
			break
		}
		i--
	}
	return pieces[i:]
}

func (h *History) window(pieces []*piece, names model.Names, meta model.Meta) (model.Snapshot, time.Duration) {
	parts := make([]*model.Sealed, 0, len(pieces))
	var covered time.Duration
	for _, p := range pieces {
		parts = append(parts, p.sealed)
		covered += p.to.Sub(p.from)
	}
	meta.Duration = covered
	if len(pieces) > 0 {
		meta.StartedAt = pieces[0].from
	}
	return model.Sum(parts, h.limits, namesOf(names, pieces), meta, true), covered
}

// namesOf are the names that held in the time of some pieces.
func namesOf(names model.Names, pieces []*piece) model.Names {
	if v, ok := names.(*inventory.View); ok && len(pieces) > 0 {
		return v.During(pieces[0].from, pieces[len(pieces)-1].to)
	}
	return names
}

func (h *History) total(names model.Names, meta model.Meta) (model.Snapshot, time.Duration) {
	sealed, from, to := h.sealAll()
	meta.StartedAt, meta.Duration = from, to.Sub(from)
	return model.Sum([]*model.Sealed{sealed}, h.limits, names, meta, true), meta.Duration
}

// sealAll gives the sum of everything, so that it can be named and shown without
// making the next piece wait.
func (h *History) sealAll() (all *model.Sealed, from, to time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.addUp(h.fine)
	return h.all.Seal(), h.from, h.to
}

// The ends that stand for many.
const (
	External     = "(external)"
	Unattributed = "(unattributed)"
)

// EndKey is the row to which an end belongs: a container has its own, all that
// is outside shares one.
func EndKey(e inventory.Endpoint) string {
	switch {
	case e.ContainerID != "":
		return e.ContainerID
	case e.Name == "(other)" || e.Name == "(unknown)":
		return Unattributed
	case e.Kind == inventory.KindExternal:
		return External
	}
	return e.Name
}

// settled is how old a piece has to be until its names are taken as final.
const settled = 5 * time.Second

// trends are the worst p99 of each end, second by second, the last at the
// window's end.
func trends(pieces []*piece, names model.Names, naming *model.Naming, newest time.Time) map[string][]int64 {
	if len(pieces) > fineKept {
		pieces = pieces[len(pieces)-fineKept:]
	}
	out := map[string][]int64{}
	for i, p := range pieces {
		for end, ns := range p.worstP99(names, naming, newest) {
			row := out[end]
			if row == nil {
				row = make([]int64, len(pieces))
				for k := range row {
					row[k] = Unmeasured
				}
				out[end] = row
			}
			row[i] = ns
		}
	}
	return out
}

// worstP99 asks again as long as names are young and not the same as before.
func (p *piece) worstP99(names model.Names, naming *model.Naming, newest time.Time) map[string]int64 {
	if p.worst == nil || (!p.settled && p.named != names) {
		p.worst, p.named = naming.WorstP99(p.sealed, EndKey), names
	}
	if newest.Sub(p.to) > settled {
		p.settled, p.named = true, nil
	}
	return p.worst
}

func heat(pieces []*piece, names *model.Naming, q *HeatQuery) []HeatColumn {
	out := make([]HeatColumn, 0, len(pieces))
	for _, p := range pieces {
		out = append(out, HeatColumn{From: p.from, To: p.to, Counts: names.Heat(p.sealed, q.Path, q.Hop, q.Where)})
	}
	return out
}
