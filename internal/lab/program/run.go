package program

import (
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/hopscope/hopscope/internal/lab"
)

// patience is how long a run may take to end.
const patience = time.Minute

// Running is a run of the program.
type Running struct {
	Cmd            *exec.Cmd
	Stdout, Stderr lab.Output

	begun time.Time
	ended chan struct{} // closed when the program has ended
	held  lab.Objects   // what it held in the kernel when it last said what it was to say
}

// Command prepares a run, so that the test may change it before Start. It runs
// in a directory of its own, where it saves its captures.
func Command(t lab.TB, args ...string) *Running {
	t.Helper()
	r := &Running{Cmd: exec.Command(Path(t), args...), ended: make(chan struct{})}
	r.Cmd.Dir = t.TempDir()
	r.Cmd.Stdout, r.Cmd.Stderr = &r.Stdout, &r.Stderr
	return r
}

// Start starts the program; it is killed if it runs when the test ends.
func Start(t lab.TB, args ...string) *Running {
	t.Helper()
	r := Command(t, args...)
	r.Start(t)
	return r
}

// Run runs the program to its end, for a minute at most.
func Run(t lab.TB, args ...string) Ending {
	t.Helper()
	return Start(t, args...).Wait(t)
}

// Start starts what Command prepared.
func (r *Running) Start(t lab.TB) {
	t.Helper()
	r.begun = time.Now()
	if err := r.Cmd.Start(); err != nil {
		t.Fatalf("start %v: %v", r.Cmd.Args, err)
	}
	go func() {
		_ = r.Cmd.Wait() // the exit code is in ProcessState
		close(r.ended)
	}()
	t.Cleanup(func() {
		_ = r.Cmd.Process.Kill()
		<-r.ended
	})
}

// Wait waits until the program ends by itself, for a minute at most. However it
// ends, what Says saw it hold must be gone from the kernel soon.
func (r *Running) Wait(t lab.TB) Ending {
	t.Helper()
	select {
	case <-r.ended:
	case <-time.After(patience):
		t.Fatalf("%v did not end within %s; stderr: %s", r.Cmd.Args, patience, r.Stderr.String())
	}
	// The kernel frees after a grace period, from a work queue.
	lab.Eventually(t, "nothing of the program's is left in the kernel", func() bool { return r.held.Left() == "" })
	return Ending{
		Stdout: r.Stdout.String(), Stderr: r.Stderr.String(),
		Code: r.Cmd.ProcessState.ExitCode(), Took: time.Since(r.begun),
	}
}

// Interrupt ends the program as Ctrl-C does, and waits.
func (r *Running) Interrupt(t lab.TB) Ending {
	t.Helper()
	if err := r.Cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatalf("interrupt %v: %v", r.Cmd.Args, err)
	}
	return r.Wait(t)
}

// Ended says whether the program has ended.
func (r *Running) Ended() bool {
	select {
	case <-r.ended:
		return true
	default:
		return false
	}
}

// Says waits until the program has said something on stderr.
func (r *Running) Says(t lab.TB, what string) {
	t.Helper()
	for deadline := time.Now().Add(patience); !strings.Contains(r.Stderr.String(), what); time.Sleep(10 * time.Millisecond) {
		if r.Ended() || time.Now().After(deadline) {
			t.Fatalf("%v never says %q; stderr: %s", r.Cmd.Args, what, r.Stderr.String())
		}
	}
	r.held = lab.ObjectsOf(t, r.Cmd.Process.Pid)
}

// Tracing waits until all programs are attached, which the sentence about the
// selection follows.
func (r *Running) Tracing(t lab.TB) {
	t.Helper()
	r.Says(t, "tracing ")
	if len(r.held.Programs) < 10 || len(r.held.Links) < 10 {
		t.Errorf("%v traces with no more than %+v", r.Cmd.Args, r.held)
	}
}
