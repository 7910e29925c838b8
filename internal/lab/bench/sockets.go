package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/pkg/probe"
)

// readPoint is where an application's reads are seen: nothing but following
// sockets needs a program there.
const readPoint = "tcp_rcv_space_adjust"

// followed are the trace points that a message passes and at which following
// its connection takes time.
var followed = []string{"net_dev_queue", "tcp_probe", readPoint}

// socketRates are the sample rates at which both variants are compared.
var socketRates = []uint32{1, sparse}

// socketSlice is one slice of round trips under both variants.
type socketSlice struct {
	messages      uint64
	with, without map[string]runs
	empty         runs // at readPoint
}

// measureSockets loads the programs twice, with and without what follows
// sockets, both at work on the same traffic: what differs is what that costs.
// Whoever is called first warms the caches for the other: each round has both
// orders.
func measureSockets(ctx context.Context, t lab.TB, p *pair, o options) (Sockets, error) {
	slices := make(map[uint32][]socketSlice)
	places := newPlaces()
	for round := range o.rounds {
		t.Logf("following sockets, round %d of %d", round+1, o.rounds)
		for first := range 2 {
			err := places.elsewhere(func() error { return bothVariants(ctx, p, o, first, slices) })
			if err != nil {
				return Sockets{}, err
			}
		}
	}
	e, err := measureEntry(ctx, p, o)
	if err != nil {
		return Sockets{}, err
	}
	return newSockets(slices, e), nil
}

// variant is one of the two, while it is attached.
type variant struct {
	probe    *probe.Probe
	programs []metered
	reading  reading
}

func openVariant(ctx context.Context, without bool) (*variant, error) {
	before, err := programIDs()
	if err != nil {
		return nil, err
	}
	v := &variant{}
	if v.probe, err = probe.Open(probe.Config{NoSockets: without}); err != nil {
		return nil, err
	}
	if v.programs, err = meteredSince(before); err != nil {
		return nil, errors.Join(err, v.probe.Close())
	}
	v.reading = newRecords().take(ctx, v.probe)
	return v, nil
}

func (v *variant) close() error {
	err := errors.Join(v.reading.stop(), lossOf(v.probe), v.probe.Close())
	closePrograms(v.programs)
	return err
}

func bothVariants(ctx context.Context, p *pair, o options, first int, slices map[uint32][]socketSlice) (err error) {
	var variants [2]*variant
	for _, i := range rotated(len(variants), first) {
		v, failed := openVariant(ctx, i == 1)
		if failed != nil {
			return failed
		}
		defer func() { err = errors.Join(err, v.close()) }()
		variants[i] = v
	}
	empty := &floor{}
	defer empty.close()
	if err := empty.attach(readPoint); err != nil {
		return err
	}
	for _, i := range rotated(len(socketRates), first) {
		rate := socketRates[i]
		s, err := compareVariants(ctx, p, o, rate, variants, empty.programs)
		if err != nil {
			return err
		}
		slices[rate] = append(slices[rate], s)
	}
	return nil
}

func compareVariants(ctx context.Context, p *pair, o options, rate uint32, variants [2]*variant, empty []metered) (s socketSlice, err error) {
	all := [][]metered{variants[0].programs, variants[1].programs, empty}
	for _, v := range variants {
		if err := v.probe.SetSample(rate); err != nil {
			return s, err
		}
	}
	stats, err := ebpf.EnableStats(unix.BPF_STATS_RUN_TIME)
	if err != nil {
		return s, fmt.Errorf("switch on the accounting of programs: %w", err)
	}
	defer stats.Close()
	from, err := readAll(all)
	if err != nil {
		return s, err
	}
	rr, err := p.roundTrips(ctx, o.slice)
	if err != nil {
		return s, err
	}
	to, err := readAll(all)
	if err != nil {
		return s, err
	}
	s.messages = 2 * rr.OK
	s.with, s.without = since(from[0], to[0]), since(from[1], to[1])
	s.empty = since(from[2], to[2])[readPoint]
	return s, nil
}

func readAll(sets [][]metered) ([]map[string]runs, error) {
	var out []map[string]runs
	for _, programs := range sets {
		st, err := statsOf(programs)
		if err != nil {
			return nil, err
		}
		out = append(out, st)
	}
	return out, nil
}

// crowd is how many empty programs show together what it takes to enter one.
const crowd = 32

// entry is what measureEntry found.
type entry struct {
	ns        Spread // to enter one program at readPoint
	roundTrip Spread // ns, of nothing but the traffic
}

// measureEntry tells what a program at readPoint costs before it does anything,
// which the kernel's accounting leaves out: the CPU time of a round trip, which
// passes the point twice, with many empty programs and with none.
func measureEntry(ctx context.Context, p *pair, o options) (entry, error) {
	var ns, roundTrip []float64
	for round := range o.rounds {
		var cpu [2]float64
		for _, i := range rotated(len(cpu), round) {
			rr, err := crowded(ctx, p, o.slice, i*crowd)
			if err != nil {
				return entry{}, err
			}
			cpu[i] = float64(rr.cpu.Nanoseconds()) / float64(rr.OK)
			if i == 0 {
				roundTrip = append(roundTrip, float64(rr.ElapsedNs)/float64(rr.OK))
			}
		}
		ns = append(ns, (cpu[1]-cpu[0])/(2*crowd))
	}
	return entry{spreadOf(ns), spreadOf(roundTrip)}, nil
}

// crowded runs the traffic with n empty programs at readPoint.
func crowded(ctx context.Context, p *pair, slice time.Duration, n int) (carried, error) {
	empty := &floor{}
	defer empty.close()
	for range n {
		if err := empty.attach(readPoint); err != nil {
			return carried{}, err
		}
	}
	return p.roundTrips(ctx, slice)
}
