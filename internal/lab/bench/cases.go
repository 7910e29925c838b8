package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/hopscope/hopscope/pkg/model"
)

// sparse is the sample rate of the case "sampled": one packet of so many.
const sparse = 64

// account is what a tracer says that it saw and did not see.
type account struct {
	Packets    uint64   `json:"packets"`    // tracked, or captured
	Lost       uint64   `json:"lost"`       // of them
	Suppressed uint64   `json:"suppressed"` // followed to their end, left out of the records: no loss, but said
	UserCPU    *float64 `json:"-"`          // percent of one CPU
}

// testCase is one way to run the traffic.
type testCase struct {
	name  string
	start func(ctx context.Context, o options) (*tracer, error) // nil: no tracer
	read  func(*tracer) (account, error)                        // after it ended
	share float64                                               // of the packets that the tracer must have seen
}

// testCases begins with the one that all are compared with. Captures go to
// dir.
func testCases(dir string) []testCase {
	return []testCase{
		{name: "untraced"},
		{name: "untraced again"},
		{name: fmt.Sprintf("hopscope, 1 of %d", sparse), start: startHopscope(sparse, ""), read: readHopscope, share: 1. / sparse},
		{name: "hopscope, every packet", start: startHopscope(1, ""), read: readHopscope, share: 1},
		{name: "hopscope, every packet, saved", start: startHopscope(1, dir), read: readHopscope, share: 1},
		{name: "tcpdump -i any -w /dev/null", start: startTcpdump, read: readTcpdump, share: 1},
	}
}

// startHopscope saves a capture to dir unless that is empty.
func startHopscope(sample int, dir string) func(context.Context, options) (*tracer, error) {
	return func(ctx context.Context, o options) (*tracer, error) {
		save := []string{"--no-save"}
		if dir != "" {
			save = []string{"--output", filepath.Join(dir, rand.Text()+".hop")}
		}
		args := []string{"trace", "--sample", "1/" + strconv.Itoa(sample), "--format", "json", "--quiet"}
		return startTracer(ctx, newSettled().ready, o.hopscope, append(args, save...)...)
	}
}

func readHopscope(tr *tracer) (account, error) {
	var s model.Snapshot
	if err := json.Unmarshal(tr.stdout.Bytes(), &s); err != nil {
		return account{}, fmt.Errorf("the summary: %w", err)
	}
	a := account{Packets: s.Accounting.Tracked, Suppressed: s.Accounting.Suppressed, UserCPU: s.Cost.UserCPUPercent}
	for _, n := range s.Accounting.Lost {
		a.Lost += n
	}
	return a, nil
}

func startTcpdump(ctx context.Context, _ options) (*tracer, error) {
	return startTracer(ctx, func(tr *tracer) bool {
		return strings.Contains(tr.stderr.String(), "listening on")
	}, "tcpdump", "-i", "any", "-w", "/dev/null")
}

// readTcpdump reads the counts that tcpdump(8) prints at its end.
func readTcpdump(tr *tracer) (account, error) {
	var a account
	found := 0
	for line := range strings.Lines(tr.stderr.String()) {
		n, what, _ := strings.Cut(strings.TrimSpace(line), " ")
		value, err := strconv.ParseUint(n, 10, 64)
		if err != nil {
			continue
		}
		switch what {
		case "packets captured", "packet captured":
			a.Packets = value
			found++
		case "packets dropped by kernel", "packet dropped by kernel":
			a.Lost = value
			found++
		}
	}
	if found != 2 {
		return a, fmt.Errorf("tcpdump said %q", tr.stderr.String())
	}
	return a, nil
}
