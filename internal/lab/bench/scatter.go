package main

import (
	"fmt"
	"math/rand/v2"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

// scatter has the kernel place the programs that are loaded next elsewhere than it
// did for the last ones: it puts each into the first hole that is large enough, so
// that the same programs lie in the same places, and who shares cache lines with
// whom can make one appear 80 ns dearer in every round. The programs returned take
// up some of the room, until they are closed.
func scatter(r *rand.Rand) ([]metered, error) {
	const programs, longest = 48, 4000 // up to some 20 KiB each, as our own
	var kept, holes []metered
	defer func() { closePrograms(holes) }()
	for range programs {
		p, err := idle(1 + r.IntN(longest))
		if err != nil {
			closePrograms(kept)
			return nil, fmt.Errorf("take up room among the programs: %w", err)
		}
		if r.IntN(2) == 0 {
			kept = append(kept, p)
		} else {
			holes = append(holes, p)
		}
	}
	return kept, nil
}

// idle is a program of so many instructions that nobody runs.
func idle(instructions int) (metered, error) {
	ins := asm.Instructions{asm.Mov.Imm(asm.R0, 0)}
	for range instructions {
		ins = append(ins, asm.Add.Imm(asm.R0, 1))
	}
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "idle", Type: ebpf.SocketFilter, License: "GPL", Instructions: append(ins, asm.Return()),
	})
	return metered{"idle", p}, err
}
