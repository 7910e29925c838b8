// Package pipeline carries records from their source to the sinks: decode,
// name hops, select, aggregate. What it cannot use it counts.
package pipeline

import (
	"slices"
	"sync"

	"github.com/hopscope/hopscope/pkg/dns"
	"github.com/hopscope/hopscope/pkg/journey"
	"github.com/hopscope/hopscope/pkg/model"
)

// Sink takes journeys beside the aggregator: a capture, say. Both arguments
// are valid during the call only.
type Sink interface {
	Journey(j *journey.Journey, hops []journey.Hop) error
}

// Pipeline turns raw records into sums. Record belongs to one goroutine;
// Snapshot may be called from any.
type Pipeline struct {
	match Match

	j    journey.Journey
	hops []journey.Hop

	mu    sync.Mutex
	sinks []Sink
	agg   *model.Aggregator
	// unsummed leaves journeys to the sinks, for who never asks for a Snapshot.
	unsummed bool
	dns      *dns.Pairer
	left     LeftOut
	err      error

	sockets sockets
}

// LeftOut counts the records that did not become part of the sums, or not whole.
type LeftOut struct {
	Undecodable uint64 // the record makes no sense: a loss
	Unmatched   uint64 // not of a wanted network, port or protocol: as asked for
	Gaps        uint64 // in the sums, but a stop between two others was not seen
	DNS         dns.LeftOut
}

// New makes a pipeline that aggregates what match wants.
func New(match Match, sinks ...Sink) *Pipeline {
	p := &Pipeline{match: match, sinks: sinks, agg: model.New(model.Limits{}), sockets: newSockets(Wanted{})}
	p.dns = dns.NewPairer(p.lookup)
	return p
}

// Record takes one raw record of the kernel side.
func (p *Pipeline) Record(raw []byte) {
	if err := journey.Decode(raw, &p.j); err != nil {
		p.mu.Lock()
		p.left.Undecodable++
		p.mu.Unlock()
		return
	}
	p.Journey(&p.j)
}

// Journey takes one decoded journey.
func (p *Pipeline) Journey(j *journey.Journey) {
	p.hops = j.Hops(p.hops[:0])
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.match.wants(j) {
		p.left.Unmatched += uint64(j.Weight)
		return
	}
	if slices.ContainsFunc(p.hops, func(h journey.Hop) bool { return h.Kind == journey.HopUnknown }) {
		p.left.Gaps += uint64(j.Weight)
	}
	if !p.unsummed {
		p.agg.Add(j, p.hops)
	}
	for _, s := range p.sinks {
		p.keepError(s.Journey(j, p.hops))
	}
}

func (p *Pipeline) addSink(s Sink) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sinks = append(p.sinks, s)
}

func (p *Pipeline) removeSink(s Sink) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sinks = slices.DeleteFunc(p.sinks, func(x Sink) bool { return x == s })
}

func (p *Pipeline) keepError(err error) {
	if p.err == nil {
		p.err = err
	}
}

// noteError keeps the first error of what goes on beside the records.
func (p *Pipeline) noteError(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keepError(err)
}

// Err is the first error that a sink or the session's upkeep gave.
func (p *Pipeline) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// LeftOut tells what was left out so far.
func (p *Pipeline) LeftOut() LeftOut {
	p.mu.Lock()
	defer p.mu.Unlock()
	left := p.left
	left.DNS = p.dns.LeftOut()
	return left
}

// Snapshot joins the sums with names.
func (p *Pipeline) Snapshot(names model.Names, meta model.Meta) model.Snapshot {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.agg.Snapshot(names, meta)
}
