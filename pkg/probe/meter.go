package probe

import (
	"io"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// meter measures what the programs cost. The kernel's own accounting
// (BPF_ENABLE_STATS) takes two clock reads a run, so it is switched on for a
// short slice now and then.
type meter struct {
	stats io.Closer
	begun time.Time
	from  map[string]ebpf.ProgramStats
}

// Cost is the programs' share of CPU time during one slice.
type Cost struct {
	Window     time.Duration // length of the slice
	Runtime    time.Duration // spent in the programs, over all CPUs
	Runs       uint64        // invocations
	NsPerStop  float64
	CPUPercent float64 // of one core
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
	p.meter = meter{stats: stats, begun: time.Now(), from: p.programStats()}
	return nil
}

// MeterStop ends the slice and tells what it saw; ok is false when none was
// begun or no program ran.
func (p *Probe) MeterStop() (c Cost, ok bool) {
	if p.meter.stats == nil {
		return c, false
	}
	c.Window = time.Since(p.meter.begun)
	for name, st := range p.programStats() {
		c.Runtime += st.Runtime - p.meter.from[name].Runtime
		c.Runs += st.RunCount - p.meter.from[name].RunCount
	}
	p.meter.close()
	if c.Runs == 0 {
		return c, false
	}
	c.NsPerStop = float64(c.Runtime.Nanoseconds()) / float64(c.Runs)
	c.CPUPercent = 100 * c.Runtime.Seconds() / c.Window.Seconds()
	return c, true
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
