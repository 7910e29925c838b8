package pipeline

import (
	"context"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hopscope/hopscope/pkg/model"
	"github.com/hopscope/hopscope/pkg/probe"
)

// The kernel's own accounting of program run time costs two clock reads a run:
// it is on for one slice in twenty.
const (
	sliceEvery  = 2 * time.Second
	sliceLength = 100 * time.Millisecond
)

// ownCost is what the tool itself takes.
type ownCost struct {
	mu    sync.Mutex
	begun time.Time
	user  time.Duration // CPU time of this process when it began
	bpf   probe.Cost    // sums over all slices

	marks []mark // of the last seconds, the oldest first

	guess    bool      // the kernel does not tell the programs' cost
	lastAt   time.Time // end of the latest slice
	lastBusy time.Duration
}

// mark is what the cost had come to at one time.
type mark struct {
	at   time.Time
	user time.Duration
	bpf  probe.Cost
}

// presentMarks is how many of them are kept, one a slice: of ten seconds.
const presentMarks = 6

func (o *ownCost) start() {
	o.begun, o.user = time.Now(), processTime()
	o.lastAt = o.begun
}

// mark keeps what the cost has come to.
func (o *ownCost) mark(at time.Time, user time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.marks = append(o.marks[max(0, len(o.marks)-presentMarks+1):], mark{at, user, o.bpf})
}

func (o *ownCost) add(c probe.Cost) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.bpf.Window += c.Window
	o.bpf.Runtime += c.Runtime
	o.bpf.Runs += c.Runs
	o.bpf.Packets += c.Packets
}

// cost is null where nothing was measured yet.
func (o *ownCost) cost() model.Cost {
	o.mu.Lock()
	defer o.mu.Unlock()
	var c model.Cost
	if o.bpf.Packets > 0 {
		ns := float64(o.bpf.Runtime.Nanoseconds()) / float64(o.bpf.Packets)
		c.BPFNsPerPacket = &ns
	}
	if o.bpf.Window > 0 {
		pct := 100 * o.bpf.Runtime.Seconds() / o.bpf.Window.Seconds()
		c.BPFCPUPercent = &pct
	}
	pct := o.userPercent()
	c.UserCPUPercent = &pct
	if rss, ok := residentBytes(); ok {
		c.RSSBytes = &rss
	}
	return c
}

func (o *ownCost) userPercent() float64 {
	return 100 * (processTime() - o.user).Seconds() / time.Since(o.begun).Seconds()
}

// present is c with the CPU time of the last seconds in place of that since the
// start, which a start of much work and an hour of rest would hide.
func (o *ownCost) present(c model.Cost, now time.Time, user time.Duration) model.Cost {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.marks) == 0 || !now.After(o.marks[0].at) {
		return c
	}
	from := &o.marks[0]
	own := 100 * (user - from.user).Seconds() / now.Sub(from.at).Seconds()
	c.UserCPUPercent = &own
	if window := o.bpf.Window - from.bpf.Window; window > 0 {
		bpf := 100 * (o.bpf.Runtime - from.bpf.Runtime).Seconds() / window.Seconds()
		c.BPFCPUPercent = &bpf
	}
	return c
}

// PresentCost is what tracing takes at present, where [Session.Meta] has the
// average since the start.
func (s *Session) PresentCost() model.Cost {
	return s.own.present(s.own.cost(), time.Now(), processTime())
}

// percent is the present cost of what sampling can lower, in percent of one
// CPU: the programs' during the slice, and that of taking in records since the
// slice before, for they come in bursts.
func (o *ownCost) percent(slice probe.Cost, busy time.Duration) float64 {
	now := time.Now()
	p := 100*slice.Runtime.Seconds()/slice.Window.Seconds() +
		100*(busy-o.lastBusy).Seconds()/now.Sub(o.lastAt).Seconds()
	o.lastAt, o.lastBusy = now, busy
	return p
}

// estimates finds out whether the kernel tells what the programs cost.
func (s *Session) estimates() bool {
	if s.probe.MeterStart() != nil {
		return true
	}
	c, _ := s.probe.MeterStop()
	return c.Estimated
}

// measure takes one slice and, where the sample rate is ours to choose, keeps
// the cost within the budget.
func (s *Session) measure(ctx context.Context) {
	s.own.mark(time.Now(), processTime())
	if err := s.probe.MeterStart(); err != nil {
		return // not permitted: the cost stays unknown, and is shown so
	}
	select {
	case <-ctx.Done():
	case <-time.After(sliceLength):
	}
	c, ok := s.probe.MeterStop()
	if !ok {
		return
	}
	if !c.Estimated {
		s.own.add(c)
	}
	if s.opts.Sample != 0 {
		return
	}
	percent := s.own.percent(c, s.probe.Busy()) / float64(runtime.NumCPU())
	if err := s.probe.SetSample(s.gov.next(percent)); err != nil {
		s.pipe.noteError(err)
	}
}

// processTime is the CPU time of this process (getrusage(2)).
func processTime() time.Duration {
	var ru unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &ru); err != nil {
		return 0
	}
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}

// residentBytes is the second field of /proc/self/statm, in pages.
func residentBytes() (uint64, bool) {
	data, err := os.ReadFile("/proc/self/statm")
	fields := strings.Fields(string(data))
	if err != nil || len(fields) < 2 {
		return 0, false
	}
	pages, err := strconv.ParseUint(fields[1], 10, 64)
	return pages * uint64(os.Getpagesize()), err == nil
}
