package capture

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/hopscope/hopscope/pkg/model"
)

const (
	// maxMarks bounds an index: of more, every second one is forgotten.
	maxMarks = 1 << 15
	// maxHints bounds the servers that an index remembers.
	maxHints = 1 << 16
	// statusAge is more than a status is older than the block in which it
	// stands: records before that block may be of a time shortly after it.
	statusAge = 2 * time.Second
	// lateRecords is how long after an event its record may come: an exchange
	// waits for its other end, a packet in a queue.
	lateRecords = time.Minute
	// skimAhead is the buffer in bytes of a reader that passes over payloads: a
	// larger one would read them after all.
	skimAhead = 4 << 10
)

// index tells where in a file to begin to read for what happened from a moment
// on. It is made of the statuses, which stand in every capture, and takes the
// same memory however long that is.
type index struct {
	marks []mark
	every int // of that many statuses one is kept
	seen  int
	hints []hint
}

// mark is a status: what stands before it happened before it, but for statusAge.
type mark struct {
	at       uint64 // CLOCK_MONOTONIC, ns
	offset   int64  // of the block behind it
	next     uint64 // number of that block
	journeys uint64 // before it
}

// hint is a server that was known from a place in the file on.
type hint struct {
	offset int64
	server Server
}

func (x *index) add(m mark) {
	if n := len(x.marks); n > 0 && m.at < x.marks[n-1].at {
		return // a wrong time
	}
	x.every = max(x.every, 1)
	if x.seen++; x.seen%x.every != 0 {
		return
	}
	if len(x.marks) == maxMarks {
		for i := range maxMarks / 2 {
			x.marks[i] = x.marks[2*i+1]
		}
		x.marks, x.every = x.marks[:maxMarks/2], 2*x.every
	}
	x.marks = append(x.marks, m)
}

// before is the last mark that is before a time, false where there is none.
func (x *index) before(at uint64) (found mark, ok bool) {
	for i := len(x.marks); i > 0; i-- { // they are few, and this is done once for each opening
		if m := x.marks[i-1]; m.at+uint64(statusAge) < at {
			return m, true
		}
	}
	return mark{}, false
}

// servers are those that were known at a mark.
func (x *index) servers(m mark) (out []Server) {
	for _, h := range x.hints {
		if h.offset < m.offset {
			out = append(out, h.server)
		}
	}
	return out
}

// Before is how many journeys stand before the place at which [Summary.Open]
// begins to read.
func (s *Summary) Before(from time.Time) uint64 {
	m, _ := s.index.before(s.monotonic(from))
	return m.journeys
}

func (s *Summary) monotonic(at time.Time) uint64 {
	return uint64(max(at.Sub(s.Head.MonotonicZero), 0))
}

// Open opens the capture that [Survey] told of, to read all that happened from
// a moment on. What is before is passed over, but for some seconds: the cost is
// that of what comes after. The servers are those that were known by then. The
// errors are those of [Open].
func (s *Summary) Open(from time.Time) (*Reader, []Server, error) {
	r, err := Open(s.path)
	if err != nil {
		return nil, nil, err
	}
	m, ok := s.index.before(s.monotonic(from))
	if !ok {
		return r, nil, nil
	}
	if err := r.jump(m); err != nil {
		return nil, nil, errors.Join(err, r.Close())
	}
	r.names, r.named = s.names, true
	return r, s.index.servers(m), nil
}

// jump goes on at a mark.
func (r *Reader) jump(m mark) error {
	if err := r.blocks.seek(m.offset); err != nil {
		return fmt.Errorf("read the capture: %w", err)
	}
	r.blocks.next, r.count = m.next, m.journeys
	return nil
}

// ReplayPart is [Replay] of what f wants and of what happened from one moment
// on until another, either of which may be zero. It reads no more of the file
// than it takes. The rest of the summary is that of the whole capture, as
// [Survey] told it.
func (s *Summary) ReplayPart(agg *model.Aggregator, f Filter, from, to time.Time) (*Summary, error) {
	r, servers, err := s.Open(from)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	g := gatherer{agg: agg, filter: f, known: true, facts: s.facts, status: s.status, ended: s.ended, findings: s.Findings}
	for _, known := range servers {
		agg.LearnServer(known.Proto, known.Addr)
	}
	if !to.IsZero() {
		g.until = s.monotonic(to.Add(lateRecords))
	}
	out, err := g.gather(r)
	if err != nil {
		return nil, err
	}
	if g.stopped {
		out.Damage.NoEnd, out.Damage.Cut = s.Damage.NoEnd, s.Damage.Cut
	}
	return out, nil
}

// skimFile makes a reader of a file that passes over journeys and extra records
// without reading them, and makes an index.
func skimFile(path string) (*Reader, error) {
	r, err := Open(path)
	if err != nil {
		return nil, err
	}
	r.skim = true
	if err := r.blocks.passOver(r.file.(*os.File)); err != nil {
		return nil, errors.Join(fmt.Errorf("read %s: %w", path, err), r.Close())
	}
	return r, nil
}

// mark remembers the place behind a status.
func (r *Reader) mark(at uint64) error {
	if !r.skim {
		return nil
	}
	offset, err := r.blocks.offset()
	r.index.add(mark{at: at, offset: offset, next: r.blocks.next, journeys: r.count})
	return err
}

// hint remembers servers.
func (r *Reader) hint(list []Server) error {
	if !r.skim {
		return nil
	}
	offset, err := r.blocks.offset()
	for _, s := range list[:min(len(list), maxHints-len(r.index.hints))] {
		r.index.hints = append(r.index.hints, hint{offset, s})
	}
	return err
}

// passOver lets payloads of journeys and extra records be passed over.
func (r *blocks) passOver(file io.ReadSeeker) error {
	r.file = file
	at, err := r.offset()
	if err != nil {
		return err
	}
	r.skim, r.in = true, bufio.NewReaderSize(file, skimAhead)
	return r.seek(at)
}

// offset is that of the next byte to be read.
func (r *blocks) offset() (int64, error) {
	at, err := r.file.Seek(0, io.SeekCurrent)
	return at - int64(r.in.Buffered()), err
}

func (r *blocks) seek(to int64) error {
	_, err := r.file.Seek(to, io.SeekStart)
	r.in.Reset(r.file)
	return err
}

// load reads the payload of a block, or passes over it. It gives how many of its
// bytes there are, io.ErrUnexpectedEOF where that is not all of them.
func (r *blocks) load(h header) (n int, err error) {
	if !r.skim || h.kind != kindJourneys && h.kind != kindExtra {
		r.packed = slices.Grow(r.packed[:0], int(h.stored))[:h.stored]
		return io.ReadFull(r.in, r.packed)
	}
	r.packed = r.packed[:0]
	if int(h.stored) <= r.in.Buffered() {
		return r.in.Discard(int(h.stored))
	}
	at, err := r.offset()
	if err != nil {
		return 0, err
	}
	end, err := r.file.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, err
	}
	if left := end - at; left < int64(h.stored) {
		return int(left), io.ErrUnexpectedEOF
	}
	return int(h.stored), r.seek(at + int64(h.stored))
}
