package probe

import (
	"errors"
	"io"
	"io/fs"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/hopscope/hopscope/bpf"
)

// meter measures what the programs cost. The kernel's own accounting
// (BPF_ENABLE_STATS) takes two clock reads a run, so it is switched on for a
// short slice now and then. Without CAP_SYS_ADMIN the kernel does not switch it
// on: then the cost is estimated from what the programs count themselves.
type meter struct {
	on    bool
	stats io.Closer // nil: not permitted
	begun time.Time
	from  map[string]ebpf.ProgramStats
	work  work
}

// work is what the programs did so far, by their own counters.
type work struct{ runs, tracked, born uint64 }

// What a run costs, and a tracked packet beyond its runs, for an estimate: a quarter
// more than measured on a slow virtual machine (docs/performance.md), so that the
// budget is kept rather than used up.
const (
	estimatedRun     = 160 * time.Nanosecond
	estimatedTracked = 2800 * time.Nanosecond
)

// Cost is the programs' share of CPU time during one slice.
type Cost struct {
	Window  time.Duration // length of the slice
	Runtime time.Duration // spent in the programs, over all CPUs
	Runs    uint64        // invocations
	Packets uint64        // births, tracked or not

	Estimate  time.Duration // Runtime, by the programs' own counters
	Estimated bool          // the kernel does not tell: Runtime is the estimate
}

// MeterStart begins a slice.
func (p *Probe) MeterStart() error {
	if p.meter.on {
		return nil
	}
	stats, err := ebpf.EnableStats(unix.BPF_STATS_RUN_TIME)
	if err != nil && !errors.Is(err, fs.ErrPermission) {
		return err
	}
	done, err := p.work()
	if err != nil {
		return errors.Join(err, closeStats(stats))
	}
	p.meter = meter{on: true, stats: stats, begun: time.Now(), from: p.programStats(), work: done}
	return nil
}

// MeterStop ends the slice and tells what it saw; ok is false when none was
// begun.
func (p *Probe) MeterStop() (c Cost, ok bool) {
	if !p.meter.on {
		return c, false
	}
	defer p.meter.close()
	done, err := p.work()
	if err != nil {
		return c, false
	}
	done = done.since(p.meter.work)
	c.Window, c.Packets, c.Estimate = time.Since(p.meter.begun), done.born, done.estimate()
	if p.meter.stats == nil {
		c.Runtime, c.Runs, c.Estimated = c.Estimate, done.runs, true
		return c, true
	}
	for name, st := range p.programStats() {
		c.Runtime += st.Runtime - p.meter.from[name].Runtime
		c.Runs += st.RunCount - p.meter.from[name].RunCount
	}
	return c, true
}

func (w work) since(o work) work {
	return work{w.runs - o.runs, w.tracked - o.tracked, w.born - o.born}
}

func (w work) estimate() time.Duration {
	return time.Duration(w.runs)*estimatedRun + time.Duration(w.tracked)*estimatedTracked
}

// Busy is the time that Read has spent on records, as opposed to waiting.
func (p *Probe) Busy() time.Duration { return time.Duration(p.busy.Load()) }

// work reads the programs' counters. Born is every packet that began here,
// tracked or left out by sampling.
func (p *Probe) work() (w work, err error) {
	total, err := p.totals()
	if err != nil {
		return w, err
	}
	for _, c := range runCounters {
		w.runs += total[c.index]
	}
	w.tracked = total[bpf.HopscopeHsCounterHS_C_TRACKED]
	w.born = w.tracked + total[bpf.HopscopeHsCounterHS_C_UNSAMPLED]
	return w, nil
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
	_ = closeStats(m.stats) // only read through
	m.stats, m.on = nil, false
}

// closeStats switches the kernel's accounting off again, if it was on.
func closeStats(stats io.Closer) error {
	if stats == nil {
		return nil
	}
	return stats.Close()
}
