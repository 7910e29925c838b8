package model

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/journey"
)

// veth is a packet of web to api by way of two veth pairs, the outer ends of
// which are given.
func veth(out, in uint32, from, to uint64) *journey.Journey {
	j := packet(bridged())
	j.CgroupSrc, j.CgroupDst = from, to
	j.Stops = []journey.Stop{
		{Netns: webNS, Ifindex: webEth, Point: journey.PointQueue},
		{Netns: webNS, Ifindex: webEth, Point: journey.PointXmit, Flags: journey.StopVeth, At: 1},
		{Netns: hostNS, Ifindex: out, Point: journey.PointNetifRx, At: 2},
		{Netns: hostNS, Ifindex: in, Point: journey.PointXmit, Flags: journey.StopVeth, At: 3},
		{Netns: apiNS, Ifindex: apiEth, Point: journey.PointNetifRx, At: 4},
		{Netns: apiNS, Ifindex: apiEth, Point: journey.PointDeliver, At: 5},
	}
	return j
}

func TestGates(t *testing.T) {
	j := veth(vethWeb, vethAPI, 0, 0)
	if got, want := gateOut(j.Stops, webNS), (journey.Place{Netns: hostNS, Ifindex: vethWeb}); got != want {
		t.Errorf("out by %v, want %v", got, want)
	}
	if got, want := gateIn(j.Stops, apiNS), (journey.Place{Netns: hostNS, Ifindex: vethAPI}); got != want {
		t.Errorf("in by %v, want %v", got, want)
	}
	for i := range j.Stops { // a macvlan's parent is shared by many
		j.Stops[i].Flags = 0
	}
	if out, in := gateOut(j.Stops, webNS), gateIn(j.Stops, apiNS); out != (journey.Place{}) || in != out {
		t.Errorf("without a veth: out by %v, in by %v", out, in)
	}
	if got := gateOut(j.Stops[:1], webNS); got != (journey.Place{}) {
		t.Errorf("of one stop: %v", got)
	}
}

// inTurn are containers that had web's namespace and address, one after the
// other, and api.
func inTurn(n int) *inventory.View {
	at := func(i int) time.Time { return time.Date(2026, 1, 2, 3, 0, i, 0, time.UTC) }
	f := inventory.Facts{Host: hostNS, Containers: []inventory.Container{
		{ID: "api", Name: "api", PID: 1, Netns: apiNS, CgroupID: 2001, Addrs: []netip.Addr{apiAddr}, Started: at(0)},
	}}
	for i := range n {
		name := fmt.Sprint("web-", i)
		f.Containers = append(f.Containers, inventory.Container{ID: name, Name: name, Netns: webNS, CgroupID: uint64(1000 + i),
			Addrs: []netip.Addr{webAddr}, Started: at(2 * i), Stopped: at(2*i + 1), Gone: at(2*i + 1)})
	}
	return inventory.NewView(f)
}

// Packets that no socket tells of are those of the container that used the same
// veth, however many had its namespace and address before and after.
func TestNamespaceInTurn(t *testing.T) {
	const n = 5
	for name, merged := range map[string]bool{"at once": false, "in pieces": true} {
		t.Run(name, func(t *testing.T) {
			sum := New(Limits{})
			now := sum
			if merged {
				now = New(Limits{})
			}
			for i := range uint32(n) {
				now.Add(veth(100+i, vethAPI, uint64(1000+i), 2001), bridged())
				if merged { // what was learned in one piece serves the next ones
					sum.Merge(now.Seal())
					now = now.Next()
				}
				for range i + 1 {
					now.Add(veth(100+i, vethAPI, 0, 2001), bridged())
				}
				now.Add(veth(100+i, vethAPI, 999, 2001), bridged()) // a process of the host that entered the namespace
			}
			now.Add(veth(500, vethAPI, 0, 2001), bridged()) // of a container that nobody saw
			if merged {
				sum.Merge(now.Seal())
			}
			got := map[string]uint64{}
			for _, p := range sum.Snapshot(inTurn(n), Meta{}).Paths {
				got[p.From.Name] += p.Journeys
			}
			if got["(unknown)"] != 1+1 { // until it entered the next one, its gate was not of interest
				t.Errorf("%d packets are nobody's: %v", got["(unknown)"], got)
			}
			for i := range n {
				want := uint64(1 + i + 1)
				if i > 0 {
					want++ // the process
				}
				if name := fmt.Sprint("web-", i); got[name] != want {
					t.Errorf("%s has %d packets, want %d", name, got[name], want)
				}
			}
		})
	}
}

// What served at the same place of a namespace that is gone does not answer for
// its successor.
func TestListenerOfADeadNamespace(t *testing.T) {
	a := New(Limits{})
	served := reply(packet(bridged()))
	served.Stops = veth(100, vethAPI, 0, 0).Stops
	served.CgroupSrc, served.CgroupDst = 1000, 2001
	refused := *served
	refused.CgroupSrc, refused.Stops = 0, veth(101, vethAPI, 0, 0).Stops
	swap := func(j *journey.Journey) {
		j.First = journey.Tuple{Src: port(webAddr, 80), Dst: port(apiAddr, 40000)}
		j.Last = j.First
	}
	swap(served)
	swap(&refused)
	a.Add(served, bridged())
	a.Add(&refused, bridged())
	for _, p := range a.Snapshot(inTurn(2), Meta{}).Paths {
		if p.Journeys != 1 || p.From.Name != "web-0" && p.From.Name != "(unknown)" {
			t.Errorf("%+v has %d packets", p.From, p.Journeys)
		}
	}
}

// Within one namespace the socket at one end tells whose the other end is, such
// as the engine's name server, or what no socket sent.
func TestOtherEndOfANamespace(t *testing.T) {
	a := New(Limits{})
	for i, cgroup := range []uint64{0, 999} {
		j := packet(bridged())
		j.CgroupSrc, j.CgroupDst = uint64(1000+i), cgroup
		j.Stops = []journey.Stop{{Netns: webNS, Point: journey.PointQueue}, {Netns: webNS, Point: journey.PointDeliver, At: 5}}
		a.Add(j, bridged())
	}
	for _, p := range a.Snapshot(inTurn(3), Meta{}).Paths {
		if p.From.Name != p.To.Name || p.From.ContainerID == nil || p.Journeys != 1 {
			t.Errorf("%d packets from %q to %q", p.Journeys, p.From.Name, p.To.Name)
		}
	}
}
