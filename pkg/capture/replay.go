package capture

import (
	"errors"
	"io"
	"time"

	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/journey"
	"github.com/hopscope/hopscope/pkg/model"
)

// Summary is what a snapshot of a capture needs beside an aggregator.
type Summary struct {
	Head     Head
	Meta     model.Meta
	View     *inventory.View // of the last inventory: its names hold for the whole capture
	Findings []model.Finding // as stored
	Journeys uint64          // records, not weighted; those that were left out are not among them
	Damage   Damage

	path   string // of what [Survey] read
	index  index  // likewise
	names  *names
	facts  inventory.Facts
	status Status
	ended  string
}

// Snapshot is the summary of what was added to agg, as the live one was.
func (s *Summary) Snapshot(agg *model.Aggregator) model.Snapshot {
	return agg.Snapshot(s.View, s.Meta)
}

// Filter chooses what a report counts. A nil function wants everything.
type Filter struct {
	Journey     func(*journey.Journey) bool
	Drops       func(*Drops) bool
	Retransmits func(*Retransmits) bool
	Counters    func(*Counters, *model.CounterCount) bool
	Sockets     func(*Sockets) bool
	DNS         func(*DNS) bool
}

// And is a filter that wants what both want.
func (f Filter) And(o Filter) Filter {
	return Filter{
		Journey: both(f.Journey, o.Journey), Drops: both(f.Drops, o.Drops), Retransmits: both(f.Retransmits, o.Retransmits),
		Counters: bothOf(f.Counters, o.Counters), Sockets: both(f.Sockets, o.Sockets), DNS: both(f.DNS, o.DNS),
	}
}

func both[T any](f, g func(*T) bool) func(*T) bool {
	if f == nil || g == nil {
		if f == nil {
			return g
		}
		return f
	}
	return func(x *T) bool { return f(x) && g(x) }
}

func bothOf[S, T any](f, g func(*S, *T) bool) func(*S, *T) bool {
	if f == nil || g == nil {
		if f == nil {
			return g
		}
		return f
	}
	return func(x *S, y *T) bool { return f(x, y) && g(x, y) }
}

// Replay reads a capture to its end and adds to agg what f wants. The errors
// are those of reading the file; what is missing in it is told in Damage.
func Replay(r *Reader, agg *model.Aggregator, f Filter) (*Summary, error) {
	g := gatherer{agg: agg, filter: f}
	return g.gather(r)
}

// Survey reads everything but the journeys: what a selection by name needs to
// know before they are read, and where in the file the time is. It passes over
// the journeys, so that damage within them is not known yet.
func Survey(path string) (*Summary, error) {
	r, err := skimFile(path)
	if err != nil {
		return nil, err
	}
	g := gatherer{}
	s, err := g.gather(r)
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	s.Journeys, s.path, s.index = r.count, path, r.index
	return s, r.Close()
}

// gatherer takes in the records of a capture.
type gatherer struct {
	agg    *model.Aggregator
	filter Filter
	hops   []journey.Hop

	known    bool // what the last of in the file says: a survey told it
	facts    inventory.Facts
	status   Status
	ended    string
	findings []model.Finding
	journeys uint64
	latest   uint64 // time of the last stop, CLOCK_MONOTONIC, ns
	until    uint64 // time of the status at which reading stops, CLOCK_MONOTONIC, ns; 0: never
	stopped  bool
}

func (g *gatherer) gather(r *Reader) (*Summary, error) {
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			return g.summary(r), nil
		}
		if err != nil {
			return nil, err
		}
		if rec.Status != nil && g.until > 0 && rec.Status.At > g.until {
			g.stopped = true
			return g.summary(r), nil
		}
		g.take(rec)
	}
}

func (g *gatherer) take(rec Record) {
	switch {
	case rec.Journey != nil:
		g.journey(rec.Journey)
	case rec.Drops != nil:
		if want := g.filter.Drops; want == nil || want(rec.Drops) {
			g.agg.AddDrops(rec.Drops.DropCount)
		}
	case rec.Retransmits != nil:
		if want := g.filter.Retransmits; want == nil || want(rec.Retransmits) {
			g.agg.AddRetransmits(rec.Retransmits.RetransmitCount)
		}
	case rec.Counters != nil:
		g.agg.AddCounters(g.filter.Counts(rec.Counters))
	case rec.Sockets != nil:
		if want := g.filter.Sockets; want == nil || want(rec.Sockets) {
			g.agg.AddSocket(rec.Sockets.SocketEvent)
		}
	case rec.DNS != nil:
		if want := g.filter.DNS; want == nil || want(rec.DNS) {
			g.agg.AddDNS(rec.DNS.Lookup)
		}
	case g.known && (rec.Inventory != nil || rec.Status != nil || rec.Findings != nil || rec.End != nil):
	case rec.Inventory != nil:
		g.facts = rec.Inventory.Facts
	case rec.Status != nil:
		g.status = *rec.Status
	case rec.Findings != nil:
		g.findings = rec.Findings
	case rec.End != nil:
		g.status, g.ended = rec.End.Status, rec.End.Ended
	case g.agg != nil:
		for _, s := range rec.Servers {
			g.agg.LearnServer(s.Proto, s.Addr)
		}
	}
}

func (g *gatherer) journey(j *journey.Journey) {
	g.latest = max(g.latest, j.Start+uint64(j.Total()))
	if g.filter.Journey != nil && !g.filter.Journey(j) {
		return
	}
	g.journeys++
	g.hops = j.Hops(g.hops)
	g.agg.Add(j, g.hops)
}

func (g *gatherer) summary(r *Reader) *Summary {
	view := inventory.NewView(g.facts)
	head := r.Head()
	return &Summary{
		Head: head,
		Meta: model.Meta{
			ToolVersion: head.ToolVersion, Host: head.Host, Kernel: head.Kernel,
			StartedAt: head.StartedAt, Duration: g.duration(head),
			Ended: g.ending(), MonotonicZero: head.MonotonicZero,
			Accounting: g.status.Accounting, Cost: g.status.Cost,
			Containers: view.Containers(), Symbols: r.names, NoDNS: head.NoDNS,
		},
		View: view, Findings: g.findings, Journeys: g.journeys, Damage: r.Damage(),
		names: r.names, facts: g.facts, status: g.status, ended: g.ended,
	}
}

// ending of a capture that was cut short is an error.
func (g *gatherer) ending() string {
	if g.ended == "" {
		return "error"
	}
	return g.ended
}

// duration is what the recorder said last; when the capture was cut short, it
// lasted at least until its last journey.
func (g *gatherer) duration(h Head) time.Duration {
	d := time.Duration(g.status.DurationNs)
	if g.ended != "" {
		return d
	}
	return max(d, h.MonotonicZero.Add(time.Duration(g.latest)).Sub(h.StartedAt))
}
