package lab

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"syscall"
	"time"

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
	var skb *btf.Struct
	kernelType(t, "sk_buff", &skb)
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
	var reasons *btf.Enum
	kernelType(t, "skb_drop_reason", &reasons)
	for _, v := range reasons.Values {
		if v.Name == "SKB_DROP_REASON_"+name {
			return v.Value
		}
	}
	t.Fatalf("this kernel drops nothing for %s", name)
	return 0
}

// kernelType finds a type of the running kernel; typ is as for [btf.Spec.TypeByName].
func kernelType(t TB, name string, typ any) {
	t.Helper()
	kernel, err := btf.LoadKernelSpec()
	must(t, err, "read the kernel's types")
	must(t, kernel.TypeByName(name, typ), "find the type %s", name)
}

// softirqTime is how long the kernel works on packets while it keeps a task from
// running (MAX_SOFTIRQ_TIME in kernel/softirq.c).
const softirqTime = 2 * time.Millisecond

// Unshown bounds what no program is shown: a sandbox may have its kernel run none
// while its supervisor, which is process 1 there, is the current task, also not for
// packets that a softirq works on meanwhile. most tells how many that may be of n
// events since the call: none, if process 1 did not run.
func Unshown(t TB) (most func(n uint64) uint64) {
	t.Helper()
	begin, before := time.Now(), runsOfInit(t)
	return func(n uint64) uint64 {
		t.Helper()
		hidden := time.Duration(runsOfInit(t)-before) * softirqTime
		return min(n, uint64(math.Ceil(float64(n)*hidden.Seconds()/time.Since(begin).Seconds())))
	}
}

// runsOfInit is how often a thread of process 1 was given a CPU
// (Documentation/scheduler/sched-stats.rst, /proc/<pid>/schedstat).
func runsOfInit(t TB) (runs uint64) {
	t.Helper()
	files, err := filepath.Glob("/proc/1/task/*/schedstat")
	must(t, err, "list the threads of process 1")
	for _, file := range files {
		var running, waiting, n uint64
		stat, err := os.ReadFile(file)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // it has ended
		}
		must(t, err, "read %s", file)
		_, err = fmt.Sscan(string(stat), &running, &waiting, &n)
		must(t, err, "parse %s", file)
		runs += n
	}
	return runs
}
