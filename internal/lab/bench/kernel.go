package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/pkg/probe"
)

// metering is one slice of round trips under the kernel's accounting.
type metering struct {
	packets uint64 // born in the slice, tracked or not
	ours    map[string]runs
	empty   map[string]runs
	records *records
}

// measureKernel meters the programs with every packet tracked and with few,
// in turns. A probe is opened for each slice: its maps and programs then lie
// elsewhere in memory, as they do from one start of the tool to the next.
func measureKernel(ctx context.Context, t lab.TB, p *pair, o options) (Kernel, error) {
	samples := []uint32{1, sparse}
	meterings := make([][]metering, len(samples))
	places := newPlaces()
	for round := range o.rounds {
		t.Logf("kernel programs, round %d of %d", round+1, o.rounds)
		for _, i := range rotated(len(samples), round) {
			err := places.elsewhere(func() error {
				m, err := meter(ctx, p, o, samples[i])
				meterings[i] = append(meterings[i], m)
				return err
			})
			if err != nil {
				return Kernel{}, err
			}
		}
	}
	return newKernel(meterings[0], meterings[1])
}

func meter(ctx context.Context, p *pair, o options, sample uint32) (m metering, err error) {
	before, err := programIDs()
	if err != nil {
		return m, err
	}
	pr, err := probe.Open(probe.Config{Sample: sample})
	if err != nil {
		return m, err
	}
	defer pr.Close()
	ours, err := meteredSince(before)
	if err != nil {
		return m, err
	}
	defer closePrograms(ours)
	empty, err := attachFloor(ours)
	if err != nil {
		return m, err
	}
	defer empty.close()

	m.records = newRecords()
	reading := m.records.take(ctx, pr)
	err = m.slice(ctx, p, o, pr, ours, empty.programs)
	return m, errors.Join(err, reading.stop(), lossOf(pr))
}

// slice runs the traffic with the kernel's accounting switched on.
func (m *metering) slice(ctx context.Context, p *pair, o options, pr *probe.Probe, ours, empty []metered) error {
	stats, err := ebpf.EnableStats(unix.BPF_STATS_RUN_TIME)
	if err != nil {
		return fmt.Errorf("switch on the accounting of programs: %w", err)
	}
	defer stats.Close()
	oursFrom, err1 := statsOf(ours)
	emptyFrom, err2 := statsOf(empty)
	born, err3 := births(pr)
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	if _, err := p.roundTrips(ctx, o.slice); err != nil {
		return err
	}
	oursTo, err1 := statsOf(ours)
	emptyTo, err2 := statsOf(empty)
	bornTo, err3 := births(pr)
	m.ours, m.empty, m.packets = since(oursFrom, oursTo), since(emptyFrom, emptyTo), bornTo-born
	return errors.Join(err1, err2, err3)
}

func births(pr *probe.Probe) (uint64, error) {
	c, err := pr.Counts()
	return c.Tracked + c.Notes["unsampled"], err
}

func lossOf(pr *probe.Probe) error {
	c, err := pr.Counts()
	if err != nil {
		return err
	}
	if n := c.LostTotal(); n > 0 {
		return fmt.Errorf("%d of %d journeys were lost: %v", n, c.Tracked, c.Lost)
	}
	return nil
}
