package topology

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/internal/lab/outcome"
	"github.com/hopscope/hopscope/pkg/journey"
	"github.com/hopscope/hopscope/pkg/model"
	"github.com/hopscope/hopscope/pkg/pipeline"
)

// row is one way in which a container is wired.
type row struct {
	name string
	wire func(t *testing.T, shop *lab.Shop) scene
}

// scene is a wired topology with its traffic, and what its trace must show.
type scene struct {
	options pipeline.Options
	warm    func() // resolves neighbours before anything is traced
	traffic func()
	flows   []flow
	births  []birth
	inHost  []*lab.Container // those in the host's network namespace
}

// flow is both directions of the traffic between a client and a server.
type flow struct {
	client, server end
	network        string // Docker network
	proto          string // "": tcp
	port           uint16
	published      int
	nat            string // "": none
	request        []string
	response       []string // hops in order, each "hop @ where"
	atLeast        uint64   // journeys of either direction
	// besides says whether some packets may have the hops got, where all should have
	// want, both with a hop a line; nil: none may.
	besides func(got, want string) bool
}

type end struct{ kind, name string }

func container(name string) end { return end{"container", name} }
func proxy(serves string) end   { return end{"proxy", "docker-proxy " + serves} }
func external(addr any) end     { return end{"external", fmt.Sprint(addr)} }
func host() end                 { return end{"host", "(host)"} }

// birth is a device at which every packet that leaves is born: AF_PACKET counts
// them there, independent of the tracer. The host's own devices carry others'
// packets too: there only those of one TCP or UDP port count.
type birth struct {
	netns, dev string
	port       uint16 // 0: all packets
}

// run wires, traces and checks a row.
func (r row) run(t *testing.T) {
	lab.Lock(t)
	lab.BridgeNF(t, false)
	shop := lab.NewShop(t)
	s := r.wire(t, shop)
	if s.warm != nil {
		s.warm()
		time.Sleep(quiet)
	}
	tr := begin(t, s.options)
	counted := make([]*counting, len(s.births))
	for i, b := range s.births {
		counted[i] = b.count(t)
	}
	s.traffic()
	tr.Settle()
	for _, c := range counted {
		c.stop()
	}
	got := tr.end()
	got.wantWhole(t, s.flows, counted...)
	got.wantHostHops(t, s.inHost)
	if t.Failed() {
		got.print(t)
	}
}

// counting counts what leaves a device, from its beginning to its stop.
type counting struct {
	birth
	inode, ifindex uint32
	counter        *lab.PacketCounter
	sent           lab.Count
}

// count begins to count. The device may be gone when it is judged.
func (b birth) count(t *testing.T) *counting {
	t.Helper()
	c := &counting{birth: b, counter: lab.AFPacketRecord(t, b.netns, b.dev)}
	c.inode, c.ifindex = place(t, b.netns, b.dev)
	return c
}

func (c *counting) stop() { c.sent = c.counter.Stop() }

// wantWhole checks what holds for every trace without a fault: it is sound, all
// packets are born and ended in it, and those of the flows are as they should be.
func (r result) wantWhole(t *testing.T, flows []flow, counted ...*counting) {
	t.Helper()
	r.wantSound(t, flows)
	for _, c := range counted {
		r.wantBirths(t, c)
	}
	r.wantEnded(t)
	r.wantFlows(t, flows)
}

// wantEnded checks that every journey has an ending. Of a packet of IPv6 itself that
// is flooded, the copy that goes on has none.
func (r result) wantEnded(t *testing.T) {
	t.Helper()
	flooded := uint64(0)
	for i := range r.Journeys {
		if chatter(&r.Journeys[i]) {
			flooded++
		}
	}
	if c := r.Counts; c.Completed()+flooded < c.Tracked {
		t.Errorf("%d of %d journeys have an ending, %d more may be IPv6's own: %v; %v", c.Completed(), c.Tracked, flooded, c.Endings, c.Notes)
	}
}

// wantHostHops checks of which containers it is said that their hops are the host's.
func (r result) wantHostHops(t *testing.T, want []*lab.Container) {
	t.Helper()
	for i := range r.Snapshot.Containers {
		c := &r.Snapshot.Containers[i]
		if is := slices.ContainsFunc(want, func(w *lab.Container) bool { return w.ID == c.ID }); c.HostHops != is {
			t.Errorf("%s: host_hops is %v", c.Name, c.HostHops)
		}
	}
}

func (r result) wantBirths(t *testing.T, b *counting) {
	t.Helper()
	sent := b.sent
	var born, packets uint64
	for i := range r.Journeys {
		j := &r.Journeys[i]
		if j.Flags&journey.FlagInherited == 0 && !chatter(j) && b.counts(j.First.Src.Port(), j.First.Dst.Port()) && sent.Since <= j.Start && j.Start <= sent.Until && bornAt(j, b.inode, b.ifindex) {
			born++
		}
	}
	for _, p := range sent.Records {
		if src, dst := ports(p.Header); b.counts(src, dst) && !housekeeping(p.Header) {
			packets++
		}
	}
	if packets == 0 || sent.Dropped > 0 || float64(born) < 0.999*float64(packets) || float64(born) > 1.001*float64(packets) {
		t.Errorf("%d journeys begin at %s, AF_PACKET counts %d packets and missed %d", born, b.dev, packets, sent.Dropped)
	}
}

// chatter says whether a journey is housekeeping.
func chatter(j *journey.Journey) bool {
	const hopByHop = 0 // behind which the tracer does not look
	return j.Family == 6 && j.Proto == hopByHop ||
		j.Proto == journey.ProtoICMPv6 && isHousekeeping(byte(j.First.Dst.Port()>>8))
}

func (b birth) counts(src, dst uint16) bool { return b.port == 0 || b.port == src || b.port == dst }

// bornAt says whether a journey's first device is this one. A host's own packet
// begins at a hook, before it has a device.
func bornAt(j *journey.Journey, netns, ifindex uint32) bool {
	for _, s := range j.Stops {
		if s.Point == journey.PointQueue {
			return s.Netns == netns && s.Ifindex == ifindex
		}
		if s.Point < journey.PointNF {
			return false
		}
	}
	return false
}

// housekeeping says whether a packet is of IPv6 itself: neighbour discovery and
// multicast listener reports (RFC 4861, RFC 3810), the latter behind a
// hop-by-hop header. Devices that are new send them when they like, and where
// one is flooded, the copy that goes on has no end of its own.
func housekeeping(header []byte) bool {
	const ipv6 = 40
	if len(header) <= ipv6 || header[0]>>4 != 6 {
		return false
	}
	return header[6] == 0 || header[6] == journey.ProtoICMPv6 && isHousekeeping(header[ipv6])
}

// isHousekeeping takes a type of ICMPv6.
func isHousekeeping(kind byte) bool { return kind >= 130 && kind <= 143 }

// ports are those of a TCP or UDP packet, which begins at its IP header.
func ports(header []byte) (src, dst uint16) {
	if len(header) == 0 {
		return 0, 0
	}
	at := 40 // IPv6 without extension headers
	if header[0]>>4 == 4 {
		at = 4 * int(header[0]&15)
	}
	if len(header) < at+4 {
		return 0, 0
	}
	return binary.BigEndian.Uint16(header[at:]), binary.BigEndian.Uint16(header[at+2:])
}

func (r result) wantFlows(t *testing.T, flows []flow) {
	t.Helper()
	lists := r.lists(flows)
	for _, f := range flows {
		r.wantFlow(t, f, lists)
	}
}

func (r result) wantFlow(t *testing.T, f flow, lists []model.Snapshot) {
	t.Helper()
	f.proto, f.nat = or(f.proto, "tcp"), or(f.nat, "none")
	for _, way := range []struct {
		direction string
		from, to  end
		hops      []string
	}{{"request", f.client, f.server, f.request}, {"response", f.server, f.client, f.response}} {
		what := fmt.Sprintf("%s %s -> %s", way.direction, way.from.name, way.to.name)
		p := r.find(f, way.direction, way.from, way.to)
		if p == nil {
			t.Errorf("no path: %s %s:%d", what, f.proto, f.port)
			continue
		}
		published := 0
		if p.PublishedPort != nil {
			published = *p.PublishedPort
		}
		if p.Network != f.network || p.NAT != f.nat || published != f.published {
			t.Errorf("%s: network %q nat %q published %d, want %q %q %d",
				what, p.Network, p.NAT, published, f.network, f.nat, f.published)
		}
		if p.Journeys < f.atLeast {
			t.Errorf("%s: %d journeys, want %d", what, p.Journeys, f.atLeast)
		}
		if got := mainHops(p); way.hops != nil && !slices.Equal(got, way.hops) {
			t.Errorf("%s: hops\n%s\nwant\n%s", what, strings.Join(got, "\n"), strings.Join(way.hops, "\n"))
		}
		if way.hops != nil {
			r.wantLists(t, listsOf(lists, f, way.direction, way.from, way.to), f, what, way.hops)
		}
	}
}

// find looks for the path with these ends, protocol and port.
func (r result) find(f flow, direction string, from, to end) *model.Path {
	for i := range r.Snapshot.Paths {
		p := &r.Snapshot.Paths[i]
		if (end{p.From.Kind, p.From.Name}) == from && (end{p.To.Kind, p.To.Name}) == to &&
			p.Proto == f.proto && p.Port == f.port && p.Direction == direction {
			return p
		}
	}
	return nil
}

// mainHops are those that at least every tenth packet met, in order: a stray
// packet that waited for a neighbour has others.
func mainHops(p *model.Path) []string {
	var out []string
	for _, h := range p.Hops {
		if 10*h.Dist.Count >= p.Journeys {
			out = append(out, h.Hop+" @ "+h.Where)
		}
	}
	return out
}

// print shows all paths, as a help to write a row or to see what is wrong.
func (r result) print(t *testing.T) {
	t.Helper()
	t.Logf("endings %v, notes %v", r.Counts.Endings, r.Counts.Notes)
	for _, p := range r.Snapshot.Paths {
		if p.From.Kind == "host" && p.To.Kind == "host" {
			continue
		}
		published := 0
		if p.PublishedPort != nil {
			published = *p.PublishedPort
		}
		t.Logf("%s %s %s -> %s %s, network %q, %s:%d published %d, nat %s, %d journeys, p50 %d ns\n\t%s",
			p.Direction, p.From.Kind, p.From.Name, p.To.Kind, p.To.Name, p.Network, p.Proto, p.Port, published, p.NAT,
			p.Journeys, *p.Total.P50Ns, strings.Join(mainHops(&p), " | "))
	}
}

func or(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

// wantOK fails unless all n operations succeeded.
func wantOK(t *testing.T, r outcome.Result, n uint64) {
	t.Helper()
	if r.OK != n || r.Errors != 0 {
		t.Errorf("%s: %d ok, %d errors (%s), want %d and none", r.Mode, r.OK, r.Errors, r.FirstError, n)
	}
}

// place is a device as stops name it.
func place(t *testing.T, netns, dev string) (inode, ifindex uint32) {
	t.Helper()
	n, i, err := placeOf(netns, dev)
	if err != nil {
		t.Fatal(err)
	}
	return n, i
}
