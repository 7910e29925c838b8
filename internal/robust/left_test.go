package robust

import (
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/internal/lab/program"
)

// A tracer whose test was killed holds its place at the kernel's hooks until the
// next sweep.
func TestSweepEndsALeftTracer(t *testing.T) {
	lab.Lock(t)
	r := program.Command(t, "trace", "--no-save", "-v")
	through(t, "leave")(r.Cmd)
	r.Cmd.WaitDelay = time.Second // what is left has its stderr
	r.Start(t)
	var pid int
	lab.Eventually(t, "it tells whom it has started", func() (known bool) {
		var err error
		pid, err = strconv.Atoi(strings.TrimSpace(r.Stdout.String()))
		return err == nil
	})
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
	r.Says(t, "procfs:") // when all is attached
	held := lab.ObjectsOf(t, pid)
	if len(held.Links) < 10 {
		t.Fatalf("it holds %+v", held)
	}
	lab.SweepPrograms(t) // its test lives
	if held.Left() == "" {
		t.Fatal("a living test's program was ended")
	}
	if err := r.Cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	r.Wait(t)
	if syscall.Kill(pid, 0) != nil {
		t.Fatal("it ended with its test: nothing is tried")
	}
	lab.SweepPrograms(t)
	lab.Eventually(t, "nothing of the tracer is left in the kernel", func() bool { return held.Left() == "" })
}
