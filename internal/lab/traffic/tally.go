package main

import (
	"sync"
	"time"

	"github.com/hopscope/hopscope/internal/lab/outcome"
)

// maxSamples bounds the memory of latencies: 8 MB.
const maxSamples = 1 << 20

// tally counts what the connections of one run did.
type tally struct {
	mu       sync.Mutex
	start    time.Time
	counts   outcome.Result
	samples  []time.Duration
	thoughts []time.Duration
}

func newTally() *tally { return &tally{start: time.Now()} }

func (t *tally) connection() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts.Connections++
}

func (t *tally) done(sent, received int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts.OK++
	t.counts.BytesSent += uint64(sent)
	t.counts.BytesReceived += uint64(received)
}

// took is done with the time that it took.
func (t *tally) took(latency time.Duration, sent, received int) {
	t.done(sent, received)
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.samples) < maxSamples {
		t.samples = append(t.samples, latency)
	}
}

// thought is what the server took of it.
func (t *tally) thought(took time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.thoughts) < maxSamples {
		t.thoughts = append(t.thoughts, took)
	}
}

func (t *tally) fail(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts.Errors++
	if t.counts.FirstError == "" {
		t.counts.FirstError = err.Error()
	}
}

// result sums up; time runs from newTally to here.
func (t *tally) result() outcome.Result {
	t.mu.Lock()
	defer t.mu.Unlock()
	result := t.counts
	result.ElapsedNs = time.Since(t.start).Nanoseconds()
	result.Latency = outcome.Summarize(t.samples)
	result.Thought = outcome.Summarize(t.thoughts)
	return result
}
