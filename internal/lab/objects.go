package lab

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
)

// Objects are the ids of what a process holds in the kernel's BPF subsystem.
type Objects struct {
	Programs []ebpf.ProgramID
	Maps     []ebpf.MapID
	Links    []link.ID
}

// ObjectsOf reads them from the process's descriptors (proc_pid_fdinfo(5)).
func ObjectsOf(t TB, pid int) Objects {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/fdinfo/*", pid))
	must(t, err, "list the descriptors of process %d", pid)
	var o Objects
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
func (o *Objects) add(fdinfo string) {
	ids := map[string]uint64{}
	for lines := bufio.NewScanner(strings.NewReader(fdinfo)); lines.Scan(); {
		key, value, _ := strings.Cut(lines.Text(), ":")
		if id, err := strconv.ParseUint(strings.TrimSpace(value), 10, 32); err == nil {
			ids[key] = id
		}
	}
	if id, ok := ids["link_id"]; ok {
		o.Links = append(o.Links, link.ID(id))
	} else if id, ok := ids["prog_id"]; ok {
		o.Programs = append(o.Programs, ebpf.ProgramID(id))
	} else if id, ok := ids["map_id"]; ok {
		o.Maps = append(o.Maps, ebpf.MapID(id))
	}
}

// Left names the first object that still exists, "" when there is none. Ids
// are not used again until 2^31 were (idr_alloc_cyclic).
func (o *Objects) Left() string {
	for _, id := range o.Programs {
		if p, err := ebpf.NewProgramFromID(id); !errors.Is(err, os.ErrNotExist) {
			p.Close()
			return fmt.Sprintf("program %d: %v", id, err)
		}
	}
	for _, id := range o.Maps {
		if m, err := ebpf.NewMapFromID(id); !errors.Is(err, os.ErrNotExist) {
			m.Close()
			return fmt.Sprintf("map %d: %v", id, err)
		}
	}
	for _, id := range o.Links {
		if l, err := link.NewFromID(id); !errors.Is(err, os.ErrNotExist) {
			if err == nil {
				l.Close()
			}
			return fmt.Sprintf("link %d: %v", id, err)
		}
	}
	return ""
}
