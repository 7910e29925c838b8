package truth

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
)

// Nothing is pinned: what the tool put into the kernel goes with the process,
// however it ends, and the packets that its programs saw go on.
func TestKilledLeavesNothingBehind(t *testing.T) {
	p := newPair(t)
	path := buildProgram(t)
	load := p.client.Start("rr", "--count", "8000", "--rate", "2000", "--connections", "2", p.at)
	r := start(t, path, "trace", "--no-save", "--container", p.web.Name, "--sample", "1")
	eventually(t, "tracing begins", r.saysTracing)
	time.Sleep(500 * time.Millisecond)

	held := heldBy(t, r.cmd.Process.Pid)
	t.Logf("%d programs, %d maps, %d links", len(held.programs), len(held.maps), len(held.links))
	if len(held.programs) < 10 || len(held.maps) < 5 || len(held.links) < 10 {
		t.Errorf("the process holds only %+v", held)
	}
	if n := len(hopscopePrograms(t)); n < len(held.programs) {
		t.Errorf("the kernel lists %d programs of ours, the process holds %d", n, len(held.programs))
	}
	if err := r.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Wait(); err == nil {
		t.Fatal("the program ended by itself")
	}
	// The kernel frees after a grace period, from a work queue.
	eventually(t, "all programs, maps and links are gone", func() bool { return held.left() == "" })
	wantOK(t, load.Wait(), 8000)
	wantOK(t, p.client.Run("rr", "--count", "100", p.at), 100)
}

// objects are the ids of what a process holds in the kernel's BPF subsystem.
type objects struct {
	programs []ebpf.ProgramID
	maps     []ebpf.MapID
	links    []link.ID
}

// heldBy reads them from the process's descriptors (proc_pid_fdinfo(5)).
func heldBy(t *testing.T, pid int) objects {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/fdinfo/*", pid))
	if err != nil {
		t.Fatal(err)
	}
	var o objects
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			continue // closed meanwhile
		}
		o.add(string(content))
	}
	return o
}

// add takes one descriptor. That of a link names its program too.
func (o *objects) add(fdinfo string) {
	ids := map[string]uint64{}
	for lines := bufio.NewScanner(strings.NewReader(fdinfo)); lines.Scan(); {
		key, value, _ := strings.Cut(lines.Text(), ":")
		if id, err := strconv.ParseUint(strings.TrimSpace(value), 10, 32); err == nil {
			ids[key] = id
		}
	}
	if id, ok := ids["link_id"]; ok {
		o.links = append(o.links, link.ID(id))
	} else if id, ok := ids["prog_id"]; ok {
		o.programs = append(o.programs, ebpf.ProgramID(id))
	} else if id, ok := ids["map_id"]; ok {
		o.maps = append(o.maps, ebpf.MapID(id))
	}
}

// left names the first object that still exists, "" when there is none. Ids
// are not used again until 2^31 were (idr_alloc_cyclic).
func (o *objects) left() string {
	for _, id := range o.programs {
		if p, err := ebpf.NewProgramFromID(id); !errors.Is(err, os.ErrNotExist) {
			p.Close()
			return fmt.Sprintf("program %d: %v", id, err)
		}
	}
	for _, id := range o.maps {
		if m, err := ebpf.NewMapFromID(id); !errors.Is(err, os.ErrNotExist) {
			m.Close()
			return fmt.Sprintf("map %d: %v", id, err)
		}
	}
	for _, id := range o.links {
		if l, err := link.NewFromID(id); !errors.Is(err, os.ErrNotExist) {
			if err == nil {
				l.Close()
			}
			return fmt.Sprintf("link %d: %v", id, err)
		}
	}
	return ""
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
