package export

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/hopscope/hopscope/pkg/dns"
	"github.com/hopscope/hopscope/pkg/exchange"
	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/journey"
	"github.com/hopscope/hopscope/pkg/model"
)

// The namespaces and devices of the example.
const (
	hostNS, webNS, apiNS     = 1, 100, 200
	webEth, apiEth           = 11, 21
	vethWeb, vethAPI, bridge = 12, 22, 3
)

type names struct{ suffix string }

func (n names) container(netns uint32) string {
	switch netns {
	case webNS:
		return "web" + n.suffix
	case apiNS:
		return "api" + n.suffix
	}
	return ""
}

func (n names) Endpoint(e inventory.RawEndpoint) inventory.Endpoint {
	if c := n.container(e.Netns); c != "" {
		return inventory.Endpoint{Kind: inventory.KindContainer, Name: c, ContainerID: fmt.Sprintf("%064x", e.Netns)}
	}
	if e.Cgroup == 7 {
		return inventory.Endpoint{Kind: inventory.KindContainer, Name: "web" + n.suffix}
	}
	return inventory.Endpoint{Kind: inventory.KindExternal, Name: e.Addr.String()}
}

func (n names) Where(netns, ifindex uint32) (where, device string) {
	switch {
	case ifindex == 0 && netns == hostNS:
		return "host", ""
	case ifindex == 0:
		return n.container(netns), ""
	case netns != hostNS:
		return "eth0 of " + n.container(netns), "eth0"
	case ifindex == vethWeb:
		return "veth of web" + n.suffix, "veth1a2b3c4"
	case ifindex == vethAPI:
		return "veth of api" + n.suffix, "veth5d6e7f8"
	}
	return "bridge shop", "br-0123456789ab"
}

func (names) Network(uint32, uint32) (inventory.Network, bool) {
	return inventory.Network{Name: "shop"}, true
}

type symbols struct{}

func (symbols) Reason(uint32) string { return "NETFILTER_DROP" }
func (symbols) Symbol(uint64) string { return "nf_hook_slow+0x9c" }

func hop(kind journey.HopKind, netns, ifindex uint32, d time.Duration) journey.Hop {
	return journey.Hop{Kind: kind, Place: journey.Place{Netns: netns, Ifindex: ifindex}, Duration: d}
}

// way is the hops of packet i from one container to the other over a bridge.
func way(i int, fromNS, fromIf, fromVeth, toNS, toIf, toVeth uint32) []journey.Hop {
	us := func(base int) time.Duration {
		return time.Duration(base)*100*time.Nanosecond + time.Duration((i*7919)%101)*10*time.Nanosecond
	}
	return []journey.Hop{
		hop(journey.HopQdisc, fromNS, fromIf, us(3)),
		hop(journey.HopXmit, fromNS, fromIf, us(5)),
		hop(journey.HopBacklog, hostNS, fromVeth, us(12)),
		hop(journey.HopPrerouting, hostNS, 0, us(15)),
		hop(journey.HopMerged, hostNS, bridge, us(4)),
		hop(journey.HopQdisc, hostNS, toVeth, us(3)),
		hop(journey.HopXmit, hostNS, toVeth, us(5)),
		hop(journey.HopBacklog, toNS, toIf, us(11)),
		hop(journey.HopStackRX, toNS, toIf, us(20)),
		hop(journey.HopSockLock, toNS, toIf, us(8)),
	}
}

func trip(hops []journey.Hop, tuple journey.Tuple, bytes uint32) *journey.Journey {
	j := &journey.Journey{
		First: tuple, Last: tuple, Weight: 1, Bytes: bytes, Segments: 1, Family: 4,
		Proto: journey.ProtoTCP, Ending: journey.EndingDelivered,
		Stops: []journey.Stop{{Netns: hops[0].Netns, Ifindex: hops[0].Ifindex, Point: journey.PointQueue}},
	}
	var sum time.Duration
	for _, h := range hops {
		sum += h.Duration
		j.Stops = append(j.Stops, journey.Stop{At: sum, Netns: h.Netns, Ifindex: h.Ifindex, Point: journey.PointReceive})
	}
	j.Start = uint64(bytes) * 1e6
	return j
}

// slowShop is a capture of 1,000 requests of web to api and their answers,
// with a slow queueing discipline on the way to api, and some drops.
func slowShop() *model.Aggregator {
	a := model.New(model.Limits{})
	web := netip.MustParseAddrPort("10.0.0.2:40000")
	api := netip.MustParseAddrPort("10.0.0.3:8080")
	for i := range 1000 {
		hops := way(i, webNS, webEth, vethWeb, apiNS, apiEth, vethAPI)
		hops[5].Duration += 8*time.Millisecond + time.Duration(i)*8*time.Microsecond
		a.Add(trip(hops, journey.Tuple{Src: web, Dst: api}, 152), hops)
		hops = way(i, apiNS, apiEth, vethAPI, webNS, webEth, vethWeb)
		a.Add(trip(hops, journey.Tuple{Src: api, Dst: web}, 1252), hops)
	}
	a.AddDrops(model.DropCount{
		Reason: 8, Location: 1, Stack: []uint64{1}, Count: 12,
		Place: journey.Place{Netns: hostNS, Ifindex: vethWeb}, Point: journey.PointForwardIn, Born: webNS,
		Src: web.Addr(), Dst: netip.MustParseAddr("203.0.113.7"), Port: 443, Proto: journey.ProtoTCP, Attributed: "journey",
	})
	ask(a, web.Addr())
	answer(a, web, api)
	a.AddRetransmits(model.RetransmitCount{
		Netns: webNS, Local: web.Addr(), Remote: api.Addr(), Port: 8080,
		Segments: model.RetransmitKinds{RTO: 2, Fast: 5},
	})
	return a
}

// answer is 50 exchanges of web with api, of which one had to wait for api's
// application.
func answer(a *model.Aggregator, web, api netip.AddrPort) {
	for i := range 50 {
		app := uint64(2e6)
		if i == 7 {
			app = 90e6
		}
		x := exchange.Exchange{
			Start: uint64(i) * 1e8, Total: 12_550_000 + app, Port: api.Port(), Asked: api, View: exchange.ViewBoth, Weight: 1, RTT: 12e6,
			Client: exchange.Party{Cgroup: 7, Netns: webNS, Addr: web.Addr()},
			Server: exchange.Party{Netns: apiNS, Addr: api.Addr()},
			Parts: []exchange.Part{
				{Kind: exchange.PartRequestNetwork, Ns: 12e6}, {Kind: exchange.PartServerRecv, Ns: 20_000},
				{Kind: exchange.PartApp, Ns: app}, {Kind: exchange.PartResponseNetwork, Ns: 500_000}, {Kind: exchange.PartClientRecv, Ns: 30_000},
			},
		}
		a.AddExchange(&x)
	}
}

// ask is 97 answers of Docker's name server and 3 missing ones, and what it
// asked elsewhere.
func ask(a *model.Aggregator, web netip.Addr) {
	l := dns.Lookup{
		Netns: webNS, Cgroup: 7, Local: web, Resolver: netip.MustParseAddr("127.0.0.11"),
		Outcome: dns.Answered, Sent: 1, LatencyNs: 3_000_000,
	}
	for i := range 100 {
		l.Rcode, l.Outcome = dns.RcodeNoError, dns.Answered
		switch {
		case i < 3:
			l.Outcome = dns.TimedOut
		case i < 10:
			l.Rcode = dns.RcodeNXDomain
		}
		a.AddDNS(l)
	}
	l.Cgroup, l.Resolver, l.Outcome, l.Rcode, l.Sent = 99, netip.MustParseAddr("203.0.113.53"), dns.Answered, dns.RcodeServFail, 2
	a.AddDNS(l)
}

func ptr[T any](v T) *T { return &v }

func meta() model.Meta {
	return model.Meta{
		ToolVersion: "0.1.0", Host: "shopbox", Kernel: "6.18.0",
		StartedAt:     time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC),
		MonotonicZero: time.Date(2026, 3, 4, 0, 0, 0, 0, time.UTC),
		Duration:      15 * time.Second, Ended: "duration", Symbols: symbols{},
		Accounting: model.Accounting{
			Tracked: 2015, Completed: 2012, InFlight: 0, Emitted: 2012, SampleRate: 1,
			Endings: map[string]uint64{"delivered": 2000, "dropped": 12},
			Lost:    map[string]uint64{"evicted": 0, "ring_full": 3},
		},
		Cost: model.Cost{BPFNsPerPacket: ptr(1234.0), BPFCPUPercent: ptr(1.25), RSSBytes: ptr(uint64(45_600_000))},
		Containers: []inventory.Container{
			{ID: fmt.Sprintf("%064x", webNS), Name: "web", Image: "shop", State: "running", PID: 4242, Netns: webNS, CgroupID: 7,
				Networks: []inventory.Attachment{{Network: "shop", Driver: "bridge", Interface: "eth0", HostInterface: "veth1a2b3c4",
					IP: []netip.Addr{netip.MustParseAddr("10.0.0.2")}}}},
			{ID: fmt.Sprintf("%064x", apiNS), Name: "api", Image: "shop", State: "running", PID: 4243, Netns: apiNS,
				Service: "api", Project: "shop"},
		},
	}
}

func withBins() model.Meta {
	m := meta()
	m.Bins = true
	return m
}
