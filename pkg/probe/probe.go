// Package probe loads the kernel programs, attaches them, and hands out what
// they record. It attaches only: no packet's fate is changed, and everything
// it put into the kernel goes with the process.
package probe

import (
	"net/netip"
	"time"
)

// Config says what to record.
type Config struct {
	Sample    uint32        // track one in Sample packets, at least 1
	Slow      time.Duration // always emit journeys at least this long, 0: none
	RingBytes int           // ring buffer, a power of two and a multiple of the page size; 0: default
	Slots     uint32        // packets in flight at once; 0: default
	Filter    Filter
}

// Filter selects containers in the kernel. A zero Filter selects everything.
type Filter struct {
	Enabled  bool
	Netns    []uint32     // namespaces that belong to selected containers alone
	Cgroups  []uint64     // cgroup v2 ids of selected containers
	Selected []netip.Addr // addresses of selected containers
	Others   []netip.Addr // addresses that surely are of other containers
}

// Counts is the kernel side's accounting, summed over CPUs:
// Tracked = sum(Endings) + InFlight + sum(Lost), and
// sum(Endings) = Emitted + Suppressed + Filtered.
type Counts struct {
	Tracked    uint64
	Endings    map[string]uint64 // delivered, dropped, left, segmented, gro_merged, rebuilt, consumed
	Emitted    uint64
	Suppressed uint64
	Filtered   uint64
	InFlight   uint64            // by walking the slots
	Lost       map[string]uint64 // evicted, mismatched, timed_out, ring_full, map_full
	Notes      map[string]uint64 // unsampled, unknown, orphaned, truncated, clock_backward, missed_runs
}

// Completed is the sum of all endings.
func (c Counts) Completed() uint64 {
	var n uint64
	for _, v := range c.Endings {
		n += v
	}
	return n
}
