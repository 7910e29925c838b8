package journey

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// dev is a device of the test topology.
type dev struct {
	label          string
	netns, ifindex uint32
	flags          StopFlags
}

// The topology: containers A and B on one bridge, C on another, a NIC, and
// tunnel and macvlan devices.
const (
	nsHost uint32 = 1 + iota
	nsA
	nsB
)

var (
	eth0A  = dev{"A/eth0", nsA, 2, StopVeth}
	eth0B  = dev{"B/eth0", nsB, 2, StopVeth}
	loA    = dev{"A/lo", nsA, 1, 0}
	portA  = dev{"vethA", nsHost, 11, StopVeth | StopPort}
	portB  = dev{"vethB", nsHost, 12, StopVeth | StopPort}
	bridge = dev{"br-1", nsHost, 5, StopBridge}
	other  = dev{"br-2", nsHost, 6, StopBridge}
	nic    = dev{"nic", nsHost, 3, StopPhys}
	nicEnc = dev{"nic", nsHost, 3, StopPhys | StopEncap}
	vxlan  = dev{"vxlan", nsHost, 9, 0}
	vxPort = dev{"vxlan", nsHost, 9, StopPort}
	vxDone = dev{"vxlan", nsHost, 9, StopTunnel}
	vlan   = dev{"vlan", nsHost, 8, 0}
	mvA    = dev{"A/macvlan", nsA, 7, 0}
	tun    = dev{"tun", nsHost, 13, 0}
	inHost = dev{"host", nsHost, 0, 0}
	none   = dev{"", 0, 0, 0} // an ending whose skb has no device
)

var allDevs = []dev{eth0A, eth0B, loA, portA, portB, bridge, other, nic, vxlan, vlan, mvA, tun, inHost,
	{"A", nsA, 0, 0}, {"B", nsB, 0, 0}}

func label(p Place) string {
	for _, d := range allDevs {
		if d.netns == p.Netns && d.ifindex == p.Ifindex {
			return d.label
		}
	}
	return fmt.Sprintf("%d:%d", p.Netns, p.Ifindex)
}

// path builds stops whose steps last 1, 2, 4, 8... ns, so that no two hops can
// be swapped unseen.
type path []Stop

func (p path) at(d dev, points ...Point) path {
	for _, pt := range points {
		var at time.Duration
		if n := len(p); n > 0 {
			at = p[n-1].At + 1<<(n-1)
		}
		p = append(p, Stop{At: at, Netns: d.netns, Ifindex: d.ifindex, Point: pt, Flags: d.flags})
	}
	return p
}

// sends is a device's transmission; crosses a veth pair's backlog.
func (p path) sends(d dev) path   { return p.at(d, PointQueue, PointXmit) }
func (p path) crosses(d dev) path { return p.at(d, PointNetifRx, PointReceive) }

// Netfilter stops carry no flags of their device, as in the kernel programs.
func (p path) hook(d dev, points ...Point) path {
	d.flags &= StopEncap
	return p.at(d, points...)
}

func (p path) pre(d dev) path  { return p.hook(d, PointPreIn, PointPreOut) }
func (p path) in(d dev) path   { return p.hook(d, PointInputIn, PointInputOut) }
func (p path) fwd(d dev) path  { return p.hook(d, PointForwardIn, PointForwardOut) }
func (p path) out(d dev) path  { return p.hook(d, PointOutputIn, PointOutputOut) }
func (p path) post(d dev) path { return p.hook(d, PointPostIn, PointPostOut) }

func (p path) delivered(d dev) path { return p.at(d, PointDeliver, PointTCPProbe) }

// fromA is how every packet of container A reaches the host.
func fromA() path { return path{}.sends(eth0A).crosses(portA) }

var hopsFromA = []string{"qdisc @ A/eth0", "xmit @ A/eth0", "backlog @ vethA"}

// toB is how every packet to container B goes on from its port.
func (p path) toB() path { return p.sends(portB).crosses(eth0B).delivered(eth0B) }

var hopsToB = []string{"qdisc @ vethB", "xmit @ vethB", "backlog @ B/eth0", "stack_rx @ B/eth0", "sock_lock @ B/eth0"}

func hops(parts ...[]string) []string { return slices.Concat(parts...) }

type hopCase struct {
	name   string
	stops  path
	ending Ending
	proto  uint8
	want   []string
}

// checkHops compares the names and places of a journey's hops and that each
// nanosecond of it is in exactly one of them.
func checkHops(t *testing.T, c hopCase) {
	t.Helper()
	if c.proto == 0 {
		c.proto = ProtoTCP
	}
	j := Journey{Stops: c.stops, Ending: c.ending, Proto: c.proto}
	hops := j.Hops(nil)
	var got []string
	var sum time.Duration
	for i, h := range hops {
		got = append(got, h.Kind.String()+" @ "+label(h.Place))
		sum += h.Duration
		if want := time.Duration(1) << i; h.Duration != want {
			t.Errorf("hop %d lasts %v, want %v", i, h.Duration, want)
		}
		if h.Place.Netns == 0 {
			t.Errorf("hop %d (%v) has no place", i, h.Kind)
		}
	}
	if !slices.Equal(got, c.want) {
		t.Errorf("hops\n got %q\nwant %q", got, c.want)
	}
	if sum != j.Total() {
		t.Errorf("hops sum to %v, journey lasts %v", sum, j.Total())
	}
}

func TestHopsDelivered(t *testing.T) {
	for _, c := range deliveredCases() {
		c.ending = EndingDelivered
		t.Run(c.name, func(t *testing.T) { checkHops(t, c) })
	}
}

func TestHopsLeft(t *testing.T) {
	for _, c := range leftCases() {
		c.ending = EndingLeft
		t.Run(c.name, func(t *testing.T) { checkHops(t, c) })
	}
}

func TestHopsEnded(t *testing.T) {
	for _, c := range endedCases() {
		t.Run(c.name, func(t *testing.T) { checkHops(t, c) })
	}
}

func TestHopsIncomplete(t *testing.T) {
	for _, c := range incompleteCases() {
		c.ending = EndingDelivered
		t.Run(c.name, func(t *testing.T) { checkHops(t, c) })
	}
}

// Whatever two stops follow each other, the result has as many hops as there
// are gaps, the time is all there, and nothing panics.
func TestHopsOfAnyPair(t *testing.T) {
	var known int
	for from := Point(0); from < 32; from++ {
		for to := Point(0); to < 32; to++ {
			stops := path{}.at(portA, from).at(bridge, to)
			j := Journey{Stops: stops, Ending: EndingDropped, Proto: ProtoUDP}
			got := j.Hops(nil)
			if len(got) != 1 || got[0].Duration != j.Total() || got[0].Netns != nsHost {
				t.Fatalf("%v to %v: %+v", from, to, got)
			}
			if got[0].Kind != HopUnknown {
				known++
			}
		}
	}
	if known == 0 {
		t.Error("no pair has a name")
	}
}

func TestHopsUnknownHasPlace(t *testing.T) {
	checkHops(t, hopCase{
		stops: path{}.at(eth0A, PointQueue).at(portA, PointReceive),
		want:  []string{"unknown @ A/eth0"},
	})
}

func TestHopsEmpty(t *testing.T) {
	dst := make([]Hop, 3)
	for _, stops := range []path{nil, path{}.at(eth0A, PointQueue)} {
		j := Journey{Stops: stops}
		if got := j.Hops(dst); len(got) != 0 {
			t.Errorf("%d stops: %d hops", len(stops), len(got))
		}
	}
}

// A rule that no journey can reach is dead or shadowed by an earlier one.
func TestEachRuleIsUsed(t *testing.T) {
	used := make([]bool, len(rules))
	for _, c := range allCases() {
		j := Journey{Stops: c.stops, Ending: c.ending, Proto: c.proto}
		var entry *Stop
		for i := 1; i < len(j.Stops); i++ {
			entry = nextEntry(entry, &j.Stops[i-1])
			if r := newSegment(&j, entry, i-1, &j.Stops[i]).rule(); r >= 0 {
				used[r] = true
			}
		}
	}
	for i, ok := range used {
		if !ok {
			t.Errorf("rule %d (%v) names no hop of any test", i, rules[i].kind)
		}
	}
}

func allCases() []hopCase {
	delivered, left := deliveredCases(), leftCases()
	for i := range left {
		left[i].ending = EndingLeft
	}
	all := slices.Concat(delivered, left, endedCases(), incompleteCases())
	for i := range all {
		if all[i].proto == 0 {
			all[i].proto = ProtoTCP
		}
	}
	return all
}
