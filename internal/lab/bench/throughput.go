package main

import (
	"context"
	"fmt"
	"time"

	"github.com/hopscope/hopscope/internal/lab"
)

// Throughput is what the traffic reached in each case, as ratios to the
// untraced slice of the same round: the machine's own state drifts between
// rounds by more than tracing costs.
type Throughput struct {
	Cases []Case `json:"cases"`
	// Of the untraced slices, for scale only.
	RoundTripsPerSecond Spread `json:"untraced_round_trips_per_second"`
	BytesPerSecond      Spread `json:"untraced_bytes_per_second"`
}

// Case is one row of the table.
type Case struct {
	Name       string `json:"name"`
	RoundTrips Spread `json:"round_trips"` // ratio of round trips per second
	Bulk       Spread `json:"bulk"`        // ratio of bytes per second
	// The same by the CPU time of the containers: what other programs on the
	// machine take from them is not in it.
	RoundTripsCPU Spread  `json:"round_trips_per_cpu"`
	BulkCPU       Spread  `json:"bulk_per_cpu"`
	UserCPU       *Spread `json:"user_cpu_percent,omitempty"`
	Account       account `json:"account"` // sum over all slices
}

// slice is what one case reached in one round.
type slice struct {
	roundTrips, bytes       float64 // per second
	roundTripsCPU, bytesCPU float64 // per second of CPU time
	account                 account
}

// rotated is the order of n cases in a round: each begins a round in its turn.
func rotated(n, round int) []int {
	order := make([]int, n)
	for i := range order {
		order[i] = (i + round) % n
	}
	return order
}

func measureThroughput(ctx context.Context, t lab.TB, p *pair, o options) (Throughput, error) {
	cases := testCases(t.TempDir())
	slices := make([][]slice, len(cases))
	for round := range o.rounds {
		t.Logf("round %d of %d", round+1, o.rounds)
		for _, i := range rotated(len(cases), round) {
			s, err := measureSlice(ctx, p, o, cases[i])
			if err != nil {
				return Throughput{}, fmt.Errorf("%s: %w", cases[i].name, err)
			}
			slices[i] = append(slices[i], s)
		}
	}
	return compare(cases, slices), nil
}

// measureSlice starts the tracer before the timed part and ends it after.
func measureSlice(ctx context.Context, p *pair, o options, c testCase) (slice, error) {
	var s slice
	var tr *tracer
	var err error
	if c.start != nil {
		if tr, err = c.start(ctx, o); err != nil {
			return s, err
		}
	}
	packets, err := s.carry(ctx, p, o.slice)
	if tr == nil {
		return s, err
	}
	if stopped := tr.stop(); err == nil {
		err = stopped
	}
	if err != nil {
		return s, err
	}
	if s.account, err = c.read(tr); err != nil {
		return s, err
	}
	// Half of what is due leaves room for chance, and shows a tracer that was
	// not attached.
	if due := c.share * float64(packets) / 2; float64(s.account.Packets+s.account.Lost) < due {
		return s, fmt.Errorf("saw %d packets of at least %d", s.account.Packets, packets)
	}
	return s, nil
}

// carry runs the timed part and gives the least number of packets in it.
func (s *slice) carry(ctx context.Context, p *pair, d time.Duration) (uint64, error) {
	rr, err := p.roundTrips(ctx, d)
	if err != nil {
		return 0, err
	}
	bulk, err := p.bulk(ctx, d)
	if err != nil {
		return 0, err
	}
	s.roundTrips, s.bytes = rr.Rate(), bulk.bytesPerSecond()
	s.roundTripsCPU = float64(rr.OK) / rr.cpu.Seconds()
	s.bytesCPU = float64(bulk.BytesSent) / bulk.cpu.Seconds()
	return 2 * rr.OK, nil
}

// compare divides by the first case, round by round.
func compare(cases []testCase, slices [][]slice) Throughput {
	var out Throughput
	base := slices[0]
	for i, c := range cases {
		ratio := func(value func(slice) float64) Spread {
			ratios := make([]float64, len(base))
			for round := range base {
				ratios[round] = value(slices[i][round]) / value(base[round])
			}
			return spreadOf(ratios)
		}
		row := Case{
			Name:          c.name,
			RoundTrips:    ratio(func(s slice) float64 { return s.roundTrips }),
			Bulk:          ratio(func(s slice) float64 { return s.bytes }),
			RoundTripsCPU: ratio(func(s slice) float64 { return s.roundTripsCPU }),
			BulkCPU:       ratio(func(s slice) float64 { return s.bytesCPU }),
		}
		row.addAccounts(slices[i])
		out.Cases = append(out.Cases, row)
	}
	var roundTrips, bulk []float64
	for _, s := range base {
		roundTrips, bulk = append(roundTrips, s.roundTrips), append(bulk, s.bytes)
	}
	out.RoundTripsPerSecond, out.BytesPerSecond = spreadOf(roundTrips), spreadOf(bulk)
	return out
}

// addAccounts adds up what the tracer said in each slice.
func (c *Case) addAccounts(slices []slice) {
	var cpu []float64
	for _, s := range slices {
		if s.account.UserCPU != nil {
			cpu = append(cpu, *s.account.UserCPU)
		}
		c.Account.Packets += s.account.Packets
		c.Account.Lost += s.account.Lost
		c.Account.Suppressed += s.account.Suppressed
	}
	if len(cpu) > 0 {
		spread := spreadOf(cpu)
		c.UserCPU = &spread
	}
}
