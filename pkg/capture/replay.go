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
}

// Replay reads a capture to its end and adds to agg what f wants. The errors
// are those of reading the file; what is missing in it is told in Damage.
func Replay(r *Reader, agg *model.Aggregator, f Filter) (*Summary, error) {
	g := gatherer{agg: agg, filter: f}
	return g.gather(r)
}

// Survey reads everything but the journeys: what a selection by name needs to
// know before they are read.
func Survey(path string) (*Summary, error) {
	r, err := Open(path)
	if err != nil {
		return nil, err
	}
	r.skim = true
	g := gatherer{}
	s, err := g.gather(r)
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	s.Journeys = r.count
	return s, r.Close()
}

// gatherer takes in the records of a capture.
type gatherer struct {
	agg    *model.Aggregator
	filter Filter
	hops   []journey.Hop

	facts    inventory.Facts
	status   Status
	ended    string
	findings []model.Finding
	journeys uint64
	latest   uint64 // time of the last stop, CLOCK_MONOTONIC, ns
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
			Containers: view.Containers(), Symbols: r.names,
		},
		View: view, Findings: g.findings, Journeys: g.journeys, Damage: r.Damage(),
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
