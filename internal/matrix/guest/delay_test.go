//go:build matrix

package guest

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/pkg/journey"
)

// injected is far more than anything else takes in an emulator, and ends for
// each datagram when no other one is on its way: see the rate in hopTimes.
const injected = 112 * time.Millisecond

// brief is the delay that it is compared with: what stands behind a wait is sent
// by a timer, on a CPU that was idle, which takes the emulator's NIC twice as long.
const brief = time.Millisecond

// A delay that is injected at one device appears in the qdisc of that device,
// and nowhere else.
func (s scene) delays(t *testing.T) {
	lab.BridgeNF(t, false)
	type route struct {
		from   *namespace
		to     string
		ending journey.Ending
	}
	bridged := route{s.a, addrB, journey.EndingDelivered}
	for _, c := range []struct {
		name string
		ns   *namespace // where the delay is
		dev  string
		route
	}{
		{"container's veth", s.a, "eth0", bridged},
		{"host's veth", s.host, "vethO", route{s.a, addrOut, journey.EndingDelivered}},
		{"bridge port", s.host, "vethB", bridged},
		{"bridge", s.host, "br0", route{s.out, addrA, journey.EndingDelivered}},
		{"nic", s.host, "eth0", route{s.a, addrWire, journey.EndingLeft}},
	} {
		t.Run(c.name, func(t *testing.T) {
			delayedBy := func(d time.Duration) hopTimes {
				defer netem(t, c.ns, c.dev, netlink.NetemQdiscAttrs{Latency: uint32(d.Microseconds())})()
				return s.hopTimes(t, c.from, c.to, c.ending)
			}
			before := delayedBy(brief)
			s.wantDelayIn(t, "qdisc @ "+c.ns.name+"/"+c.dev, before, delayedBy(injected))
		})
	}
}

// netem puts the network emulator (tc-netem(8)) on a device, until remove.
func netem(t *testing.T, ns *namespace, dev string, attrs netlink.NetemQdiscAttrs) (remove func()) {
	t.Helper()
	q := netlink.NewNetem(netlink.QdiscAttrs{
		LinkIndex: ns.link(t, dev).Attrs().Index, Handle: netlink.MakeHandle(1, 0), Parent: netlink.HANDLE_ROOT,
	}, attrs)
	must(t, ns.QdiscReplace(q), "put netem on %s/%s", ns.name, dev)
	return func() { must(t, ns.QdiscDel(q), "remove netem from %s/%s", ns.name, dev) }
}

// hopTimes are the sorted times of each hop, "KIND @ PLACE".
type hopTimes map[string][]time.Duration

// hopTimes sends datagrams, 25 ms apart.
func (s scene) hopTimes(t *testing.T, from *namespace, to string, e journey.Ending) hopTimes {
	t.Helper()
	win := s.during(t, atOnce, func() { from.run(t, echoed("--count", "20", "--rate", "40", at(to))...) })
	times := hopTimes{}
	for _, j := range win.pick(bornAt(from.place(t, "eth0")), ended(e), ofProto(journey.ProtoUDP)) {
		for _, hop := range j.Hops(nil) {
			name := hop.Kind.String() + " @ " + s.names[hop.Place]
			times[name] = append(times[name], hop.Duration)
		}
	}
	for _, list := range times {
		slices.Sort(list)
	}
	return times
}

func (s scene) wantDelayIn(t *testing.T, place string, shortly, delayed hopTimes) {
	t.Helper()
	// What the hops behind the wait meet after it is colder than after a short one.
	const cold = time.Millisecond
	if len(delayed[place]) < 20 {
		t.Fatalf("%d journeys with a hop %s, want 20", len(delayed[place]), place)
	}
	for _, name := range slices.Sorted(maps.Keys(delayed)) {
		list, before := delayed[name], shortly[name]
		if len(before) == 0 {
			t.Errorf("%s is there only with the delay", name)
			continue
		}
		got, median, p99 := list[len(list)/2], before[len(before)/2], before[len(before)-1]
		t.Logf("%-24s median %-12v after a short delay %v, p99 %v", name, got, median, p99)
		switch {
		case name == place && got-median < (injected-brief)*95/100:
			t.Errorf("%s: %v more than before, want 95 %% of %v", name, got-median, injected-brief)
		case name != place && got > max(p99, cold):
			t.Errorf("%s: median %v is beyond the p99 after a short delay, %v, and %v", name, got, p99, cold)
		}
	}
}
