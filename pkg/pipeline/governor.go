package pipeline

import (
	"math"
	"sync/atomic"
)

// governor keeps the tool's cost within a budget by the sample rate.
type governor struct {
	budget float64       // percent of all CPUs
	sample atomic.Uint32 // one in sample packets is tracked; whoever makes a summary reads it
}

// maxSample bounds how thin sampling gets: beyond it, what remains is the
// programs' own entry, which sampling cannot lower.
const maxSample = 4096

// next tells the sample rate after a slice that took cost percent of all CPUs.
// It thins at once and thickens by halves, so that it does not swing.
func (g *governor) next(cost float64) uint32 {
	sample := g.sample.Load()
	switch {
	case cost > g.budget:
		sample = uint32(math.Min(math.Ceil(float64(sample)*cost/g.budget), maxSample))
	case cost < g.budget/4 && sample > 1:
		sample /= 2
	}
	g.sample.Store(sample)
	return max(sample, 1)
}
