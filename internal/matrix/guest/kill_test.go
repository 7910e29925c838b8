//go:build matrix

package guest

import (
	"bufio"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"github.com/hopscope/hopscope/pkg/probe"
)

const (
	holdVariable = "HOPSCOPE_MATRIX_HOLD"
	holding      = "holding"
)

// TestHold is no test: TestSIGKILLLeavesNothing runs it as a process of its own.
func TestHold(t *testing.T) {
	if os.Getenv(holdVariable) == "" {
		t.Skip("run by TestSIGKILLLeavesNothing")
	}
	if _, err := probe.Open(probe.Config{RingBytes: 1 << 20, Slots: 64, Sockets: 64}); err != nil {
		t.Fatalf("open: %+v", err)
	}
	fmt.Println(holding)
	time.Sleep(time.Minute) // killed long before
}

// What the tool put into the kernel goes with its process, also when nothing
// of it can run any more.
func TestSIGKILLLeavesNothing(t *testing.T) {
	before := kernelObjects(t)
	cmd := exec.Command(os.Args[0], "-test.run=^TestHold$")
	cmd.Env = append(os.Environ(), holdVariable+"=1")
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	must(t, err, "pipe")
	must(t, cmd.Start(), "start the tool")
	var said []string
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if said = append(said, lines.Text()); lines.Text() == holding {
			break
		}
	}
	if len(said) == 0 || said[len(said)-1] != holding {
		t.Fatalf("the tool did not open:\n%s", strings.Join(said, "\n"))
	}
	open := kernelObjects(t)
	must(t, cmd.Process.Kill(), "kill the tool")
	_ = cmd.Wait()

	deadline := time.Now().Add(10 * time.Second) // freed after grace periods
	after := kernelObjects(t)
	for ; !maps.Equal(after, before) && time.Now().Before(deadline); after = kernelObjects(t) {
		time.Sleep(20 * time.Millisecond)
	}
	t.Logf("%d objects before, %d while open, %d after", len(before), len(open), len(after))
	if len(open) < len(before)+10 {
		t.Errorf("%d objects while the tool is open, %d before: it was not seen", len(open), len(before))
	}
	if !maps.Equal(after, before) {
		t.Errorf("left behind: %v, there before: %v", slices.Sorted(maps.Keys(after)), slices.Sorted(maps.Keys(before)))
	}
}

// kernelObjects lists the programs, maps and links that there are.
func kernelObjects(t *testing.T) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	for id, err := ebpf.ProgramGetNextID(0); ; id, err = ebpf.ProgramGetNextID(id) {
		if errors.Is(err, os.ErrNotExist) {
			break
		}
		must(t, err, "list programs")
		found[fmt.Sprint("program ", id)] = true
	}
	for id, err := ebpf.MapGetNextID(0); ; id, err = ebpf.MapGetNextID(id) {
		if errors.Is(err, os.ErrNotExist) {
			break
		}
		must(t, err, "list maps")
		found[fmt.Sprint("map ", id)] = true
	}
	var links link.Iterator
	defer links.Close()
	for links.Next() {
		found[fmt.Sprint("link ", links.ID)] = true
	}
	must(t, links.Err(), "list links")
	return found
}
