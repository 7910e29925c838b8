package main

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
)

// programIDs lists the kernel's BPF programs, those of everybody.
func programIDs() (map[ebpf.ProgramID]bool, error) {
	ids := make(map[ebpf.ProgramID]bool)
	for id := ebpf.ProgramID(0); ; {
		next, err := ebpf.ProgramGetNextID(id)
		if errors.Is(err, fs.ErrNotExist) {
			return ids, nil
		}
		if err != nil {
			return nil, fmt.Errorf("list BPF programs: %w", err)
		}
		ids[next] = true
		id = next
	}
}

// settled tells when a program that attaches one link after the other has come
// to its end: there are new BPF links, and their number has not changed for a
// while. Old ones do not count: the kernel takes its time to release those of
// a program that just ended.
type settled struct {
	old   map[link.ID]bool
	last  int
	since time.Time
}

// calm is long against the 2 ms that one link takes.
const calm = 150 * time.Millisecond

func newSettled() *settled {
	return &settled{old: linkIDs(), since: time.Now()}
}

func (s *settled) ready(*tracer) bool {
	n := 0
	for id := range linkIDs() {
		if !s.old[id] {
			n++
		}
	}
	if n != s.last {
		s.last, s.since = n, time.Now()
	}
	return n > 0 && time.Since(s.since) > calm
}

func linkIDs() map[link.ID]bool {
	var links link.Iterator
	defer links.Close()
	ids := make(map[link.ID]bool)
	for links.Next() {
		ids[links.ID] = true
	}
	return ids
}
