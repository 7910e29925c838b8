package lab

import (
	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
)

// A witness is a program at a tracepoint that does nothing but note: what the kernel
// shows there to any program. testify gives its instructions, which end at "out";
// the first argument of the tracepoint is at R1.
func witness(t TB, tracepoint string, notes *ebpf.MapSpec, testify func(notes *ebpf.Map) asm.Instructions) (*ebpf.Map, link.Link) {
	t.Helper()
	m, err := ebpf.NewMap(notes)
	must(t, err, "make the witness' map")
	t.Cleanup(func() { m.Close() })
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "lab_witness", Type: ebpf.Tracing, AttachType: ebpf.AttachTraceRawTp, AttachTo: tracepoint, License: "GPL",
		Instructions: append(testify(m), asm.Mov.Imm(asm.R0, 0).WithSymbol("out"), asm.Return()),
	})
	must(t, err, "load the witness")
	t.Cleanup(func() { prog.Close() })
	l, err := link.AttachTracing(link.TracingOptions{Program: prog})
	must(t, err, "attach the witness")
	t.Cleanup(func() { l.Close() })
	return m, l
}

// WitnessDrops counts the packets that are freed for a reason (enum skb_drop_reason,
// without its prefix). The count ends with the call of what is returned.
func WitnessDrops(t TB, reason string) (drops func() uint64) {
	t.Helper()
	const one = 0 // the key of the only element
	count, l := witness(t, "kfree_skb", &ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1},
		func(count *ebpf.Map) asm.Instructions {
			return asm.Instructions{
				asm.LoadMem(asm.R1, asm.R1, 2*8, asm.DWord), // its third argument
				asm.JNE.Imm(asm.R1, int32(dropReason(t, reason)), "out"),
				asm.LoadMapValue(asm.R2, count.FD(), one),
				asm.Mov.Imm(asm.R1, 1),
				asm.StoreXAdd(asm.R2, asm.R1, asm.DWord),
			}
		})
	return func() (n uint64) {
		t.Helper()
		must(t, l.Close(), "detach the witness")
		must(t, count.Lookup(uint32(one), &n), "ask the witness")
		return n
	}
}

// WitnessArrivals notes the segments with data that established TCP connections
// receive (tcp_probe), at most so many. What is returned tells whether the one that
// begins at a sequence number was among them.
func WitnessArrivals(t TB, most uint32) (shown func(sequence uint32) bool) {
	t.Helper()
	notes := &ebpf.MapSpec{Type: ebpf.Hash, KeySize: 4, ValueSize: 4, MaxEntries: most}
	seen, _ := witness(t, "tcp_probe", notes, func(seen *ebpf.Map) asm.Instructions {
		const key = -4             // on the stack
		control := controlBlock(t) // struct tcp_skb_cb: seq, end_seq
		return asm.Instructions{
			asm.LoadMem(asm.R1, asm.R1, 1*8, asm.DWord), // the skb
			asm.LoadMem(asm.R2, asm.R1, control, asm.Word),
			asm.LoadMem(asm.R3, asm.R1, control+4, asm.Word),
			asm.JEq.Reg(asm.R2, asm.R3, "out"),
			asm.StoreMem(asm.RFP, key, asm.R2, asm.Word),
			asm.LoadMapPtr(asm.R1, seen.FD()),
			asm.Mov.Reg(asm.R2, asm.RFP),
			asm.Add.Imm(asm.R2, key),
			asm.Mov.Reg(asm.R3, asm.R2), // any value will do
			asm.Mov.Imm(asm.R4, 0),
			asm.FnMapUpdateElem.Call(),
		}
	})
	return func(sequence uint32) bool {
		var any uint32
		return seen.Lookup(sequence, &any) == nil
	}
}

// controlBlock is the offset of an skb's cb.
func controlBlock(t TB) int16 {
	t.Helper()
	kernel, err := btf.LoadKernelSpec()
	must(t, err, "read the kernel's types")
	var skb *btf.Struct
	must(t, kernel.TypeByName("sk_buff", &skb), "find struct sk_buff")
	for _, m := range skb.Members {
		if m.Name == "cb" {
			return int16(m.Offset.Bytes())
		}
	}
	t.Fatalf("this kernel's skb has no cb")
	return 0
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
