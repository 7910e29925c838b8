package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
)

// metered is a kernel program whose runs are counted and timed (bpf_stats).
type metered struct {
	name string
	prog *ebpf.Program
}

// meteredSince opens the programs that were not there before: those of the
// probe that was opened in between. The lab's lock keeps other tracers away.
func meteredSince(before map[ebpf.ProgramID]bool) ([]metered, error) {
	now, err := programIDs()
	if err != nil {
		return nil, err
	}
	var out []metered
	for id := range now {
		if before[id] {
			continue
		}
		prog, err := ebpf.NewProgramFromID(id)
		if err != nil {
			closePrograms(out)
			return nil, fmt.Errorf("open program %d: %w", id, err)
		}
		info, err := prog.Info()
		if err != nil || !strings.HasPrefix(info.Name, "hs_") {
			prog.Close() // a container's device filter, say
			continue
		}
		// A program is named by its trace point, a second one there with _again.
		point := strings.TrimSuffix(strings.TrimPrefix(info.Name, "hs_"), "_again")
		out = append(out, metered{point, prog})
	}
	return out, nil
}

func closePrograms(programs []metered) {
	for _, p := range programs {
		p.prog.Close()
	}
}

// floor is one empty program on each tracepoint that a program of ours uses.
// What it takes is the accounting itself: two clock reads and the call.
type floor struct {
	programs []metered
	links    []link.Link
}

func attachFloor(programs []metered) (*floor, error) {
	f := &floor{}
	for _, p := range programs {
		if p.prog.Type() != ebpf.Tracing {
			continue
		}
		if err := f.attach(p.name); err != nil {
			f.close()
			return nil, fmt.Errorf("empty program on %s: %w", p.name, err)
		}
	}
	return f, nil
}

func (f *floor) attach(tracepoint string) error {
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.Tracing, AttachType: ebpf.AttachTraceRawTp, AttachTo: tracepoint,
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
		License:      "GPL",
	})
	if err != nil {
		return err
	}
	f.programs = append(f.programs, metered{tracepoint, prog})
	l, err := link.AttachTracing(link.TracingOptions{Program: prog})
	if err != nil {
		return err
	}
	f.links = append(f.links, l)
	return nil
}

func (f *floor) close() {
	for _, l := range f.links {
		l.Close()
	}
	closePrograms(f.programs)
}

// runs is what a program did within a slice.
type runs struct {
	count uint64
	time  time.Duration
}

func (r runs) nsPerRun() float64 { return float64(r.time.Nanoseconds()) / float64(r.count) }

// statsOf reads the programs' totals. Programs that share a name are added.
func statsOf(programs []metered) (map[string]runs, error) {
	out := make(map[string]runs, len(programs))
	var errs []error
	for _, p := range programs {
		st, err := p.prog.Stats()
		if err != nil {
			errs = append(errs, fmt.Errorf("statistics of %s: %w", p.name, err))
			continue
		}
		r := out[p.name]
		out[p.name] = runs{r.count + st.RunCount, r.time + st.Runtime}
	}
	return out, errors.Join(errs...)
}

// since gives the runs between two readings, without programs that did not run.
func since(from, to map[string]runs) map[string]runs {
	out := make(map[string]runs, len(to))
	for name, r := range to {
		if n := r.count - from[name].count; n > 0 {
			out[name] = runs{n, r.time - from[name].time}
		}
	}
	return out
}
