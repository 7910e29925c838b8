package probe

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/cilium/ebpf/ringbuf"

	"github.com/hopscope/hopscope/pkg/dns"
)

const (
	// The kernel side never wakes the reader (a wake-up costs more than the
	// record): the ring is polled. At 100,000 records a second of 400 B each,
	// 10 ms fill 2 % of the default ring.
	pollEvery   = 10 * time.Millisecond
	sweepEvery  = 500 * time.Millisecond
	sweepInNeed = 100 * time.Millisecond // when more than a quarter of the slots are used
)

// Records takes what Read reads. raw is valid during the call only; the
// functions are never called from two goroutines.
type Records struct {
	Journey func(raw []byte)   // struct hs_journey and its stops, in the order of the ring
	Event   func(raw []byte)   // struct hs_exchange or hs_connect, by its first byte; nil: not wanted
	DNS     func(*dns.Message) // nil: not wanted
}

// Read hands out every record until ctx is done; then it stops births, waits up
// to drain for journeys under way, and empties the rings.
func (p *Probe) Read(ctx context.Context, drain time.Duration, to Records) error {
	nextSweep, nextWalk := time.Now().Add(sweepEvery), time.Now().Add(walkEvery)
	var rec ringbuf.Record
	for ctx.Err() == nil {
		if err := p.poll(&rec, to); err != nil {
			return err
		}
		if now := time.Now(); now.After(nextSweep) {
			next, err := p.sweep.sweep(fragmentFor, to.Journey)
			if err != nil {
				return err
			}
			if err := p.tellSecond(); err != nil {
				return err
			}
			nextSweep = now.Add(next)
		}
		if now := time.Now(); now.After(nextWalk) && to.Event != nil {
			if err := p.conns.walk(idleFor, to.Event); err != nil {
				return err
			}
			nextWalk = now.Add(walkEvery)
		}
	}
	return p.drain(&rec, drain, to)
}

// poll waits until the next poll is due, then empties the rings.
func (p *Probe) poll(rec *ringbuf.Record, to Records) error {
	p.reader.SetDeadline(time.Now().Add(pollEvery))
	if err := p.empty(p.reader, rec, to.Journey); err != nil {
		return err
	}
	p.events.SetDeadline(time.Now())
	err := p.empty(p.events, rec, func(raw []byte) {
		if to.Event != nil {
			p.conns.take(raw, to.Event)
		}
	})
	if err != nil {
		return err
	}
	p.dns.SetDeadline(time.Now())
	return p.empty(p.dns, rec, to.message)
}

// empty hands out what is in a ring by its deadline.
func (p *Probe) empty(ring *ringbuf.Reader, rec *ringbuf.Record, fn func(raw []byte)) error {
	var begun time.Time
	for {
		err := ring.ReadInto(rec)
		if begun.IsZero() {
			begun = time.Now()
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			p.busy.Add(int64(time.Since(begun)))
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the ring buffer: %w", err)
		}
		fn(rec.RawSample)
	}
}

func (p *Probe) drain(rec *ringbuf.Record, limit time.Duration, to Records) error {
	if err := p.Stop(); err != nil {
		return err
	}
	deadline := time.Now().Add(limit)
	for {
		if err := p.poll(rec, to); err != nil {
			return err
		}
		if _, err := p.sweep.sweep(fragmentAtEnd, to.Journey); err != nil {
			return err
		}
		n, err := p.sweep.inFlight()
		if err != nil {
			return err
		}
		if n == 0 || time.Now().After(deadline) {
			return p.finish(rec, to)
		}
	}
}

// finish takes what is left: the rings' last records, and the last exchange of
// each connection.
func (p *Probe) finish(rec *ringbuf.Record, to Records) error {
	if err := p.poll(rec, to); err != nil || to.Event == nil {
		return err
	}
	return p.conns.walk(atRest, to.Event)
}
