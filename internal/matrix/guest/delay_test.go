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
const injected = 100 * time.Millisecond

// A delay that is injected at one device appears in the qdisc of that device,
// and nowhere else.
func (s scene) delays(t *testing.T) {
	lab.BridgeNF(t, false)
	for _, c := range []struct {
		name   string
		ns     *namespace // where the delay is
		dev    string
		from   *namespace
		to     string
		ending journey.Ending
	}{
		{"container's veth", s.a, "eth0", s.a, addrB, journey.EndingDelivered},
		{"host's veth", s.host, "vethO", s.a, addrOut, journey.EndingDelivered},
		{"bridge port", s.host, "vethB", s.a, addrB, journey.EndingDelivered},
		{"bridge", s.host, "br0", s.out, addrA, journey.EndingDelivered},
		{"nic", s.host, "eth0", s.a, addrWire, journey.EndingLeft},
	} {
		t.Run(c.name, func(t *testing.T) {
			// The pace of the delayed ones, so that both wake an idle CPU.
			untouched := s.hopTimes(t, c.from, c.to, c.ending)
			netem(t, c.ns, c.dev, netlink.NetemQdiscAttrs{Latency: uint32(injected.Microseconds())})
			delayed := s.hopTimes(t, c.from, c.to, c.ending)
			s.wantDelayIn(t, "qdisc @ "+c.ns.name+"/"+c.dev, untouched, delayed)
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

// hopTimes sends datagrams and gives, sorted, the times of each hop.
func (s scene) hopTimes(t *testing.T, from *namespace, to string, e journey.Ending) map[string][]time.Duration {
	t.Helper()
	win := s.during(t, func() { from.run(t, "udp", "--count", "20", "--rate", "25", at(to)) })
	times := map[string][]time.Duration{}
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

func (s scene) wantDelayIn(t *testing.T, place string, untouched, delayed map[string][]time.Duration) {
	t.Helper()
	// The hops behind the wait find a CPU that has been idle, and cold caches.
	const cold = injected / 100
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
