package tui

import "sync"

// gate keeps who asks the feed, each in a goroutine of its own that bubbletea does
// not wait for, from doing so when the screen is gone: what the feed reads may be
// closed then.
type gate struct {
	mu   sync.RWMutex
	shut bool
}

// enter before the feed is asked; when it says so, leave afterwards.
func (g *gate) enter() bool {
	g.mu.RLock()
	if g.shut {
		g.mu.RUnlock()
		return false
	}
	return true
}

func (g *gate) leave() { g.mu.RUnlock() }

// close waits for those inside, and lets nobody in any more.
func (g *gate) close() {
	g.mu.Lock()
	g.shut = true
	g.mu.Unlock()
}
