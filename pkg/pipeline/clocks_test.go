package pipeline

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestClocks(t *testing.T) {
	const hour = time.Hour
	for name, tc := range map[string]struct {
		wall, monotonic, boot time.Duration // since the start
		slept, stepped        time.Duration
		says                  string
	}{
		"a trace":                {wall: hour, monotonic: hour, boot: hour},
		"a clock that is slewed": {wall: hour + 300*time.Millisecond, monotonic: hour, boot: hour},
		"read at three moments":  {wall: hour, monotonic: hour + 1000, boot: hour + 2000},
		"suspended":              {wall: 3 * hour, monotonic: hour, boot: 3 * hour, slept: 2 * hour, says: "suspended for 2h0m0s"},
		"set forward":            {wall: 2 * hour, monotonic: hour, boot: hour, stepped: hour, says: "set forward by 1h0m0s"},
		"set back":               {wall: -hour, monotonic: hour, boot: hour, stepped: -2 * hour, says: "set back by 2h0m0s"},
		"suspended and set": {wall: 4*hour + time.Minute, monotonic: hour, boot: 4 * hour, slept: 3 * hour, stepped: time.Minute,
			says: "set forward by 1m0s"},
	} {
		t.Run(name, func(t *testing.T) {
			now := map[int32]time.Duration{unix.CLOCK_REALTIME: 400 * hour, unix.CLOCK_MONOTONIC: 5 * hour, unix.CLOCK_BOOTTIME: 7 * hour}
			c := clocks{read: func(clock int32) time.Duration { return now[clock] }}
			c.start()
			now[unix.CLOCK_REALTIME] += tc.wall
			now[unix.CLOCK_MONOTONIC] += tc.monotonic
			now[unix.CLOCK_BOOTTIME] += tc.boot
			if c.slept() != tc.slept || c.stepped() != tc.stepped {
				t.Errorf("slept %v, stepped %v, want %v and %v", c.slept(), c.stepped(), tc.slept, tc.stepped)
			}
			notes := strings.Join(c.notes(), "\n")
			if !strings.Contains(notes, tc.says) || (notes == "") != (tc.slept == 0 && tc.stepped == 0) {
				t.Errorf("notes %q, want %q", notes, tc.says)
			}
		})
	}
}

// The real clocks say nothing of a moment in which nothing happens.
func TestRealClocks(t *testing.T) {
	var c clocks
	c.start()
	time.Sleep(20 * time.Millisecond)
	if n := c.now(); n.monotonic <= c.begun.monotonic || n.boot <= c.begun.boot || n.wall <= c.begun.wall {
		t.Errorf("the clocks stand: %+v, %+v", c.begun, n)
	}
	if notes := c.notes(); len(notes) > 0 {
		t.Errorf("%v", notes)
	}
}
