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
// to its end: the number of the kernel's BPF links has grown, and has then not
// changed for a while.
type settled struct {
	from, last int
	since      time.Time
}

// calm is long against the 2 ms that one link takes.
const calm = 150 * time.Millisecond

func newSettled() *settled {
	n := countLinks()
	return &settled{from: n, last: n, since: time.Now()}
}

func (s *settled) ready(*tracer) bool {
	if n := countLinks(); n != s.last {
		s.last, s.since = n, time.Now()
	}
	return s.last > s.from && time.Since(s.since) > calm
}

func countLinks() int {
	var links link.Iterator
	defer links.Close()
	n := 0
	for links.Next() {
		n++
	}
	return n
}
