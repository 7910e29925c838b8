package main

import (
	"context"
	"errors"
	"runtime"
	"time"

	"github.com/hopscope/hopscope/pkg/journey"
	"github.com/hopscope/hopscope/pkg/pipeline"
	"github.com/hopscope/hopscope/pkg/probe"
)

// keptRecords is how many records of a slice are kept for measureUserspace:
// enough to exceed the CPU's caches, as the kernel's ring does.
const keptRecords = 20_000

// records is what the kernel side emitted in one slice.
type records struct {
	count, bytes uint64
	took         time.Duration
	kept         [][]byte
}

func newRecords() *records { return &records{} }

// reading is a reader of the ring that runs beside the traffic.
type reading struct {
	cancel context.CancelFunc
	done   chan error
}

func (r *records) take(ctx context.Context, pr *probe.Probe) reading {
	ctx, cancel := context.WithCancel(ctx)
	reading := reading{cancel, make(chan error, 1)}
	begun := time.Now()
	go func() {
		err := pr.Read(ctx, pipeline.Drain, probe.Records{Journey: r.add})
		r.took = time.Since(begun)
		reading.done <- err
	}()
	return reading
}

func (r *records) add(raw []byte) {
	r.count++
	r.bytes += uint64(len(raw))
	if len(r.kept) < keptRecords {
		r.kept = append(r.kept, append([]byte(nil), raw...))
	}
}

// stop takes in what is still under way.
func (r reading) stop() error {
	r.cancel()
	return <-r.done
}

// Userspace is what decoding and aggregating the same records takes, on one
// CPU, without waiting for them.
type Userspace struct {
	RecordsPerSecond Spread  `json:"records_per_second"`
	Headroom         Spread  `json:"headroom"` // by the records per second of the traffic that made them
	AllocsPerRecord  float64 `json:"allocations_per_record"`
}

// addRecords adds what the records themselves tell.
func (k *Kernel) addRecords(meterings []metering) error {
	var stops, kept, bytes, count uint64
	var rates, headroom []float64
	for _, m := range meterings {
		var j journey.Journey
		for _, raw := range m.records.kept {
			if err := journey.Decode(raw, &j); err != nil {
				return err
			}
			stops += uint64(len(j.Stops))
		}
		kept += uint64(len(m.records.kept))
		bytes += m.records.bytes
		count += m.records.count
		rate, allocs, err := userspaceRate(m.records.kept)
		if err != nil {
			return err
		}
		rates = append(rates, rate)
		headroom = append(headroom, rate/(float64(m.records.count)/m.records.took.Seconds()))
		k.Userspace.AllocsPerRecord = allocs
	}
	if kept == 0 {
		return errors.New("no records")
	}
	k.Userspace.RecordsPerSecond, k.Userspace.Headroom = spreadOf(rates), spreadOf(headroom)
	k.Stops = float64(stops) / float64(kept)
	k.RecordBytes = float64(bytes) / float64(count)
	k.StopNs = k.PacketNs.scaled(1 / k.Stops)
	return nil
}

// passes is how often userspaceRate takes the records.
const passes = 10

// userspaceRate gives records per second and allocations a record.
func userspaceRate(raw [][]byte) (rate, allocs float64, err error) {
	p := pipeline.New(pipeline.Match{})
	pass := func() {
		for _, r := range raw {
			p.Record(r)
		}
	}
	pass() // the sums' first entries
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	begun := time.Now()
	for range passes {
		pass()
	}
	took := time.Since(begun)
	runtime.ReadMemStats(&after)
	if left := p.LeftOut(); left != (pipeline.LeftOut{}) {
		return 0, 0, errors.New("a record was left out")
	}
	n := float64(passes * len(raw))
	return n / took.Seconds(), float64(after.Mallocs-before.Mallocs) / n, nil
}
