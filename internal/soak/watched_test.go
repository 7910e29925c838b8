package soak

import (
	"slices"
	"testing"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/internal/lab/program"
	"github.com/hopscope/hopscope/pkg/model"
)

// watched is a tracer, with what it held at the end of each round.
type watched struct {
	name string
	run  *program.Running
	rss  []int // kB
	fds  []int
	held [][]string // what the descriptors are
}

func watch(t *testing.T, name string, args ...string) *watched {
	t.Helper()
	w := &watched{name: name, run: program.Start(t, args...)}
	w.run.Says(t, "procfs:") // with -v, once all programs are attached
	return w
}

func (w *watched) look(t *testing.T) {
	t.Helper()
	w.rss = append(w.rss, w.run.RSS(t))
	held := w.run.Descriptors(t)
	w.fds, w.held = append(w.fds, len(held)), append(w.held, held)
}

// end ends the tracer: its books balance, and nothing of it stays in the kernel.
func (w *watched) end(t *testing.T) model.Snapshot {
	t.Helper()
	held := lab.ObjectsOf(t, w.run.Cmd.Process.Pid)
	o := w.run.Interrupt(t)
	o.WantDone(t)
	s := summary(t, o.Stdout)
	a, lost := s.Accounting, uint64(0)
	for _, n := range a.Lost {
		lost += n
	}
	t.Logf("%s: tracked %d, emitted %d, suppressed %d, filtered %d, lost %v, sample rate %g", w.name, a.Tracked, a.Emitted, a.Suppressed, a.Filtered, a.Lost, a.SampleRate)
	if a.Tracked != a.Completed+a.InFlight+lost {
		t.Errorf("%s: tracked %d != completed %d + in flight %d + lost %v", w.name, a.Tracked, a.Completed, a.InFlight, a.Lost)
	}
	if a.Completed != a.Emitted+a.Suppressed+a.Filtered {
		t.Errorf("%s: completed %d != emitted %d + suppressed %d + filtered %d", w.name, a.Completed, a.Emitted, a.Suppressed, a.Filtered)
	}
	if len(held.Programs) < 10 || len(held.Links) < 10 {
		t.Errorf("%s: held only %+v", w.name, held)
	}
	lab.Eventually(t, "nothing is left in the kernel", func() bool { return held.Left() == "" })
	return s
}

const (
	// slackKB is what the garbage collector may hold more at one time than at
	// another.
	slackKB = 24 << 10
	// perMortalKB is what a container that is gone costs until the end of the
	// trace: its name, and the distributions of its two paths.
	perMortalKB = 256
)

// wantFlat compares the first third of the rounds with the last one. mortals
// are the containers that came and went within what the tracer follows.
func (w *watched) wantFlat(t *testing.T, mortals int) {
	t.Helper()
	third := max(len(w.rss)/3, 1)
	first, last := slices.Max(w.rss[:third]), slices.Min(w.rss[len(w.rss)-third:])
	t.Logf("%s: %d kB, then %d; memory %v, descriptors %v", w.name, first, last, w.rss, w.fds)
	if may := first + slackKB + perMortalKB*mortals; last > may {
		t.Errorf("%s: memory grows from %d to %d kB, want at most %d", w.name, first, last, may)
	}
	if first, last := slices.Max(w.fds[:third]), slices.Min(w.fds[len(w.fds)-third:]); last > first {
		t.Errorf("%s: descriptors grow from %d to %d: %v\nfrom %q\nto %q", w.name, first, last, w.fds, w.held[0], w.held[len(w.held)-1])
	}
}
