package robust

import (
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/internal/lab/program"
	"github.com/hopscope/hopscope/pkg/cgroup2"
)

// stranger is another tracer at the points at which hopscope is: it came first, and
// has the priorities that hopscope would take. It counts its runs.
type stranger struct {
	t    *testing.T
	runs *ebpf.Map // by one of the strangers' points
}

// The points that a stranger counts at.
const (
	atQueue uint32 = iota
	atHooks
	atCgroup
	strangerPoints
)

// secondTracer has a tracer that is not hopscope's at the same trace point, at all
// of netfilter's hooks and at the root cgroup: both see all packets.
func (p *pair) secondTracer(t *testing.T) {
	runs, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: strangerPoints})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { runs.Close() })
	lab.BridgeNF(t, true) // or bridged packets pass no hook
	s := stranger{t, runs}
	s.attach()
	r := program.Start(t, "trace", "--no-save", "--format", "json", "--sample", "1", "--container", p.web.Name)
	r.Tracing(t)
	before := s.counts()
	wantOK(t, p.client.Run("rr", "--count", "500", "--rate", "1000", p.at), 500)
	for i, n := range s.counts() {
		if n-before[i] < 1000 {
			t.Errorf("at its point %d the other tracer saw %d packets", i, n-before[i])
		}
	}
	sum := summaryOf(t, r)
	var journeys uint64
	for _, path := range sum.Paths {
		journeys += path.Journeys
	}
	if journeys < 1000 || journeys > 1100 {
		t.Errorf("%d journeys of 500 requests", journeys)
	}
	sum.wantNoLoss(t)
	if at := examine(t, lab.HostNetns).detail("netfilter hook forward"); !strings.HasPrefix(at, "ok: IPv4 at priorities -1001 and 1001, IPv6 at priorities -1000 and 1000") {
		t.Errorf("doctor says of the hook: %q", at)
	}
}

func (s stranger) attach() {
	s.t.Helper()
	queue := s.load(ebpf.ProgramSpec{Type: ebpf.Tracing, AttachType: ebpf.AttachTraceRawTp, AttachTo: "net_dev_queue"}, atQueue, 0)
	s.hold(link.AttachTracing(link.TracingOptions{Program: queue}))
	const accept = 1 // NF_ACCEPT
	hooks := s.load(ebpf.ProgramSpec{Type: ebpf.Netfilter, AttachType: ebpf.AttachNetfilter}, atHooks, accept)
	for hook := link.NetfilterInetPreRouting; hook <= link.NetfilterInetPostRouting; hook++ {
		for _, priority := range []int32{-1000, 1000} {
			s.hold(link.AttachNetfilter(link.NetfilterOptions{Program: hooks, ProtocolFamily: link.NetfilterProtoIPv4, Hook: hook, Priority: priority}))
		}
	}
	const pass = 1
	cgroup := s.load(ebpf.ProgramSpec{Type: ebpf.CGroupSKB, AttachType: ebpf.AttachCGroupInetIngress}, atCgroup, pass)
	s.hold(link.AttachCgroup(link.CgroupOptions{Path: cgroup2.Find("/proc").Path, Attach: ebpf.AttachCGroupInetIngress, Program: cgroup}))
}

// load makes a program that adds one to a count and returns a verdict.
func (s stranger) load(spec ebpf.ProgramSpec, point uint32, verdict int32) *ebpf.Program {
	s.t.Helper()
	spec.License = "GPL"
	spec.Instructions = asm.Instructions{
		asm.StoreImm(asm.R10, -4, int64(point), asm.Word),
		asm.Mov.Reg(asm.R2, asm.R10),
		asm.Add.Imm(asm.R2, -4),
		asm.LoadMapPtr(asm.R1, s.runs.FD()),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "end"),
		asm.Mov.Imm(asm.R1, 1),
		asm.StoreXAdd(asm.R0, asm.R1, asm.DWord),
		asm.Mov.Imm(asm.R0, verdict).WithSymbol("end"),
		asm.Return(),
	}
	p, err := ebpf.NewProgram(&spec)
	if err != nil {
		s.t.Fatalf("load the other tracer: %+v", err)
	}
	s.t.Cleanup(func() { p.Close() })
	return p
}

func (s stranger) hold(l link.Link, err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatalf("attach the other tracer: %v", err)
	}
	s.t.Cleanup(func() { l.Close() })
}

func (s stranger) counts() (out [strangerPoints]uint64) {
	s.t.Helper()
	for i := range out {
		if err := s.runs.Lookup(uint32(i), &out[i]); err != nil {
			s.t.Fatal(err)
		}
	}
	return out
}
