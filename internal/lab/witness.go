package lab

import (
	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
)

// WitnessDrops counts, with a program at kfree_skb that does nothing else, the packets
// that are freed for a reason (enum skb_drop_reason, without its prefix): what the
// kernel shows there to any program. The count ends with the call of what is returned.
func WitnessDrops(t TB, reason string) (drops func() uint64) {
	t.Helper()
	const one = 0 // the key of the only element
	count, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1})
	must(t, err, "make the witness' map")
	t.Cleanup(func() { count.Close() })
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "lab_witness", Type: ebpf.Tracing, AttachType: ebpf.AttachTraceRawTp, AttachTo: "kfree_skb", License: "GPL",
		Instructions: asm.Instructions{
			asm.LoadMem(asm.R1, asm.R1, 2*8, asm.DWord), // its third argument
			asm.JNE.Imm(asm.R1, int32(dropReason(t, reason)), "out"),
			asm.LoadMapValue(asm.R2, count.FD(), one),
			asm.Mov.Imm(asm.R1, 1),
			asm.StoreXAdd(asm.R2, asm.R1, asm.DWord),
			asm.Mov.Imm(asm.R0, 0).WithSymbol("out"),
			asm.Return(),
		},
	})
	must(t, err, "load the witness")
	t.Cleanup(func() { prog.Close() })
	l, err := link.AttachTracing(link.TracingOptions{Program: prog})
	must(t, err, "attach the witness")
	t.Cleanup(func() { l.Close() })
	return func() (n uint64) {
		t.Helper()
		must(t, l.Close(), "detach the witness")
		must(t, count.Lookup(uint32(one), &n), "ask the witness")
		return n
	}
}

// dropReason is a reason's number in this kernel.
func dropReason(t TB, name string) uint64 {
	t.Helper()
	kernel, err := btf.LoadKernelSpec()
	must(t, err, "read the kernel's types")
	var reasons *btf.Enum
	must(t, kernel.TypeByName("skb_drop_reason", &reasons), "find the reasons for drops")
	for _, v := range reasons.Values {
		if v.Name == "SKB_DROP_REASON_"+name {
			return v.Value
		}
	}
	t.Fatalf("this kernel drops nothing for %s", name)
	return 0
}
