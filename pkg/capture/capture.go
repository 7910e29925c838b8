// Package capture writes and reads capture files: the journeys of one trace
// with everything that is needed to name and count them on another machine.
// docs/capture-format.md describes the file.
//
// A file is a row of self-contained, checked blocks. What was flushed before a
// SIGKILL, a full disk or a cut stays readable, and the reader tells what is
// missing.
package capture

import (
	"net/netip"
	"time"

	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/journey"
	"github.com/hopscope/hopscope/pkg/model"
)

// Version of the format that this package writes. It reads every minor version
// of its major one, and refuses other majors.
const (
	Major = 1
	Minor = 1
)

// Extension is how names of capture files end.
const Extension = ".hop"

// Head is what is known when a capture begins.
type Head struct {
	ToolVersion string    `json:"tool_version"`
	Host        string    `json:"host"`
	Kernel      string    `json:"kernel"` // release, as uname(2) has it
	CPUs        int       `json:"cpus"`   // 0: unknown
	Command     []string  `json:"command"`
	Selection   []string  `json:"selection"` // selectors as they were given; empty: all containers
	StartedAt   time.Time `json:"started_at"`
	// MonotonicZero is the wall-clock time at which CLOCK_MONOTONIC was 0. All
	// other times in a capture are ns of that clock.
	MonotonicZero time.Time `json:"monotonic_zero"`
	Sampling      Sampling  `json:"sampling"`
	Redacted      bool      `json:"redacted"`
	KeepNs        int64     `json:"keep_ns"` // not 0: only the last KeepNs of a longer trace
	NoDNS         bool      `json:"no_dns"`  // DNS was not looked at
}

// Sampling is how packets were chosen.
type Sampling struct {
	Sample      uint32  `json:"sample"`       // one in Sample packets at the start; 0: as MaxOverhead allowed
	MaxOverhead float64 `json:"max_overhead"` // percent of all CPUs
	SlowNs      int64   `json:"slow_ns"`      // journeys at least this long were never left out; 0: none
}

// Inventory is what existed from a moment on, the dead of before included.
type Inventory struct {
	At    uint64          `json:"at"` // CLOCK_MONOTONIC, ns
	Facts inventory.Facts `json:"facts"`
	// LeftOut is how many did not fit, first those that were gone longest.
	LeftOut uint64 `json:"left_out,omitempty"`
}

// Status is the accounting at one moment, summed since the capture began.
type Status struct {
	At         uint64           `json:"at"` // CLOCK_MONOTONIC, ns
	DurationNs int64            `json:"duration_ns"`
	Accounting model.Accounting `json:"accounting"`
	Cost       model.Cost       `json:"cost"`
}

// Server is an address and port at which connections or requests were known to
// be answered, for flows older than the capture (see
// [model.Aggregator.LearnServer]).
type Server struct {
	Proto uint8          `json:"proto"`
	Addr  netip.AddrPort `json:"addr"`
}

// Extra is one record of a signal beside journeys. A reader that does not know
// the kind or the version ignores it.
type Extra struct {
	Kind    string // such as "drops"
	Version uint32 // of the kind's own layout
	At      uint64 // CLOCK_MONOTONIC, ns
	Data    []byte
}

// End is how a capture ended. A file without it was cut short.
type End struct {
	Ended    string `json:"ended"` // duration, signal, key, limit, error
	Error    string `json:"error,omitempty"`
	Journeys uint64 `json:"journeys"` // in the file; the writer fills it in
	Status   Status `json:"status"`   // the last one
}

// Record is one thing that a capture holds: exactly one field is set. What it
// points to is the reader's and valid until the next record is read.
type Record struct {
	Journey     *journey.Journey
	Drops       *Drops
	Retransmits *Retransmits
	Counters    *Counters
	Sockets     *Sockets
	DNS         *DNS
	Inventory   *Inventory
	Status      *Status
	Servers     []Server
	Findings    []model.Finding
	Extra       *Extra
	End         *End
}
