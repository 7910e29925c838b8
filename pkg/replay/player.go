// Package replay plays a capture as if it happened now: it reads the file into
// a history by the capture's own clock, at any speed, and back and forth, in
// constant memory.
package replay

import (
	"sync"
	"time"

	"github.com/hopscope/hopscope/pkg/capture"
	"github.com/hopscope/hopscope/pkg/history"
	"github.com/hopscope/hopscope/pkg/model"
)

// Options of a player.
type Options struct {
	Filter  capture.Filter // what is wanted of it
	From    time.Time      // zero: the capture's begin
	To      time.Time      // zero: the capture's end
	History history.Options
	Speed   float64 // 0 means 1
}

// Speeds are the choices of [Player.Faster] and [Player.Slower].
func Speeds() []float64 { return []float64{1, 2, 5, 10, 20, 50, 100} }

// State is where a player stands.
type State struct {
	From, To, At time.Time
	Speed        float64
	Paused       bool
	Seeking      bool // on the way to a moment that is not read yet
	Ended        bool
}

// Player plays one capture. Its methods may be called from any goroutine; Run
// does the reading.
type Player struct {
	opts    Options
	facts   *capture.Summary // names of the whole capture
	changed chan struct{}    // wakes Run

	mu      sync.Mutex
	from    time.Time
	to      time.Time
	at      time.Time // what is shown
	speed   float64
	paused  bool
	seeking bool // at is to be reached before time goes on
	history *history.History
	status  capture.Status
	damage  capture.Damage // as far as it is known
	tooMany uint64
	over    bool // all is read
	err     error

	tape *tape // of Run alone
}

// Open begins to play a capture of which [capture.Survey] told the facts. Its
// errors are those of [capture.Open].
func Open(facts *capture.Summary, o Options) (*Player, error) {
	from, to := facts.Meta.StartedAt, facts.Meta.StartedAt.Add(facts.Meta.Duration)
	if o.From.After(from) {
		from = o.From
	}
	if !o.To.IsZero() && o.To.Before(to) {
		to = o.To
	} else {
		o.To = time.Time{}
	}
	if to.Before(from) {
		to = from
	}
	if o.Speed <= 0 {
		o.Speed = 1
	}
	t, err := openTape(facts, o, from, to)
	if err != nil {
		return nil, err
	}
	return &Player{
		opts: o, facts: facts, changed: make(chan struct{}, 1),
		from: from, to: to, at: from, speed: o.Speed, history: t.history, tape: t,
		damage: facts.Damage, tooMany: tooMany,
	}, nil
}

// Frame is the moment that is shown. Names are those of the whole capture, and
// its accounting is that of what was read.
func (p *Player) Frame(q history.Query) (history.Frame, error) {
	p.mu.Lock()
	h, err, meta := p.history, p.err, p.meta()
	if _, newest := h.Reach(); q.Until.IsZero() && p.at.Before(newest) {
		q.Until = p.at
	}
	p.mu.Unlock()
	if err != nil {
		return history.Frame{}, err
	}
	return h.Frame(q, p.facts.View, meta), nil
}

func (p *Player) meta() model.Meta {
	m := p.facts.Meta
	m.Accounting, m.Cost = p.status.Accounting, p.status.Cost
	if !p.over {
		m.Ended = ""
	}
	return m
}

// State tells where the player stands.
func (p *Player) State() State {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := State{From: p.from, To: p.to, At: p.at, Speed: p.speed, Paused: p.paused, Seeking: p.seeking, Ended: p.ended()}
	if p.seeking { // what there is to see on the way
		if _, newest := p.history.Reach(); newest.Before(s.At) {
			s.At = newest
		}
	}
	return s
}

// Damage is what is missing in the file, as far as it was read.
func (p *Player) Damage() capture.Damage {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.damage
}

func (p *Player) ended() bool { return p.over && !p.at.Before(p.to) }

// Pause holds, or goes on; at the end it begins anew.
func (p *Player) Pause() {
	p.order(func() {
		if p.ended() {
			p.paused = false
			p.seek(p.from)
			return
		}
		p.paused = !p.paused
	})
}

// Hold pauses.
func (p *Player) Hold() { p.order(func() { p.paused = true }) }

// Faster takes the next higher speed.
func (p *Player) Faster() {
	p.order(func() {
		for _, s := range Speeds() {
			if s > p.speed {
				p.speed = s
				return
			}
		}
	})
}

// Slower takes the next lower speed.
func (p *Player) Slower() {
	p.order(func() {
		all := Speeds()
		for i := len(all) - 1; i >= 0; i-- {
			if all[i] < p.speed {
				p.speed = all[i]
				return
			}
		}
	})
}

// Seek goes to a moment of the capture. Forth it reads on as fast as it can;
// back it shows what the history still has, to the second, or reads from the
// begin. Where that is too much to read, it reads the last minute before that
// moment alone: a window of everything then begins there, and says so.
func (p *Player) Seek(to time.Time) { p.order(func() { p.seek(to) }) }

func (p *Player) seek(to time.Time) {
	switch {
	case to.Before(p.from):
		to = p.from
	case to.After(p.to):
		to = p.to
	}
	p.at, p.seeking = to, true
}

// order changes what Run does.
func (p *Player) order(change func()) {
	p.mu.Lock()
	change()
	p.mu.Unlock()
	select {
	case p.changed <- struct{}{}:
	default:
	}
}
