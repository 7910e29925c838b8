package replay

import (
	"context"
	"errors"
	"time"
)

const (
	// tick is how often time goes on.
	tick = 50 * time.Millisecond
	// turn is the longest time of reading after which orders are looked at.
	turn = 20 * time.Millisecond
	// lookBack is what is read before a moment that is jumped to: what the
	// windows of the screen show, the longest but for everything.
	lookBack = 70 * time.Second
	// tooMany journeys are not read to come to a moment: they take some seconds.
	tooMany = 2_000_000
)

// Run plays until ctx ends. Errors of reading the file end the playing, but are
// told by Frame, so that what was read can be looked at.
func (p *Player) Run(ctx context.Context) error {
	clock := time.NewTicker(tick)
	defer clock.Stop()
	last := time.Now()
	for {
		now := time.Now()
		behind := p.step(now.Sub(last))
		last = now
		if behind {
			if ctx.Err() != nil {
				return p.tape.close()
			}
			continue
		}
		select {
		case <-ctx.Done():
			return p.tape.close()
		case <-p.changed:
		case <-clock.C:
		}
	}
}

// step lets time go on by elapsed at the speed of play, and reads what is
// needed for it. It reports whether there is more to read at once.
func (p *Player) step(elapsed time.Duration) (behind bool) {
	p.mu.Lock()
	if p.err != nil {
		p.mu.Unlock()
		return false
	}
	goal, seeking := p.at, p.seeking
	if !seeking && !p.paused {
		goal = goal.Add(time.Duration(float64(elapsed) * p.speed))
	}
	if goal.After(p.to) {
		goal = p.to
	}
	from, anew := p.anew(seeking, goal)
	p.mu.Unlock()

	reached, err := p.read(goal, from, anew)

	p.mu.Lock()
	defer p.mu.Unlock()
	p.history, p.status, p.over, p.err = p.tape.history, p.tape.status, p.tape.over, err
	if d := p.tape.file.Damage(); d.Any() {
		p.damage = d
	}
	if p.over && p.to.Before(p.tape.end) {
		p.to = p.tape.end // it was cut short, and is longer than it says
	}
	if p.seeking != seeking || seeking && !p.at.Equal(goal) {
		return true // another order came meanwhile
	}
	if !reached {
		if !seeking { // the file is slower than the speed asked for
			if _, newest := p.history.Reach(); newest.After(p.at) {
				p.at = newest
			}
		}
		return err == nil
	}
	p.at, p.seeking = goal, false
	return false
}

// anew tells from where on to read to come to a moment, if not on from where
// the tape stands.
func (p *Player) anew(seeking bool, to time.Time) (from time.Time, anew bool) {
	if !seeking {
		return from, false
	}
	_, newest := p.history.Reach()
	stands := newest
	if anew = p.mustRewind(to); anew {
		stands = p.from
	}
	near := to.Add(-lookBack)
	if near.After(stands) && p.facts.Before(near) > p.facts.Before(stands)+p.tooMany {
		return near, true
	}
	return p.from, anew
}

// mustRewind reports whether the history does not reach back to the moment.
func (p *Player) mustRewind(to time.Time) bool {
	oldest, newest := p.history.Reach()
	switch {
	case !to.Before(newest):
		return false
	case to.Equal(p.from): // to see it begin
		return true
	}
	return to.Before(oldest)
}

// read runs the tape, a new one if it is to be read anew.
func (p *Player) read(goal, from time.Time, anew bool) (reached bool, err error) {
	if anew {
		t, err := openTape(p.facts, p.opts, from, p.to)
		if err != nil {
			return false, err
		}
		if err := p.tape.close(); err != nil {
			return false, errors.Join(err, t.close())
		}
		p.tape = t
	}
	begin := time.Now()
	return p.tape.runTo(goal, func() bool { return time.Since(begin) > turn })
}
