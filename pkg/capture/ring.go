package capture

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Ring is a capture in memory that forgets what is older than the time that it
// keeps, until it is saved. It is written to as any [Writer]. It knows the time
// from what is written: a status every second keeps a quiet one up to date.
type Ring struct {
	*Writer
	head Head
	kept *ringSink
}

// NewRing begins a ring of about keep, in whole blocks of at most a second, and
// of at most maxBytes of memory for them.
func NewRing(o Options, keep time.Duration, maxBytes int) (*Ring, error) {
	kept := &ringSink{keep: uint64(max(keep, 0)), limit: maxBytes}
	w, err := newWriter(kept, o)
	if err != nil {
		return nil, err
	}
	return &Ring{Writer: w, head: o.Head, kept: kept}, nil
}

// Save writes a capture file of what is kept; the ring goes on. Its start and
// duration are those of the time kept. Its accounting is that of e less the
// last status that was forgotten.
func (r *Ring) Save(path string, e End, overwrite bool) error {
	if err := r.Flush(); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	head := r.head
	head.KeepNs = int64(r.kept.keep)
	if r.kept.forgot {
		base, err := r.base()
		if err != nil {
			return err
		}
		e.Status = e.Status.Since(base)
		if start, ok := r.kept.start(); ok {
			started := head.MonotonicZero.Add(time.Duration(start))
			e.Status.DurationNs -= int64(started.Sub(head.StartedAt))
			head.StartedAt = started
		}
	}
	w, err := Create(path, Options{Head: head, Overwrite: overwrite})
	if err != nil {
		return err
	}
	err = w.copyBlocks(r.kept.all())
	if err == nil && !head.Redacted {
		err = w.storeFound(path, e)
	}
	return errors.Join(err, w.Close(e))
}

func (w *Writer) storeFound(path string, e End) error {
	if found := Found(path, e); found != nil {
		return w.Findings(found)
	}
	return nil
}

// copyBlocks stores blocks as they are.
func (w *Writer) copyBlocks(list []block) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, b := range list {
		if w.err = w.out.put(b, 0, 0); w.err != nil {
			return w.err
		}
		if b.kind == kindJourneys {
			w.journeys += uint64(b.records)
		}
	}
	return nil
}

// base is the last status that was forgotten.
func (r *Ring) base() (s Status, err error) {
	if r.kept.base.kind == 0 {
		return s, nil
	}
	unzip, err := newUnzip()
	if err != nil {
		return s, err
	}
	defer unzip.Close()
	text, err := r.kept.base.unpack(unzip, nil)
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err != nil {
		return s, fmt.Errorf("save the capture: %w", err)
	}
	return s, nil
}

// Since is s with what was counted after base alone. What was in flight then
// counts as tracked, for it ends within that time. The duration stays.
func (s Status) Since(base Status) Status {
	a, b := &s.Accounting, base.Accounting
	a.Tracked -= min(a.Tracked, b.Tracked-min(b.Tracked, b.InFlight))
	for _, f := range [...]struct{ from, less *uint64 }{
		{&a.Completed, &b.Completed}, {&a.Emitted, &b.Emitted}, {&a.Suppressed, &b.Suppressed}, {&a.Filtered, &b.Filtered},
	} {
		*f.from -= min(*f.from, *f.less)
	}
	a.Endings, a.Lost, a.Notes = less(a.Endings, b.Endings), less(a.Lost, b.Lost), less(a.Notes, b.Notes)
	return s
}

func less(counts, base map[string]uint64) map[string]uint64 {
	out := make(map[string]uint64, len(counts))
	for k, n := range counts {
		out[k] = n - min(n, base[k])
	}
	return out
}

// serversPart is the part of a ring's memory that servers may take besides.
const serversPart = 16

// ringSink keeps blocks in memory.
type ringSink struct {
	keep   uint64 // ns
	limit  int    // bytes
	newest uint64 // CLOCK_MONOTONIC, ns
	size   int
	forgot bool

	names     []block // few (maxNames), and never forgotten
	servers   []block // the newest: containers that come and go have ever new ones
	inventory block   // the last one
	findings  block   // the last ones
	base      block   // the last status that was forgotten
	timed     []timedBlock
}

type timedBlock struct {
	block
	from, to uint64
}

func (s *ringSink) put(b block, from, to uint64) error {
	b.payload = slices.Clone(b.payload)
	switch b.kind {
	case kindHead, kindEnd: // made anew for each file
		return nil
	case kindInventory:
		s.inventory = b
	case kindFindings:
		s.findings = b
	case kindSymbols:
		s.names = append(s.names, b)
		return nil
	case kindServers:
		s.putServers(b)
		return nil
	default:
		s.timed = append(s.timed, timedBlock{b, from, to})
		s.size += len(b.payload)
	}
	s.newest = max(s.newest, to)
	s.forget()
	return nil
}

// putServers keeps all that answer at present: the writer stores those again that
// still do, once it has stored maxServers.
func (s *ringSink) putServers(b block) {
	s.servers = append(s.servers, b)
	size := 0
	for i, b := range slices.Backward(s.servers) {
		if size += len(b.payload); size > s.limit/serversPart || len(s.servers)-i > 2*maxServers {
			s.servers = slices.Delete(s.servers, 0, i+1)
			break
		}
	}
}

func (s *ringSink) forget() {
	n := 0
	for n < len(s.timed)-1 && (s.timed[n].to+s.keep < s.newest || s.size > s.limit) {
		b := s.timed[n]
		s.size -= len(b.payload)
		if b.kind == kindStatus {
			s.base = b.block
		}
		s.forgot = true
		n++
	}
	s.timed = slices.Delete(s.timed, 0, n)
}

// start is the time of the first thing that is kept. What comes late, such as an
// exchange whose other end was waited for, begins nothing.
func (s *ringSink) start() (at uint64, ok bool) {
	for _, b := range s.timed {
		if b.kind != kindExtra && (!ok || b.from < at) {
			at, ok = b.from, true
		}
	}
	return at, ok
}

// all is what a file holds between its head and its end.
func (s *ringSink) all() []block {
	out := append(slices.Clone(s.names), s.servers...)
	for _, b := range []block{s.inventory, s.findings} {
		if b.kind != 0 {
			out = append(out, b)
		}
	}
	for _, b := range s.timed {
		out = append(out, b.block)
	}
	return out
}

func (s *ringSink) close() error { return nil }
