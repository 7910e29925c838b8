package pipeline

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// clocks notice what happens to time during a trace. The times of packets are
// those of CLOCK_MONOTONIC, which neither a step of the wall clock nor a sleep
// of the machine moves: but they are dated by the wall clock at the start.
type clocks struct {
	read  func(clock int32) time.Duration
	begun reading
}

// reading is the clocks at one moment (clock_gettime(2)).
type reading struct{ wall, monotonic, boot time.Duration }

func (c *clocks) start() {
	if c.read == nil {
		c.read = readClock
	}
	c.begun = c.now()
}

func (c *clocks) now() reading {
	return reading{c.read(unix.CLOCK_REALTIME), c.read(unix.CLOCK_MONOTONIC), c.read(unix.CLOCK_BOOTTIME)}
}

func readClock(clock int32) time.Duration {
	var ts unix.Timespec
	_ = unix.ClockGettime(clock, &ts) // every kernel has these clocks
	return time.Duration(ts.Nano())
}

const (
	leastSleep = 10 * time.Millisecond // the clocks are read one after the other
	leastStep  = time.Second           // less is what corrects a clock that is a little off
)

// slept is how long the machine was suspended since the start: CLOCK_BOOTTIME
// goes on then, CLOCK_MONOTONIC does not.
func (c *clocks) slept() time.Duration {
	n := c.now()
	d := (n.boot - c.begun.boot) - (n.monotonic - c.begun.monotonic)
	if d < leastSleep {
		return 0
	}
	return d
}

// stepped is by how much the wall clock was set forward, or back.
func (c *clocks) stepped() time.Duration {
	n := c.now()
	d := (n.wall - c.begun.wall) - (n.boot - c.begun.boot)
	if d.Abs() < leastStep {
		return 0
	}
	return d
}

// notes say what a reader has to know of the trace's times.
func (c *clocks) notes() (out []string) {
	if d := c.slept(); d > 0 {
		out = append(out, fmt.Sprintf("this host was suspended for %s during the trace: nothing is known of that time, and what came after is dated that much too early", d.Round(time.Millisecond)))
	}
	if d := c.stepped(); d != 0 {
		out = append(out, fmt.Sprintf("the clock of this host was set %s during the trace: times are those of the clock as it was at the start", direction(d)))
	}
	return out
}

func direction(d time.Duration) string {
	if d < 0 {
		return "back by " + (-d).Round(time.Second).String()
	}
	return "forward by " + d.Round(time.Second).String()
}
