package hostfacts

import (
	"strings"
	"time"
)

// Clock is the kernel's clock source.
type Clock struct {
	Source    string // tsc, kvm-clock, hpet, ...
	Available []string
	ReadCost  time.Duration // of one reading from user space, 0 when not measured
}

func (r Reader) clock() *Clock {
	const dir = "devices/system/clocksource/clocksource0/"
	source, ok := r.text(r.Sys, dir+"current_clocksource")
	if !ok {
		return nil
	}
	available, _ := r.text(r.Sys, dir+"available_clocksource")
	c := &Clock{Source: source, Available: strings.Fields(available)}
	if !r.offline {
		c.ReadCost = clockCost()
	}
	return c
}

// clockCost is that of the fastest of several rounds: the others were
// interrupted.
func clockCost() time.Duration {
	const rounds, reads = 8, 1000
	best := time.Duration(1<<63 - 1)
	for range rounds {
		begun := time.Now()
		for range reads {
			_ = time.Now()
		}
		// time.Now reads both the wall clock and the monotonic clock.
		best = min(best, time.Since(begun)/(2*reads))
	}
	return best
}
