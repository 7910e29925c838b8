package logic

import (
	"errors"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/ringbuf"
	"github.com/cilium/ebpf/rlimit"

	"github.com/hopscope/hopscope/bpf"
	"github.com/hopscope/hopscope/pkg/journey"
)

const (
	slots     = 64
	ringBytes = 4096
)

// builtObject is the compiled logic.bpf.c in a guest of the matrix, which has
// no compiler.
const builtObject = "/tests/logic.o"

// source is what each test loads anew. The kernel's types take longer to read
// than all the rest: once for all.
type source struct {
	spec  *ebpf.CollectionSpec
	types *btf.Cache
}

func newSource(t *testing.T) source {
	t.Helper()
	must(t, rlimit.RemoveMemlock(), "raise the locked memory limit")
	path := object(t)
	spec, err := ebpf.LoadCollectionSpec(path)
	must(t, err, "read "+path)
	return source{spec, btf.NewCache()}
}

// object is builtObject, or else what this machine's compiler makes.
func object(t *testing.T) string {
	t.Helper()
	if _, err := os.Stat(builtObject); err == nil {
		return builtObject
	}
	path := filepath.Join(t.TempDir(), "logic.o")
	must(t, Compile(t.Context(), "logic.bpf.c", path), "compile the logic")
	return path
}

func must(t *testing.T, err error, what string) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// logic runs the kernel side's own functions on made-up packets.
type logic struct {
	t    *testing.T
	coll *ebpf.Collection
	ring *ringbuf.Reader
}

// newLogic loads the programs that a test calls, and no others: an emulator takes
// its time to verify each.
func newLogic(t *testing.T, src source, programs ...string) *logic {
	t.Helper()
	spec := src.spec.Copy()
	maps.DeleteFunc(spec.Programs, func(name string, _ *ebpf.ProgramSpec) bool {
		return !slices.Contains(programs, strings.TrimPrefix(name, "logic_"))
	})
	spec.Maps["hs_slots"].MaxEntries = slots
	spec.Maps["hs_conns"].MaxEntries = slots
	spec.Maps["hs_ring"].MaxEntries = ringBytes
	must(t, spec.Variables["hs_ring_bytes"].Set(uint32(ringBytes)), "set the ring's size")
	coll, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{Cache: src.types})
	var refused *ebpf.VerifierError
	if errors.As(err, &refused) {
		t.Fatalf("%+v", refused)
	}
	must(t, err, "load the logic")
	t.Cleanup(coll.Close)
	must(t, coll.Variables["hs_births"].Set(uint32(1)), "allow births")
	ring, err := ringbuf.NewReader(coll.Maps["hs_ring"])
	must(t, err, "open the ring")
	t.Cleanup(func() { ring.Close() })
	return &logic{t, coll, ring}
}

// fake is a packet: the arguments of a program of logic.bpf.c.
type fake struct {
	skb        uint64
	sigA, sigB uint64
	tcpFlags   uint64
	ports      uint64
	ending     bpf.HopscopeHsEnding
	seq        uint64
}

// call runs a program and tells whether it did what it is there for.
func (l *logic) call(program string, p fake) bool {
	l.t.Helper()
	ret, err := l.coll.Programs["logic_"+program].Run(&ebpf.RunOptions{
		Context: []uint64{p.skb, p.sigA, p.sigB, p.tcpFlags, p.ports, uint64(p.ending), p.seq},
	})
	must(l.t, err, "run logic_"+program)
	return ret != 0
}

func (l *logic) must(program string, p fake) {
	l.t.Helper()
	if !l.call(program, p) {
		l.t.Fatalf("logic_%s did nothing for %+v", program, p)
	}
}

// counters sums over CPUs.
func (l *logic) counters() (total [bpf.HopscopeHsCounterHS_C_MAX]uint64) {
	l.t.Helper()
	var perCPU []bpf.HopscopeHsCounters
	must(l.t, l.coll.Maps["hs_count"].Lookup(uint32(0), &perCPU), "read the counters")
	for _, c := range perCPU {
		for i, n := range c.N {
			total[i] += n
		}
	}
	return total
}

// wantCount compares one counter, and holds all of them to the equations of
// bpf/abi.h.
func (l *logic) wantCount(what bpf.HopscopeHsCounter, name string, want uint64) {
	l.t.Helper()
	n := l.counters()
	if n[what] != want {
		l.t.Errorf("%s: %d, want %d", name, n[what], want)
	}
	var ended, lost uint64
	for e := bpf.HopscopeHsEndingHS_E_DELIVERED; e < bpf.HopscopeHsEndingHS_E_MAX; e++ {
		ended += n[bpf.HopscopeHsCounterHS_C_ENDING+bpf.HopscopeHsCounter(e)]
	}
	for c := bpf.HopscopeHsCounterHS_C_EVICTED; c <= bpf.HopscopeHsCounterHS_C_MAP_FULL; c++ {
		lost += n[c]
	}
	if live := l.live(); n[bpf.HopscopeHsCounterHS_C_TRACKED] != ended+live+lost {
		l.t.Errorf("tracked %d != ended %d + live %d + lost %d", n[bpf.HopscopeHsCounterHS_C_TRACKED], ended, live, lost)
	}
	if live, counted := l.live(), l.counted(); live != counted {
		l.t.Errorf("%d slots are live, %d counted by address", live, counted)
	}
	out := n[bpf.HopscopeHsCounterHS_C_EMITTED] + n[bpf.HopscopeHsCounterHS_C_SUPPRESSED] + n[bpf.HopscopeHsCounterHS_C_FILTERED]
	if ended != out {
		l.t.Errorf("ended %d != emitted, suppressed and filtered %d", ended, out)
	}
}

// live walks the slots; states are those of enum slot_state.
func (l *logic) live() uint64 {
	l.t.Helper()
	const live, pending = 1, 2
	var key, n uint64
	var slot bpf.HopscopeHsSlot
	it := l.coll.Maps["hs_slots"].Iterate()
	for it.Next(&key, &slot) {
		if slot.State == live || slot.State == pending {
			n++
		}
	}
	must(l.t, it.Err(), "walk the slots")
	return n
}

// counted sums the live slots that the kernel side counts by address: it looks
// none up where there are none.
func (l *logic) counted() (total uint64) {
	l.t.Helper()
	var buckets [4096]uint32 // LIVE_BUCKETS
	must(l.t, l.coll.Variables["hs_live"].Get(&buckets), "read the live slots by address")
	for _, n := range buckets {
		total += uint64(n)
	}
	return total
}

// records empties the ring.
func (l *logic) records() []journey.Journey {
	l.t.Helper()
	l.ring.SetDeadline(time.Now())
	var out []journey.Journey
	for {
		rec, err := l.ring.Read()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return out
		}
		must(l.t, err, "read the ring")
		var j journey.Journey
		must(l.t, journey.Decode(rec.RawSample, &j), "decode")
		out = append(out, j)
	}
}

// one is the only record in the ring.
func (l *logic) one() journey.Journey {
	l.t.Helper()
	list := l.records()
	if len(list) != 1 {
		l.t.Fatalf("%d records, want 1", len(list))
	}
	return list[0]
}

const counterEvicted = bpf.HopscopeHsCounterHS_C_EVICTED

// TestLogic runs on each kernel: what a compiler and a verifier made of the
// logic is not the same on all of them.
func TestLogic(t *testing.T) {
	if testing.Short() {
		t.Skip("needs root, which -short does without")
	}
	src := newSource(t)
	for _, c := range []struct {
		name  string
		test  func(*logic)
		calls string // programs, without "logic_"
	}{
		{"life", (*logic).life, "birth stop end"},
		{"nat", (*logic).nat, "birth stop end"},
		{"eviction", (*logic).eviction, "birth"},
		{"mismatch", (*logic).mismatch, "birth stop"},
		{"inferred", (*logic).inferred, "birth deliver"},
		{"truncated", (*logic).truncated, "birth stop end"},
		{"map full", (*logic).mapFull, "birth"},
		{"ring full", (*logic).ringFull, "birth end"},
		{"sampling", (*logic).sampling, "birth end"},
		{"split", (*logic).split, "birth inherit stop end"},
		{"split lately", (*logic).splitLately, "birth end lately"},
		{"split unseen", (*logic).splitUnseen, "birth queued inherit"},
		{"swept", (*logic).swept, "birth stop end"},
		{"signature", (*logic).signature, "read"},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(newLogic(t, src, strings.Fields(c.calls)...)) })
	}
}

func (l *logic) life() {
	p := fake{skb: 0x1000, sigA: 7, sigB: 9, ports: 1<<16 | 2, ending: bpf.HopscopeHsEndingHS_E_DELIVERED}
	l.must("birth", p)
	l.must("stop", p)
	l.wantCount(bpf.HopscopeHsCounterHS_C_TRACKED, "tracked", 1)
	l.must("end", p)
	l.wantCount(bpf.HopscopeHsCounterHS_C_EMITTED, "emitted", 1)
	if l.call("stop", p) || l.call("end", p) {
		l.t.Error("a journey went on after its end")
	}
	j := l.one()
	if len(j.Stops) != 3 || j.Ending != journey.EndingDelivered || j.Weight != 1 || j.First.Dst.Port() != 2 {
		l.t.Errorf("recorded %+v", j)
	}
	if j.Stops[1].At < 0 || j.Stops[2].At < j.Stops[1].At || j.Total() > time.Second {
		l.t.Errorf("times %+v", j.Stops)
	}
}

// NAT changes addresses and ports, and nothing of the signature.
func (l *logic) nat() {
	p := fake{skb: 0x1000, sigA: 7, sigB: 9, ports: 1<<16 | 2, ending: bpf.HopscopeHsEndingHS_E_LEFT}
	l.must("birth", p)
	p.ports = 3<<16 | 4
	l.must("stop", p)
	l.must("end", p)
	j := l.one()
	if j.First.Src.Port() != 1 || j.First.Dst.Port() != 2 || j.Last.Src.Port() != 3 || j.Last.Dst.Port() != 4 {
		l.t.Errorf("from %v to %v", j.First, j.Last)
	}
}

func (l *logic) eviction() {
	p := fake{skb: 0x1000, sigA: 7}
	for i := range uint64(5) {
		p.sigA = i
		l.must("birth", p)
	}
	l.wantCount(counterEvicted, "evicted", 4)
}

func (l *logic) mismatch() {
	l.must("birth", fake{skb: 0x1000, sigA: 7})
	if l.call("stop", fake{skb: 0x1000, sigA: 8}) {
		l.t.Error("another packet took the journey over")
	}
	l.wantCount(bpf.HopscopeHsCounterHS_C_MISMATCHED, "mismatched", 1)
}

// What reached its socket is delivered, also when tcp_probe does not follow.
func (l *logic) inferred() {
	l.must("birth", fake{skb: 0x1000, sigA: 7})
	l.must("deliver", fake{skb: 0x1000})
	l.must("birth", fake{skb: 0x1000, sigA: 8})
	l.wantCount(counterEvicted, "evicted", 0)
	if j := l.one(); j.Ending != journey.EndingDelivered || j.Flags&journey.FlagInferred == 0 {
		l.t.Errorf("%v, flags %v", j.Ending, j.Flags)
	}
}

func (l *logic) truncated() {
	p := fake{skb: 0x1000, sigA: 7, ending: bpf.HopscopeHsEndingHS_E_CONSUMED}
	l.must("birth", p)
	for range 40 {
		l.must("stop", p)
	}
	l.must("end", p)
	l.wantCount(bpf.HopscopeHsCounterHS_C_TRUNCATED, "truncated", 1)
	if j := l.one(); len(j.Stops) != journey.MaxStops || j.Flags&journey.FlagTruncated == 0 {
		l.t.Errorf("%d stops, flags %v", len(j.Stops), j.Flags)
	}
}

// Packets are looked at as what may be children for ten seconds after a split, as user
// space counts them.
func (l *logic) splitLately() {
	second := l.coll.Variables["hs_second"]
	var now uint32
	must(l.t, second.Get(&now), "read the second")
	want := func(later int32, lately bool) {
		l.t.Helper()
		must(l.t, second.Set(now+uint32(later)), "set the second")
		if got := l.call("lately", fake{}); got != lately {
			l.t.Errorf("%d s after it: lately %v, want %v", later, got, lately)
		}
	}
	want(0, false)
	want(1000, false)
	now += 1000
	p := fake{skb: 0x1000, sigA: 7, ending: bpf.HopscopeHsEndingHS_E_SEGMENTED}
	l.must("birth", p)
	l.must("end", p)
	want(-1, true) // seen by a CPU that has read the second before it passed
	want(0, true)
	want(9, true)
	want(10, false)
}

// Kernels keep some elements more than were asked for, at most one a CPU.
func (l *logic) mapFull() {
	const births = 2 * slots
	var tracked uint64
	for i := range uint64(births) {
		if l.call("birth", fake{skb: 0x1000 + i<<8, sigA: i}) {
			tracked++
		}
	}
	if tracked < slots || tracked == births {
		l.t.Errorf("%d of %d births found one of %d slots", tracked, births, slots)
	}
	l.wantCount(bpf.HopscopeHsCounterHS_C_MAP_FULL, "map full", births-tracked)
}

// Nobody reads the ring: first the many are thinned, then what must be emitted
// is lost, and each is counted. The weights stand for those left out.
func (l *logic) ringFull() {
	const journeys = 400
	for i := range uint64(journeys) {
		p := fake{skb: 0x1000, sigA: i, ending: bpf.HopscopeHsEndingHS_E_DELIVERED}
		l.must("birth", p)
		l.must("end", p)
	}
	n := l.counters()
	emitted, suppressed := n[bpf.HopscopeHsCounterHS_C_EMITTED], n[bpf.HopscopeHsCounterHS_C_SUPPRESSED]
	if emitted == 0 || suppressed == 0 || emitted+suppressed+n[bpf.HopscopeHsCounterHS_C_RING_FULL] != journeys {
		l.t.Errorf("%d emitted, %d suppressed of %d", emitted, suppressed, journeys)
	}
	for i := range uint64(50) {
		p := fake{skb: 0x2000, sigA: i, ending: bpf.HopscopeHsEndingHS_E_DROPPED}
		l.must("birth", p)
		l.must("end", p)
	}
	n = l.counters()
	if n[bpf.HopscopeHsCounterHS_C_RING_FULL] == 0 {
		l.t.Error("dropped journeys fit into a full ring")
	}
	l.wantCount(bpf.HopscopeHsCounterHS_C_SUPPRESSED, "suppressed", suppressed)
	var thinned int
	for _, j := range l.records() {
		if j.Weight > 1 {
			thinned++
		}
		if j.Ending == journey.EndingDropped && j.Weight != 1 {
			l.t.Errorf("a dropped journey has weight %d", j.Weight)
		}
	}
	if thinned == 0 {
		l.t.Error("no record stands for more than itself")
	}
}

// One in 16, all on one address, within 4.5 standard deviations; SYN always.
func (l *logic) sampling() {
	const births, rate = 4000, 16
	must(l.t, l.coll.Variables["hs_sample"].Set(uint32(rate)), "set the sample rate")
	var tracked float64
	for i := range uint64(births) {
		p := fake{skb: 0x1000, sigA: i, ending: bpf.HopscopeHsEndingHS_E_CONSUMED}
		if l.call("birth", p) {
			tracked++
			l.must("end", p)
		}
	}
	sigma := math.Sqrt(births * (1 - 1.0/rate) / rate)
	if off := (tracked - births/rate) / sigma; math.Abs(off) > 4.5 {
		l.t.Errorf("%.0f of %d tracked at 1/%d, %.1f sigma off", tracked, births, rate, off)
	}
	l.wantCount(bpf.HopscopeHsCounterHS_C_UNSAMPLED, "unsampled", births-uint64(tracked))
	l.records()
	syn := fake{skb: 0x1000, tcpFlags: 2, ending: bpf.HopscopeHsEndingHS_E_CONSUMED}
	l.must("birth", syn)
	l.must("end", syn)
	if j := l.one(); j.Weight != 1 || j.Flags&journey.FlagPriority == 0 {
		l.t.Errorf("a SYN has weight %d, flags %v", j.Weight, j.Flags)
	}
}

// The parent holds 100 bytes from its sequence number on, across a block's
// border of 4,096.
func (l *logic) split() {
	const seq = 4096 - 50
	parent := fake{skb: 0x1000, sigA: seq << 32, ports: 1<<16 | 2, ending: bpf.HopscopeHsEndingHS_E_SEGMENTED}
	l.must("birth", parent)
	l.must("end", parent)
	born := l.one()
	child := fake{skb: 0x2000, sigA: (seq + 60) << 32, seq: seq + 60, ports: parent.ports, ending: bpf.HopscopeHsEndingHS_E_DELIVERED}
	l.must("inherit", child)
	l.must("stop", child)
	l.must("end", child)
	if j := l.one(); j.Start != born.Start || j.Flags&journey.FlagInherited == 0 || len(j.Stops) != 3 {
		l.t.Errorf("the child is %+v, its parent %+v", j, born)
	}
	for name, stranger := range map[string]fake{
		"beyond the parent": {skb: 0x3000, seq: seq + 100, ports: parent.ports},
		"another flow":      {skb: 0x3000, seq: seq + 60, ports: 1<<16 | 3},
	} {
		if l.call("inherit", stranger) {
			l.t.Errorf("%s: took the parent's stops", name)
		}
	}
	l.wantCount(bpf.HopscopeHsCounterHS_C_TRACKED, "tracked", 2)
}

// The first child shows that its parent was split, where consume_skb was not
// seen; the second one is a child like any other.
func (l *logic) splitUnseen() {
	parent := fake{skb: 0x1000, sigA: 1000 << 32, ports: 1<<16 | 2}
	l.must("birth", parent)
	l.must("queued", parent)
	for i := range uint64(2) {
		l.must("inherit", fake{skb: 0x2000 + i<<8, sigA: (1000 + i) << 32, seq: 1000 + i, ports: parent.ports})
	}
	if j := l.one(); j.Ending != journey.EndingSegmented || j.Flags&journey.FlagInferred == 0 {
		l.t.Errorf("%v, flags %v", j.Ending, j.Flags)
	}
	l.wantCount(bpf.HopscopeHsCounterHS_C_TRACKED, "tracked", 3)
	l.wantCount(counterEvicted, "evicted", 0)
}

// While user space removes slots, a birth does not use a dead one again: the
// journey goes on in a slot that replaces it.
func (l *logic) swept() {
	p := fake{skb: 0x1000, sigA: 7, ending: bpf.HopscopeHsEndingHS_E_DELIVERED}
	l.must("birth", p)
	l.must("end", p)
	must(l.t, l.coll.Variables["hs_sweeping"].Set(uint32(1)), "announce a sweep")
	p.sigA = 8
	l.must("birth", p)
	l.must("stop", p)
	l.must("end", p)
	if list := l.records(); len(list) != 2 || len(list[1].Stops) != 3 {
		l.t.Errorf("recorded %+v", list)
	}
	l.wantCount(bpf.HopscopeHsCounterHS_C_TRACKED, "tracked", 2)
}
