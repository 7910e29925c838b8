package probe

import (
	"io"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/hopscope/hopscope/bpf"
)

// meter measures what the programs cost. The kernel's own accounting
// (BPF_ENABLE_STATS) takes two clock reads a run, so it is switched on for a
// short slice now and then.
type meter struct {
	stats io.Closer
	begun time.Time
	from  map[string]ebpf.ProgramStats
	born  uint64
}

// Cost is the programs' share of CPU time during one slice.
type Cost struct {
	Window  time.Duration // length of the slice
	Runtime time.Duration // spent in the programs, over all CPUs
	Runs    uint64        // invocations
	Packets uint64        // births, tracked or not
}

// MeterStart begins a slice.
func (p *Probe) MeterStart() error {
	if p.meter.stats != nil {
		return nil
	}
	stats, err := ebpf.EnableStats(unix.BPF_STATS_RUN_TIME)
	if err != nil {
		return err
	}
	p.meter = meter{stats: stats, begun: time.Now(), from: p.programStats(), born: p.births()}
	return nil
}

// MeterStop ends the slice and tells what it saw; ok is false when none was
// begun.
func (p *Probe) MeterStop() (c Cost, ok bool) {
	if p.meter.stats == nil {
		return c, false
	}
	c.Window = time.Since(p.meter.begun)
	for name, st := range p.programStats() {
		c.Runtime += st.Runtime - p.meter.from[name].Runtime
		c.Runs += st.RunCount - p.meter.from[name].RunCount
	}
	c.Packets = p.births() - p.meter.born
	p.meter.close()
	return c, true
}

// Busy is the time that Read has spent on records, as opposed to waiting.
func (p *Probe) Busy() time.Duration { return time.Duration(p.busy.Load()) }

// births counts every packet that began here, tracked or left out by sampling.
func (p *Probe) births() uint64 {
	total, err := p.totals()
	if err != nil {
		return 0
	}
	return total[bpf.HopscopeHsCounterHS_C_TRACKED] + total[bpf.HopscopeHsCounterHS_C_UNSAMPLED]
}

func (p *Probe) programStats() map[string]ebpf.ProgramStats {
	out := make(map[string]ebpf.ProgramStats, len(p.coll.Programs))
	for name, prog := range p.coll.Programs {
		if st, err := prog.Stats(); err == nil {
			out[name] = *st
		}
	}
	return out
}

func (m *meter) close() {
	if m.stats != nil {
		m.stats.Close()
		m.stats = nil
	}
}
