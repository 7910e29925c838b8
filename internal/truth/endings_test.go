package truth

import (
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/pkg/journey"
	"github.com/hopscope/hopscope/pkg/pipeline"
)

// Packets that are split, merged and copied on their way are told apart from
// those that arrive, and what becomes of them keeps the stops before it.
func TestSplitMergedAndCopiedPackets(t *testing.T) {
	p := newPair(t)
	t.Run("segmented", p.segmented)
	t.Run("merged", p.merged)
	t.Run("rebuilt", p.rebuilt)
}

// Without the offload, the kernel cuts a large packet up after its qdisc.
func (p *pair) segmented(t *testing.T) {
	lab.SetOffload(t, p.client.Netns, "eth0", "tso", false)
	defer lab.SetOffload(t, p.client.Netns, "eth0", "tso", true)
	r := p.bulk(t, "20000000")
	parents := endedBy(r, journey.EndingSegmented)
	if len(parents) == 0 {
		t.Fatalf("no packet was segmented: %v", r.counts.Endings)
	}
	want := uint64(0)
	for _, parent := range parents {
		want += uint64(parent.Segments)
	}
	children := r.wantInherited(t, parents, journey.PointQueue)
	t.Logf("%d packets became %d of %d segments; %v; %v", len(parents), children, want, r.counts.Endings, r.counts.Notes)
	if share(children, want) < 0.999 || children > want {
		t.Errorf("%d children of %d segments", children, want)
	}
}

// GRO on a host's veth makes one packet of several.
func (p *pair) merged(t *testing.T) {
	from, to := p.client.Links[0].HostName, p.web.Links[0].HostName
	lab.SetOffload(t, p.client.Netns, "eth0", "tso", false)
	lab.SetOffload(t, lab.HostNetns, from, "gro", true)
	defer lab.SetOffload(t, p.client.Netns, "eth0", "tso", true)
	defer lab.SetOffload(t, lab.HostNetns, from, "gro", false)
	sent, passed := lab.AFPacketCount(t, p.client.Netns, "eth0"), lab.AFPacketCount(t, lab.HostNetns, to)
	r := p.bulk(t, "20000000")
	merged, want := r.counts.Endings["gro_merged"], sent.Stop().Packets-passed.Stop().Packets
	// When the kernel leaves a program out on a CPU where it runs already
	// (missed_runs), a parent's end is not seen, and all its segments, up to 45
	// here, are orphans: lost to the tracer, and counted.
	orphans := r.counts.Notes["orphaned_segments"]
	t.Logf("%d merged and %d orphans, by AF_PACKET %d; %v; %v", merged, orphans, want, r.counts.Endings, r.counts.Notes)
	if want == 0 || share(merged, want) < 0.99 || share(merged+orphans, want) < 0.999 || share(merged, want) > 1.001 {
		t.Errorf("%d packets merged, %d orphans, want %d", merged, orphans, want)
	}
	if orphans > 0 && r.counts.Notes["missed_runs"] == 0 {
		t.Errorf("%d orphans, though no program was left out", orphans)
	}
	for _, j := range endedBy(r, journey.EndingMerged) {
		if last := j.Stops[len(j.Stops)-1]; last.Point != journey.PointMerged {
			t.Fatalf("a merged packet ends at %v", last.Point)
		}
	}
}

// A veth with native XDP copies packets into memory that the program may
// write to (veth_xdp_rcv_skb).
func (p *pair) rebuilt(t *testing.T) {
	detach := xdpPass(t, p.client.Links[0].HostIndex)
	defer detach()
	wantOK(t, p.client.Run("rr", "--count", "5", p.at), 5) // attaching takes the carrier away for a moment
	sent := lab.AFPacketCount(t, p.client.Netns, "eth0")
	tr := begin(t, pipeline.Options{})
	wantOK(t, p.client.Run("rr", "--count", "2000", p.at), 2000)
	wantOK(t, p.client.Run("udp", "--count", "2000", p.at), 2000)
	wantOK(t, p.client.Run("rr", "--count", "2000", p.at6), 2000)
	r := tr.end()
	r.wantSound(t)
	parents := endedBy(r, journey.EndingRebuilt)
	children := r.wantInherited(t, parents, journey.PointQueue)
	t.Logf("%d packets copied of %d, %d copies; %v; %v", len(parents), sent.Stop().Packets, children, r.counts.Endings, r.counts.Notes)
	if share(uint64(len(parents)), sent.Stop().Packets) < 0.999 {
		t.Errorf("%d packets copied, %d passed through XDP", len(parents), sent.Stop().Packets)
	}
	if share(children, uint64(len(parents))) < 0.999 || children > uint64(len(parents)) {
		t.Errorf("%d copies of %d packets go on", children, len(parents))
	}
}

// bulk traces one transfer from client to web.
func (p *pair) bulk(t *testing.T, bytes string) result {
	t.Helper()
	tr := begin(t, pipeline.Options{})
	p.client.Run("bulk", "--bytes", bytes, p.at)
	r := tr.end()
	r.wantExact(t)
	// A split packet has one sign of its end, consume_skb. The kernel leaves a
	// program out on a CPU where it runs already, and counts that: as many
	// journeys may be lost, and not one more.
	if lost := r.counts.LostTotal(); lost > r.counts.Notes["missed_runs"] {
		t.Errorf("lost %v, with %d missed runs", r.counts.Lost, r.counts.Notes["missed_runs"])
	}
	return r
}

// wantSound is what holds for every run without a fault.
func (r result) wantSound(t *testing.T) {
	t.Helper()
	r.wantExact(t)
	r.wantNoLoss(t)
}

func endedBy(r result, e journey.Ending) []journey.Journey {
	var out []journey.Journey
	for _, j := range r.journeys {
		if j.Ending == e {
			out = append(out, j)
		}
	}
	return out
}

// wantInherited counts the children of parents. Each must go on to a socket,
// with the first stops of its parent, the time and the place included.
func (r result) wantInherited(t *testing.T, parents []journey.Journey, first journey.Point) uint64 {
	t.Helper()
	byStart := make(map[uint64]*journey.Journey, len(parents))
	for i := range parents {
		byStart[parents[i].Start] = &parents[i]
	}
	var children uint64
	for _, j := range r.journeys {
		if j.Flags&journey.FlagInherited == 0 {
			continue
		}
		children++
		parent := byStart[j.Start]
		switch {
		case parent == nil:
			t.Fatalf("a child that began at %d has no parent", j.Start)
		case j.Stops[0] != parent.Stops[0] || j.Stops[0].Point != first:
			t.Fatalf("a child began at %+v, its parent at %+v", j.Stops[0], parent.Stops[0])
		case j.CgroupSrc != parent.CgroupSrc || j.Weight != parent.Weight:
			t.Fatalf("a child is of cgroup %d with weight %d, its parent of %d with %d",
				j.CgroupSrc, j.Weight, parent.CgroupSrc, parent.Weight)
		case j.Ending != journey.EndingDelivered && j.Ending != journey.EndingMerged:
			t.Fatalf("a child is %v", j.Ending)
		}
	}
	return children
}

// xdpPass attaches an XDP program that lets everything pass (XDP_PASS) in the
// driver's own mode.
func xdpPass(t *testing.T, ifindex int) (detach func()) {
	t.Helper()
	const pass = 2
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "truth_pass", Type: ebpf.XDP, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, pass), asm.Return()},
	})
	if err != nil {
		t.Fatal(err)
	}
	l, err := link.AttachXDP(link.XDPOptions{Program: prog, Interface: ifindex, Flags: link.XDPDriverMode})
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		l.Close()
		prog.Close()
	}
}
