//go:build matrix

package guest

import (
	"cmp"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/pkg/journey"
	"github.com/hopscope/hopscope/pkg/probe"
)

// scene is what the tests of the truth share.
type scene struct {
	*world
	*recorder
	netfilterLinks bool // else a hook is seen only where it has work to do
	dropReasons    bool
	castKernCtx    bool // a cgroup program may have its packet's kernel form

	socketlessResets bool
}

func TestTruth(t *testing.T) {
	w := newWorld(t)
	for _, ns := range w.all() {
		ns.serve(t)
	}
	// Neighbours, routes and bridge ports learn who is where.
	for _, to := range []string{addrB, addrB6, addrOut, addrWire} {
		w.a.run(t, echoed("--count", "3", at(to))...)
	}
	s := scene{world: w, recorder: newRecorder(t)}
	s.settle(t, atOnce)
	for _, c := range s.probe.Capabilities() {
		switch c.Name {
		case "netfilter links":
			s.netfilterLinks = c.Available
		case "kfree_skb reason":
			s.dropReasons = c.Available
		case "bpf_cast_to_kern_ctx":
			s.castKernCtx = c.Available
		case "tcp_send_reset reason":
			s.socketlessResets = c.Available
		}
	}
	t.Run("capabilities", s.capabilities)
	t.Run("programs", s.programs)
	// First, since defragmentation, once asked for by a rule, stays registered.
	t.Run("host without rules", s.hostWithoutRules)
	// Then, since it needs an empty table of conntrack: nothing is in there before
	// the first rule that asks for it.
	t.Run("conntrack full", s.conntrackFull)
	t.Run("bridged", s.bridged)
	t.Run("bridged over IPv6", s.bridged6)
	t.Run("bridged through netfilter", s.bridgedThroughNetfilter)
	t.Run("routed without rules", s.routed)
	t.Run("routed through rules", s.routedThroughRules)
	t.Run("routed through a bridge with netfilter", s.routedThroughNetfilterBridge)
	t.Run("masquerade", s.masquerade)
	t.Run("dnat", s.dnat)
	t.Run("host", s.hostItself)
	t.Run("vxlan", s.vxlan)
	t.Run("macvlan", s.macvlan)
	t.Run("nic", s.nic)
	t.Run("dns", s.dns)
	t.Run("healthy", s.healthy)
	t.Run("refused", s.refused)
	t.Run("dropped", s.dropped)
	t.Run("lost", s.lost)
	t.Run("sockets", s.sockets)
	t.Run("delay", s.delays)
	t.Run("heartbeat", s.heartbeat)
}

// class is a kind of traffic.
type class struct {
	name  string
	proto uint8
	args  []string
	// delivered is the least share of journeys that reach a socket: what is
	// missing was consumed (a TIME_WAIT socket's, at most one a connection, or a
	// neighbour's answer).
	delivered float64
}

// quiet is how long to wait for what may follow.
func (c class) quiet() time.Duration {
	if c.proto == journey.ProtoTCP {
		return delayedACK
	}
	return atOnce
}

var (
	udp     = class{"udp", journey.ProtoUDP, echoed("--count", "100"), 0.98}
	rr      = class{"request-response", journey.ProtoTCP, []string{"rr", "--count", "100"}, 0.98}
	short   = class{"short", journey.ProtoTCP, []string{"short", "--count", "40"}, 0.85}
	bulk    = class{"bulk", journey.ProtoTCP, []string{"bulk", "--bytes", "4000000"}, 0.95}
	classes = []class{udp, rr, short, bulk}
)

// trip is traffic between two namespaces, and the hops of its packets.
type trip struct {
	from, to       *namespace
	fromDev, toDev string // by which they send; "": eth0
	address        string
	way, back      string
}

func (t trip) places(tt *testing.T) (from, to journey.Place) {
	tt.Helper()
	return t.from.place(tt, cmp.Or(t.fromDev, "eth0")), t.to.place(tt, cmp.Or(t.toDev, "eth0"))
}

// classes sends each class, one after the other.
func (s scene) send(t *testing.T, trip trip, classes ...class) map[string]window {
	t.Helper()
	windows := map[string]window{}
	for _, c := range classes {
		t.Run(c.name, func(t *testing.T) { windows[c.name] = s.exchange(t, c, trip) })
	}
	return windows
}

// exchange sends one class of traffic and checks births against AF_PACKET,
// endings, accounting, owners, and the hops of all that reached a socket.
func (s scene) exchange(t *testing.T, c class, trip trip) window {
	t.Helper()
	var out, back *lab.PacketCounter
	before := retransmitted(t, trip.from) + retransmitted(t, trip.to)
	win := s.during(t, c.quiet(), func() {
		out = lab.AFPacketCount(t, trip.from.path, cmp.Or(trip.fromDev, "eth0"))
		back = lab.AFPacketCount(t, trip.to.path, cmp.Or(trip.toDev, "eth0"))
		trip.from.run(t, append(c.args, trip.address)...)
	})
	t.Logf("%d tracked, endings %v, lost %v, notes %v", win.tracked, win.endings, win.lost, win.notes)
	from, to := trip.places(t)
	s.wantBirths(t, win, from, out.Stop().Packets)
	s.wantBirths(t, win, to, back.Stop().Packets)
	s.wantWay(t, win, c, from, trip.way)
	s.wantWay(t, win, c, to, trip.back)
	wantOwners(t, win, c, trip)
	if share := float64(win.endings["delivered"]) / float64(win.tracked); share < c.delivered {
		t.Errorf("%.3f of journeys delivered, want %.3f: %v", share, c.delivered, win.endings)
	}
	// Of a segment that was sent again for nothing, one copy is dropped.
	again := retransmitted(t, trip.from) + retransmitted(t, trip.to) - before
	if n := win.endings["dropped"]; n > again {
		t.Errorf("%d packets dropped, %d sent again: %v", n, again, s.drops(win))
	}
	var over uint64
	for _, n := range win.endings {
		over += n
	}
	if share := float64(over) / float64(win.tracked); share < 0.999 {
		t.Errorf("%.4f of journeys have an ending, want 0.999; lost: %v", share, win.lost)
	}
	return win
}

// drops tells why and where packets ended.
func (s scene) drops(win window) map[string]int {
	out := map[string]int{}
	for _, j := range win.pick(ended(journey.EndingDropped)) {
		hop := j.DiedIn()
		out[fmt.Sprintf("reason %d %s at %s, hop %v @ %s, TCP flags %#x", j.DropReason, s.probe.Reason(j.DropReason),
			s.probe.Symbol(j.DropLocation), hop.Kind, s.names[hop.Place], j.TCPFlags)]++
	}
	return out
}

// wantBirths allows one packet more or less: the neighbours' own (NDP) may
// fall on a window's edge.
func (s scene) wantBirths(t *testing.T, win window, from journey.Place, packets uint64) {
	t.Helper()
	born := len(win.pick(bornAt(from)))
	if packets == 0 || float64(born) < 0.999*float64(packets)-1 || float64(born) > 1.001*float64(packets)+1 {
		t.Errorf("%d journeys born at %s, AF_PACKET saw %d packets", born, s.names[from], packets)
	}
}

// wantWay checks the hops of all journeys that began at a device and reached a
// socket. TCP's end with sock_lock where the socket was established.
func (s scene) wantWay(t *testing.T, win window, c class, from journey.Place, want string) {
	t.Helper()
	journeys := win.pick(bornAt(from), ended(journey.EndingDelivered), ofProto(c.proto))
	if len(journeys) == 0 {
		t.Errorf("no journey from %s reached a socket", s.names[from])
	}
	counts, locked := map[string]int{}, 0
	for i := range journeys {
		way := s.way(&journeys[i])
		if base, last, ok := cutLast(way); ok && strings.HasPrefix(last, journey.HopSockLock.String()+" @ ") {
			way, locked = base, locked+1
		}
		counts[way]++
	}
	if len(counts) != 1 || counts[want] == 0 {
		t.Errorf("from %s, want\n\t%s\ngot", s.names[from], want)
		for way, n := range counts {
			t.Errorf("\t%d × %s", n, way)
		}
	}
	t.Attr("way", s.names[from]+": "+want)
	if c.proto != journey.ProtoTCP {
		return
	}
	if locked == 0 {
		t.Errorf("no journey from %s has the hop %v", s.names[from], journey.HopSockLock)
	}
	t.Attr("way_tcp", s.names[from]+": "+path(want, journey.HopSockLock.String()))
}

func cutLast(way string) (base, last string, ok bool) {
	i := strings.LastIndex(way, arrow)
	if i < 0 {
		return way, "", false
	}
	return way[:i], way[i+len(arrow):], true
}

// wantOwners checks the cgroups of the sockets at both ends. Half-open and
// TIME_WAIT sockets have none, and what the kernel answers in their stead comes
// from a socket of its own, in the root cgroup.
func wantOwners(t *testing.T, win window, c class, trip trip) {
	t.Helper()
	_, from := trip.from.cgroup(t)
	_, to := trip.to.cgroup(t)
	root := inode(t, cgroups)
	var wrong, unknown int
	journeys := win.pick(ofProto(c.proto), ended(journey.EndingDelivered))
	for _, j := range journeys {
		src, dst := from, to
		if j.Stops[0].Netns == trip.to.inode {
			src, dst = to, from
		}
		for _, end := range []struct{ got, want uint64 }{{j.CgroupSrc, src}, {j.CgroupDst, dst}} {
			switch end.got {
			case end.want:
			case 0, root:
				unknown++
			default:
				wrong++
			}
		}
	}
	t.Logf("owners of %d journeys: %d ends unknown, %d wrong", len(journeys), unknown, wrong)
	if wrong > 0 {
		t.Errorf("%d of %d ends belong to a wrong cgroup", wrong, 2*len(journeys))
	}
	if limit := len(journeys) / 50; c.name != short.name && unknown > limit {
		t.Errorf("%d of %d ends belong to no cgroup, want at most %d", unknown, 2*len(journeys), limit)
	}
}

// heartbeat: every program that is attached has run.
func (s scene) heartbeat(t *testing.T) {
	for name, runs := range s.counts(t).Runs {
		t.Logf("%-24s %d runs", name, runs)
		if runs == 0 && expectedToRun(s.probe.Capabilities(), name) {
			t.Errorf("%s never ran", name)
		}
	}
}

func expectedToRun(caps []probe.Capability, program string) bool {
	for _, c := range caps {
		if c.Name == "tracepoint "+program {
			return c.Available
		}
	}
	return true
}
