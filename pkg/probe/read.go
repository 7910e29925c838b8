package probe

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/cilium/ebpf/ringbuf"
)

const (
	// The kernel side never wakes the reader (a wake-up costs more than the
	// record): the ring is polled. At 100,000 records a second of 400 B each,
	// 10 ms fill 2 % of the default ring.
	pollEvery  = 10 * time.Millisecond
	sweepEvery = 500 * time.Millisecond
)

// Read hands every record to fn, in the order of the ring, until ctx is done;
// then it stops births, waits up to drain for journeys under way, and empties
// the ring. raw is valid during the call only. fn is never called from two
// goroutines.
func (p *Probe) Read(ctx context.Context, drain time.Duration, fn func(raw []byte)) error {
	nextSweep := time.Now().Add(sweepEvery)
	var rec ringbuf.Record
	for ctx.Err() == nil {
		if err := p.poll(&rec, fn); err != nil {
			return err
		}
		if now := time.Now(); now.After(nextSweep) {
			if err := p.sweep.sweep(fn); err != nil {
				return err
			}
			nextSweep = now.Add(sweepEvery)
		}
	}
	return p.drain(&rec, drain, fn)
}

// poll waits until the next poll is due, then empties the ring.
func (p *Probe) poll(rec *ringbuf.Record, fn func(raw []byte)) error {
	p.reader.SetDeadline(time.Now().Add(pollEvery))
	var begun time.Time
	for {
		err := p.reader.ReadInto(rec)
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

func (p *Probe) drain(rec *ringbuf.Record, limit time.Duration, fn func(raw []byte)) error {
	if err := p.Stop(); err != nil {
		return err
	}
	deadline := time.Now().Add(limit)
	for {
		if err := p.poll(rec, fn); err != nil {
			return err
		}
		if err := p.sweep.sweep(fn); err != nil {
			return err
		}
		n, err := p.sweep.inFlight()
		if err != nil {
			return err
		}
		if n == 0 || time.Now().After(deadline) {
			return p.poll(rec, fn)
		}
	}
}
