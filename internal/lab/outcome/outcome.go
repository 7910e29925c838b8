// Package outcome is what a run of the lab's traffic program tells about
// itself: one line of JSON, written by the program and read by the fixtures.
package outcome

import (
	"slices"
	"time"
)

// Result is the outcome of one run.
type Result struct {
	Mode          string  `json:"mode"`
	OK            uint64  `json:"ok"`          // requests, connections or datagrams that were answered or, unanswered by design, sent
	Errors        uint64  `json:"errors"`      // failed ones, a missing answer included
	Connections   uint64  `json:"connections"` // TCP connections that were made or accepted
	BytesSent     uint64  `json:"bytes_sent"`  // payload
	BytesReceived uint64  `json:"bytes_received"`
	ElapsedNs     int64   `json:"elapsed_ns"`
	Latency       Latency `json:"latency"`               // of OK, all 0 where nothing is answered
	Thought       Latency `json:"thought"`               // what the server took from request to response by its own clock; round trips alone tell
	FirstError    string  `json:"first_error,omitempty"` // text of the first of Errors
}

// Rate is OK per second.
func (r Result) Rate() float64 {
	if r.ElapsedNs <= 0 {
		return 0
	}
	return float64(r.OK) / time.Duration(r.ElapsedNs).Seconds()
}

// Latency describes measured times in ns. The quantiles are exact: of the
// sorted sample the one at rank ceil(q*n).
type Latency struct {
	Samples uint64 `json:"samples"`
	MinNs   int64  `json:"min_ns"`
	MeanNs  int64  `json:"mean_ns"`
	P50Ns   int64  `json:"p50_ns"`
	P90Ns   int64  `json:"p90_ns"`
	P99Ns   int64  `json:"p99_ns"`
	P999Ns  int64  `json:"p999_ns"`
	MaxNs   int64  `json:"max_ns"`
}

// Summarize describes samples, which it sorts in place.
func Summarize(samples []time.Duration) Latency {
	n := len(samples)
	if n == 0 {
		return Latency{}
	}
	slices.Sort(samples)
	var sum time.Duration
	for _, s := range samples {
		sum += s
	}
	// perMille gives the smallest sample that q/1000 of all do not exceed.
	perMille := func(q int) int64 { return samples[(q*n+999)/1000-1].Nanoseconds() }
	return Latency{
		Samples: uint64(n),
		MinNs:   samples[0].Nanoseconds(),
		MeanNs:  sum.Nanoseconds() / int64(n),
		P50Ns:   perMille(500),
		P90Ns:   perMille(900),
		P99Ns:   perMille(990),
		P999Ns:  perMille(999),
		MaxNs:   samples[n-1].Nanoseconds(),
	}
}
