package truth

import (
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/pkg/journey"
	"github.com/hopscope/hopscope/pkg/pipeline"
)

// Packets that are split, merged and copied on their way are told apart from
// those that arrive, and what becomes of them keeps the stops before it.
func TestSplitMergedAndCopiedPackets(t *testing.T) {
	p := sharedPair(t)
	defer p.boundedSending(t)()
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
		t.Fatalf("no packet was segmented: %v", r.Counts.Endings)
	}
	want := uint64(0)
	for _, parent := range parents {
		want += uint64(parent.Segments)
	}
	children := r.wantInherited(t, parents, journey.PointQueue)
	t.Logf("%d packets became %d of %d segments; %v; %v", len(parents), children, want, r.Counts.Endings, r.Counts.Notes)
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
	merged, want := r.Counts.Endings["gro_merged"], sent.Stop().Packets-passed.Stop().Packets
	t.Logf("%d merged, by AF_PACKET %d; %v; %v", merged, want, r.Counts.Endings, r.Counts.Notes)
	if want == 0 || share(merged, want) < 0.999 || share(merged, want) > 1.001 {
		t.Errorf("%d packets merged, want %d", merged, want)
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
	t.Logf("%d packets copied of %d, %d copies; %v; %v", len(parents), sent.Stop().Packets, children, r.Counts.Endings, r.Counts.Notes)
	if share(uint64(len(parents)), sent.Stop().Packets) < 0.999 {
		t.Errorf("%d packets copied, %d passed through XDP", len(parents), sent.Stop().Packets)
	}
	if share(children, uint64(len(parents))) < 0.999 || children > uint64(len(parents)) {
		t.Errorf("%d copies of %d packets go on", children, len(parents))
	}
}

// boundedSending has the client send no further ahead than some 60 packets of one
// segment. A veth that polls has room for 256 (VETH_RING_SIZE), and drops what
// comes while the poll waits for its turn on the CPU; that would be no fault of
// what is measured.
func (p *pair) boundedSending(t *testing.T) (restore func()) {
	t.Helper()
	usual := lab.TCP(t, p.client.Netns, "wmem")
	lab.SetTCP(t, p.client.Netns, "wmem", "4096 16384 131072")
	return func() { lab.SetTCP(t, p.client.Netns, "wmem", usual) }
}

// bulk traces one transfer from client to web.
func (p *pair) bulk(t *testing.T, bytes string) result {
	t.Helper()
	tr := begin(t, pipeline.Options{})
	p.client.Run("bulk", "--bytes", bytes, p.at)
	r := tr.end()
	r.wantSound(t)
	return r
}

func endedBy(r result, e journey.Ending) []journey.Journey {
	var out []journey.Journey
	for _, j := range r.Journeys {
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
	for _, j := range r.Journeys {
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
		case j.Proto == unix.IPPROTO_ICMPV6 && j.Ending == journey.EndingConsumed:
			// a neighbour solicitation, which the kernel itself answers
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
