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
	untouched := map[route]hopTimes{}
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
			if untouched[c.route] == nil {
				// The pace of the delayed ones, so that both wake an idle CPU.
				untouched[c.route] = s.hopTimes(t, c.from, c.to, c.ending)
			}
			netem(t, c.ns, c.dev, netlink.NetemQdiscAttrs{Latency: uint32(injected.Microseconds())})
			delayed := s.hopTimes(t, c.from, c.to, c.ending)
			s.wantDelayIn(t, "qdisc @ "+c.ns.name+"/"+c.dev, untouched[c.route], delayed)
		})
	}
}

// netem puts the network emulator (tc-netem(8)) on a device until the test ends.
func netem(t *testing.T, ns *namespace, dev string, attrs netlink.NetemQdiscAttrs) {
	t.Helper()
	q := netlink.NewNetem(netlink.QdiscAttrs{
		LinkIndex: ns.link(t, dev).Attrs().Index, Handle: netlink.MakeHandle(1, 0), Parent: netlink.HANDLE_ROOT,
	}, attrs)
	must(t, ns.QdiscReplace(q), "put netem on %s/%s", ns.name, dev)
	t.Cleanup(func() { must(t, ns.QdiscDel(q), "remove netem from %s/%s", ns.name, dev) })
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

func (s scene) wantDelayIn(t *testing.T, place string, untouched, delayed hopTimes) {
	t.Helper()
	// The hops behind the wait find a CPU that has been idle, and cold caches.
	const cold = time.Millisecond
	if len(delayed[place]) < 20 {
		t.Fatalf("%d journeys with a hop %s, want 20", len(delayed[place]), place)
	}
	for _, name := range slices.Sorted(maps.Keys(delayed)) {
		list, before := delayed[name], untouched[name]
		if len(before) == 0 {
			t.Errorf("%s is there only with the delay", name)
			continue
		}
		got, median, p99 := list[len(list)/2], before[len(before)/2], before[len(before)-1]
		t.Logf("%-24s median %-12v untouched %v, p99 %v", name, got, median, p99)
		switch {
		case name == place && got-median < injected*95/100:
			t.Errorf("%s: %v more than untouched, want 95 %% of %v", name, got-median, injected)
		case name != place && got > max(p99, cold):
			t.Errorf("%s: median %v is beyond the p99 without the delay, %v, and %v", name, got, p99, cold)
		}
	}
}
