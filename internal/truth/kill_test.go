package truth

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/internal/lab/program"
)

// Nothing is pinned: what the tool put into the kernel goes with the process,
// however it ends, and the packets that its programs saw go on.
func TestKilledLeavesNothingBehind(t *testing.T) {
	p := sharedPair(t)
	load := p.client.Start("rr", "--count", "8000", "--rate", "2000", "--connections", "2", p.at)
	run := program.Start(t, "trace", "--no-save", "--container", p.web.Name, "--sample", "1")
	run.Tracing(t)
	time.Sleep(500 * time.Millisecond)

	held := lab.ObjectsOf(t, run.Cmd.Process.Pid)
	t.Logf("%d programs, %d maps, %d links", len(held.Programs), len(held.Maps), len(held.Links))
	if len(held.Programs) < 10 || len(held.Maps) < 5 || len(held.Links) < 10 {
		t.Errorf("the process holds only %+v", held)
	}
	if n := len(hopscopePrograms(t)); n < len(held.Programs) {
		t.Errorf("the kernel lists %d programs of ours, the process holds %d", n, len(held.Programs))
	}
	if err := run.Cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if ended := run.Wait(t); ended.Code != -1 {
		t.Fatalf("the program ended by itself: %+v", ended)
	}
	// The kernel frees after a grace period, from a work queue.
	lab.Eventually(t, "all programs, maps and links are gone", func() bool { return held.Left() == "" })
	wantOK(t, load.Wait(), 8000)
	wantOK(t, p.client.Run("rr", "--count", "100", p.at), 100)
}

// hopscopePrograms lists the kernel's programs by our prefix.
func hopscopePrograms(t *testing.T) (names []string) {
	t.Helper()
	var id ebpf.ProgramID
	for {
		next, err := ebpf.ProgramGetNextID(id)
		if errors.Is(err, os.ErrNotExist) {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		id = next
		p, err := ebpf.NewProgramFromID(id)
		if err != nil {
			continue // gone meanwhile
		}
		if info, err := p.Info(); err == nil && strings.HasPrefix(info.Name, "hs_") {
			names = append(names, info.Name)
		}
		p.Close()
	}
}
