package model

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/journey"
)

// The namespaces and devices of the tests.
const (
	hostNS, webNS, apiNS = 1, 100, 200
	hostNIC              = 2
	webEth, apiEth       = 11, 21
	vethWeb, vethAPI     = 12, 22
)

var (
	webAddr  = netip.MustParseAddr("10.0.0.2")
	apiAddr  = netip.MustParseAddr("10.0.0.3")
	hostAddr = netip.MustParseAddr("198.51.100.1")
	farAddr  = netip.MustParseAddr("198.51.100.9")
)

// fakeNames is an inventory that knows what it is told.
type fakeNames struct {
	containers map[uint32]string // by netns
	devices    map[journey.Place]string
	networks   map[journey.Place]string
	proxies    map[uint64]bool // by cgroup
}

func shop() *fakeNames {
	return &fakeNames{
		containers: map[uint32]string{webNS: "web", apiNS: "api"},
		devices: map[journey.Place]string{
			{Netns: webNS, Ifindex: webEth}:   "eth0 of web",
			{Netns: apiNS, Ifindex: apiEth}:   "eth0 of api",
			{Netns: hostNS, Ifindex: vethWeb}: "veth of web",
			{Netns: hostNS, Ifindex: vethAPI}: "veth of api",
		},
		networks: map[journey.Place]string{{Netns: webNS, Ifindex: webEth}: "shop", {Netns: apiNS, Ifindex: apiEth}: "shop"},
	}
}

func (f *fakeNames) Endpoint(e inventory.RawEndpoint) inventory.Endpoint {
	switch name := f.containers[e.Netns]; {
	case f.proxies[e.Cgroup]:
		return inventory.Endpoint{Kind: inventory.KindProxy, Name: "docker-proxy"}
	case name != "":
		return inventory.Endpoint{Kind: inventory.KindContainer, Name: name, ContainerID: "id-" + name}
	case e.Netns == hostNS:
		return inventory.Endpoint{Kind: inventory.KindHost, Name: "(host)"}
	}
	return inventory.Endpoint{Kind: inventory.KindExternal, Name: e.Addr.String()}
}

func (f *fakeNames) Where(netns, ifindex uint32) (where, device string) {
	if name, ok := f.devices[journey.Place{Netns: netns, Ifindex: ifindex}]; ok {
		return name, fmt.Sprintf("dev%d", ifindex)
	}
	if netns == hostNS {
		return "host", ""
	}
	return fmt.Sprintf("dev %d in ns %d", ifindex, netns), ""
}

func (f *fakeNames) Network(netns, ifindex uint32) (inventory.Network, bool) {
	name, ok := f.networks[journey.Place{Netns: netns, Ifindex: ifindex}]
	return inventory.Network{Name: name}, ok
}

// at makes a hop.
func at(kind journey.HopKind, netns, ifindex uint32, d time.Duration) journey.Hop {
	return journey.Hop{Kind: kind, Place: journey.Place{Netns: netns, Ifindex: ifindex}, Duration: d}
}

// bridged is a way from web to api over a bridge, 10 µs long.
func bridged() []journey.Hop {
	return []journey.Hop{
		at(journey.HopQdisc, webNS, webEth, 1*time.Microsecond),
		at(journey.HopXmit, webNS, webEth, 1*time.Microsecond),
		at(journey.HopBacklog, hostNS, vethWeb, 2*time.Microsecond),
		at(journey.HopBridge, hostNS, vethWeb, 1*time.Microsecond),
		at(journey.HopQdisc, hostNS, vethAPI, 1*time.Microsecond),
		at(journey.HopBacklog, apiNS, apiEth, 2*time.Microsecond),
		at(journey.HopStackRX, apiNS, apiEth, 2*time.Microsecond),
	}
}

func port(a netip.Addr, p uint16) netip.AddrPort { return netip.AddrPortFrom(a, p) }

// packet is a delivered TCP packet from web to api:8080 with the given hops.
func packet(hops []journey.Hop) *journey.Journey {
	tuple := journey.Tuple{Src: port(webAddr, 40000), Dst: port(apiAddr, 8080)}
	return withStops(&journey.Journey{
		CgroupSrc: 1001, CgroupDst: 2001, First: tuple, Last: tuple, Weight: 1, Bytes: 100,
		Segments: 1, Family: 4, Proto: journey.ProtoTCP, Ending: journey.EndingDelivered,
	}, hops, webNS, webEth, apiNS, apiEth)
}

// withStops gives the journey stops that fit its hops, the first and the last
// of them at the given places.
func withStops(j *journey.Journey, hops []journey.Hop, fromNS, fromIf, toNS, toIf uint32) *journey.Journey {
	j.Stops = []journey.Stop{{Netns: fromNS, Ifindex: fromIf, Point: journey.PointQueue}}
	var sum time.Duration
	for _, h := range hops {
		sum += h.Duration
		j.Stops = append(j.Stops, journey.Stop{At: sum, Netns: h.Netns, Ifindex: h.Ifindex, Point: journey.PointReceive})
	}
	last := &j.Stops[len(j.Stops)-1]
	last.Netns, last.Ifindex = toNS, toIf
	return j
}

// reply turns a packet of web and api into one of the opposite direction.
func reply(j *journey.Journey) *journey.Journey {
	j.First = journey.Tuple{Src: j.First.Dst, Dst: j.First.Src}
	j.Last = journey.Tuple{Src: j.Last.Dst, Dst: j.Last.Src}
	j.CgroupSrc, j.CgroupDst = j.CgroupDst, j.CgroupSrc
	first, last := &j.Stops[0], &j.Stops[len(j.Stops)-1]
	first.Netns, last.Netns = last.Netns, first.Netns
	first.Ifindex, last.Ifindex = last.Ifindex, first.Ifindex
	return j
}

func onlyPath(t *testing.T, s Snapshot) Path {
	t.Helper()
	if len(s.Paths) != 1 {
		t.Fatalf("%d paths, want 1: %+v", len(s.Paths), s.Paths)
	}
	return s.Paths[0]
}
