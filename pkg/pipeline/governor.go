package pipeline

import "math"

// governor keeps the tool's cost within a budget by the sample rate.
type governor struct {
	budget float64 // percent of all CPUs
	sample uint32  // one in sample packets is tracked
}

// maxSample bounds how thin sampling gets: beyond it, what remains is the
// programs' own entry, which sampling cannot lower.
const maxSample = 4096

// next tells the sample rate after a slice that took cost percent of all CPUs.
// It thins at once and thickens by halves, so that it does not swing.
func (g *governor) next(cost float64) uint32 {
	switch {
	case cost > g.budget:
		n := math.Ceil(float64(g.sample) * cost / g.budget)
		g.sample = uint32(math.Min(n, maxSample))
	case cost < g.budget/4 && g.sample > 1:
		g.sample /= 2
	}
	return max(g.sample, 1)
}
