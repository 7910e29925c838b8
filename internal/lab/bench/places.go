package main

import (
	"fmt"
	"math/rand/v2"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

// places has the kernel put programs elsewhere from one time to the next. It puts each
// into the first hole that is large enough: the same programs lie in the same places,
// where sharing a cache set with whatever else can make one appear 80 ns dearer, round
// after round.
type places struct{ rand *rand.Rand }

func newPlaces() places { return places{rand.New(rand.NewPCG(1, 1))} }

// elsewhere calls load while programs of many sizes take up room, with holes in between.
func (p places) elsewhere(load func() error) error {
	const programs, longest = 48, 4000 // instructions: up to some 20 KiB, as our own
	var kept, holes []metered
	defer func() { closePrograms(kept) }()
	for range programs {
		prog, err := idle(1 + p.rand.IntN(longest))
		if err != nil {
			closePrograms(holes)
			return fmt.Errorf("take up room among the programs: %w", err)
		}
		if p.rand.IntN(2) == 0 {
			kept = append(kept, prog)
		} else {
			holes = append(holes, prog)
		}
	}
	closePrograms(holes)
	return load()
}

// idle is a program of so many instructions that nobody runs.
func idle(instructions int) (metered, error) {
	ins := asm.Instructions{asm.Mov.Imm(asm.R0, 0)}
	for range instructions {
		ins = append(ins, asm.Add.Imm(asm.R0, 1))
	}
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "idle", Type: ebpf.SocketFilter, License: "GPL", Instructions: append(ins, asm.Return()),
	})
	return metered{"idle", prog}, err
}
