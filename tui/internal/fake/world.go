// Package fake is a host that is not there: containers, networks and a stream
// of journeys through the real aggregation, the same at every run. The screens
// are tested with it and shown with it.
package fake

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/hopscope/hopscope/pkg/dns"
	"github.com/hopscope/hopscope/pkg/exchange"
	"github.com/hopscope/hopscope/pkg/history"
	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/journey"
	"github.com/hopscope/hopscope/pkg/model"
)

// The host's namespace and NIC.
const (
	hostNS = 1
	nic    = 2
)

var hostAddress = netip.MustParseAddr("203.0.113.1")

// Begin is when fake time begins.
var Begin = time.Date(2026, 3, 1, 14, 0, 0, 0, time.UTC)

// World is a host. It implements model.Names and model.Symbols.
type World struct {
	Containers []inventory.Container
	Flows      []Flow
	Held       map[string]uint64 // ns a second in which a container's CPU limit holds it back, by id
	rand       *rand.Rand
	apps       *rand.Rand // of exchanges, so that they change no packet
	byNetns    map[uint32]*inventory.Container
}

// Flow is traffic between two containers, or with the outside.
type Flow struct {
	From, To int // containers; -1 is outside
	Port     uint16
	Rate     int // requests a second
	Slow     journey.HopKind
	By       time.Duration // added to that hop of requests, exponentially
	Drops    int           // requests a second that are dropped
	App      time.Duration // mean time in which the server works on an answer
	Waits    time.Duration // and waits for another, On, in the mean
	On       int
	Public   uint16 // the host's port under which the outside asks, which is translated
	Asks     int    // DNS queries a second to Docker's name server, of which one has no answer
}

// Shop is a small shop: nginx in front, two services behind it, a database, a
// worker that talks to the outside. The queue of the front's device is slow.
func Shop() *World {
	w := New([]string{"shop-front-1", "shop-api-1", "shop-cart-1", "shop-db-1", "worker", "cron-old"})
	w.Containers[5].State, w.Containers[5].PID = "exited", 0
	w.Held = map[string]uint64{w.Containers[1].ID: 0, w.Containers[3].ID: 120e6}
	w.Flows = []Flow{
		{From: 0, To: 1, Port: 8080, Rate: 120, Slow: journey.HopQdisc, By: 8 * time.Millisecond,
			App: 700 * time.Microsecond, Waits: 300 * time.Microsecond, On: 3},
		{From: 0, To: 2, Port: 8081, Rate: 60},
		{From: 1, To: 3, Port: 5432, Rate: 200, Slow: journey.HopSockLock, By: 120 * time.Microsecond, App: 90 * time.Microsecond},
		{From: 2, To: 3, Port: 5432, Rate: 80},
		{From: -1, To: 0, Port: 80, Rate: 90, Public: 8088},
		{From: 4, To: -1, Port: 443, Rate: 15, Slow: journey.HopDriver, By: 900 * time.Microsecond},
		{From: 4, To: 2, Port: 9000, Rate: 5, Drops: 3},
	}
	return w
}

// Large is a host of n containers with some paths each.
func Large(n, paths int) *World {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("svc-%04d", i)
	}
	w := New(names)
	for i := range paths {
		w.Flows = append(w.Flows, Flow{From: i % n, To: (i*7 + 1 + i/n) % n, Port: uint16(8000 + i%97), Rate: 1})
	}
	return w
}

// New makes a host with containers of such names, all in one network.
func New(names []string) *World {
	w := &World{rand: rand.New(rand.NewPCG(7, 11)), apps: rand.New(rand.NewPCG(5, 3)), byNetns: map[uint32]*inventory.Container{}}
	for i, name := range names {
		service := name
		if len(name) > 7 && name[:5] == "shop-" {
			service = name[5 : len(name)-2]
		}
		w.Containers = append(w.Containers, inventory.Container{
			ID: fmt.Sprintf("%064x", i+1), Name: name, Image: "registry/" + service + ":1.4", Service: service,
			Project: "shop", State: "running", PID: 1000 + i, Netns: netns(i), CgroupID: uint64(5000 + i),
			Networks: []inventory.Attachment{{
				Network: "shop", Driver: "bridge", Interface: "eth0", HostInterface: fmt.Sprintf("veth%04x", i),
				IP: []netip.Addr{address(i)},
			}},
		})
	}
	for i := range w.Containers {
		w.byNetns[netns(i)] = &w.Containers[i]
	}
	return w
}

func netns(i int) uint32 { return uint32(100 + i) }
func veth(i int) uint32  { return uint32(100 + i) }

func address(i int) netip.Addr {
	if i < 0 {
		return netip.MustParseAddr("203.0.113.9")
	}
	return netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)})
}

// Second adds the traffic of one second, that of number n, and ends its piece.
func (w *World) Second(h *history.History, n int) {
	w.Send(h)
	h.Roll(Begin.Add(time.Duration(n+1) * time.Second))
}

// Send adds the traffic of one second.
func (w *World) Send(h *history.History) {
	for i := range w.Flows {
		f := &w.Flows[i]
		for range f.Rate {
			w.send(h, f, false, f.Slow, f.By)
			w.send(h, f, true, journey.HopUnknown, 0)
		}
		w.lose(h, f)
		w.ask(h, f)
		w.answer(h, f)
	}
	for id, ns := range w.Held {
		h.With(func(a *model.Aggregator) {
			a.AddCounters([]model.CounterCount{{CounterKey: model.CounterKey{Kind: model.CountThrottled, Container: id}, N: ns}})
		})
	}
}

// answer counts the exchanges of a flow, by their parts.
func (w *World) answer(h *history.History, f *Flow) {
	if f.App == 0 {
		return
	}
	party := func(i int) exchange.Party {
		return exchange.Party{Cgroup: uint64(5000 + i), Netns: netns(i), Addr: address(i)}
	}
	for i := range f.Rate {
		x := exchange.Exchange{
			Start:  uint64(i) * 1e9 / uint64(f.Rate),
			Client: party(f.From), Server: party(f.To), Port: f.Port, View: exchange.ViewBoth, Weight: 1,
			Asked: netip.AddrPortFrom(address(f.To), f.Port),
			Parts: []exchange.Part{
				{Kind: exchange.PartRequestNetwork, Ns: uint64(30e3 + w.apps.ExpFloat64()*float64(f.By))},
				{Kind: exchange.PartServerRecv, Ns: 6e3},
				{Kind: exchange.PartApp, Ns: uint64(w.apps.ExpFloat64() * float64(f.App))},
				{Kind: exchange.PartResponseNetwork, Ns: 25e3},
			},
		}
		if f.Waits > 0 {
			x.Parts = append(x.Parts[:3], exchange.Part{
				Kind: exchange.PartWaiting, Ns: uint64(w.apps.ExpFloat64() * float64(f.Waits)), Target: party(f.On), Port: 5432,
			}, x.Parts[3])
		}
		for _, p := range x.Parts {
			x.Total += p.Ns
		}
		x.Sides = []exchange.Side{
			{Owner: x.Server, Peer: address(f.From), Port: f.Port, Server: true, SockRecv: 6e3, App: int64(x.Parts[2].Ns)},
			{Owner: x.Client, Peer: address(f.To), Port: f.Port, SockRecv: 9e3, App: -1},
		}
		h.With(func(a *model.Aggregator) { a.AddExchange(&x) })
	}
}

func (w *World) ask(h *history.History, f *Flow) {
	l := dns.Lookup{
		Netns: netns(f.From), Cgroup: uint64(5000 + f.From), Local: address(f.From),
		Resolver: netip.AddrFrom4([4]byte{127, 0, 0, 11}), Outcome: dns.Answered, Sent: 1, LatencyNs: 800_000,
	}
	for i := range f.Asks {
		if i == 0 {
			l.Outcome = dns.TimedOut
		} else {
			l.Outcome = dns.Answered
		}
		h.With(func(a *model.Aggregator) { a.AddDNS(l) })
	}
}

// lose drops requests of a flow before the receiver's socket, and sends one of
// them again.
func (w *World) lose(h *history.History, f *Flow) {
	if f.Drops == 0 {
		return
	}
	h.With(func(a *model.Aggregator) {
		a.AddDrops(model.DropCount{
			Reason: 3, Location: 0xffff0001, Stack: []uint64{0xffff0001, 0xffff0002}, Count: uint64(f.Drops),
			Place: journey.Place{Netns: netns(f.To), Ifindex: 2}, Point: journey.PointReceive, Born: netns(f.From),
			Src: address(f.From), Dst: address(f.To), Port: f.Port, Proto: journey.ProtoTCP, Attributed: "journey",
		})
		a.AddRetransmits(model.RetransmitCount{
			Netns: netns(f.From), Local: address(f.From), Remote: address(f.To), Port: f.Port,
			Segments: model.RetransmitKinds{RTO: 1, Fast: uint64(f.Drops - 1)},
		})
	})
}

// send is one packet with all of its hops.
func (w *World) send(h *history.History, f *Flow, back bool, slow journey.HopKind, by time.Duration) {
	from, to := f.From, f.To
	client := netip.AddrPortFrom(address(f.From), 41000)
	server := netip.AddrPortFrom(address(f.To), f.Port)
	tuple := journey.Tuple{Src: client, Dst: server}
	if back {
		from, to = to, from
		tuple = journey.Tuple{Src: server, Dst: client}
	}
	first, last := translate(f, back, tuple)
	hops := way(from, to)
	for i := range hops {
		base := 1500 * math.Exp(w.rand.NormFloat64()*0.5)
		if hops[i].Kind == slow && by > 0 {
			base += w.rand.ExpFloat64() * float64(by)
			by = 0
		}
		hops[i].Duration = time.Duration(base)
	}
	j := &journey.Journey{
		Start: uint64(w.rand.Uint32()), First: first, Last: last, Weight: 1, Bytes: 600, Segments: 1, Family: 4,
		Proto: journey.ProtoTCP, Ending: journey.EndingDelivered, Stops: stops(hops, from, to),
	}
	if from < 0 {
		j.Flags |= journey.FlagReceived
	}
	if to < 0 {
		j.Ending = journey.EndingLeft
	} else {
		j.SRTT = 90 * time.Microsecond
	}
	_ = h.Journey(j, hops)
}

// translate gives a packet's addresses before and after Docker's NAT: a published
// port is the host's to who is outside, and who goes out is the host.
func translate(f *Flow, back bool, t journey.Tuple) (first, last journey.Tuple) {
	first, last = t, t
	host := netip.AddrPortFrom(hostAddress, f.Public)
	switch {
	case f.Public != 0 && back:
		last.Src = host
	case f.Public != 0:
		first.Dst = host
	case f.To < 0 && back:
		first.Dst = netip.AddrPortFrom(hostAddress, t.Dst.Port())
	case f.To < 0:
		last.Src = netip.AddrPortFrom(hostAddress, t.Src.Port())
	}
	return first, last
}

// way is the hops between two containers on a bridge, or to and from the NIC.
func way(from, to int) []journey.Hop {
	var out []journey.Hop
	add := func(ns, ifindex uint32, kinds ...journey.HopKind) {
		for _, k := range kinds {
			out = append(out, journey.Hop{Kind: k, Place: journey.Place{Netns: ns, Ifindex: ifindex}})
		}
	}
	if from >= 0 {
		add(netns(from), 2, journey.HopQdisc, journey.HopXmit)
		add(hostNS, veth(from), journey.HopBacklog)
	} else {
		add(hostNS, nic, journey.HopGRO)
	}
	if from < 0 || to < 0 {
		add(hostNS, 0, journey.HopPrerouting, journey.HopRouting, journey.HopForward, journey.HopPostrouting)
	} else {
		add(hostNS, veth(from), journey.HopBridge)
	}
	if to >= 0 {
		add(hostNS, veth(to), journey.HopXmit)
		add(netns(to), 2, journey.HopBacklog, journey.HopStackRX, journey.HopSockLock)
	} else {
		add(hostNS, nic, journey.HopQdisc, journey.HopDriver)
	}
	return out
}

func stops(hops []journey.Hop, from, to int) []journey.Stop {
	first := journey.Stop{Netns: hostNS, Ifindex: nic}
	if from >= 0 {
		first = journey.Stop{Netns: netns(from), Ifindex: 2, Point: journey.PointQueue}
	}
	out := []journey.Stop{first}
	var sum time.Duration
	for _, h := range hops {
		sum += h.Duration
		out = append(out, journey.Stop{At: sum, Netns: h.Netns, Ifindex: h.Ifindex, Point: journey.PointReceive})
	}
	last := &out[len(out)-1]
	last.Netns, last.Ifindex = hostNS, nic
	if to >= 0 {
		last.Netns, last.Ifindex = netns(to), 2
	}
	return out
}

// Meta is what a snapshot carries beside the traffic.
func (w *World) Meta() model.Meta {
	bpf, own, ns, rss := 0.8, 1.2, 310.0, uint64(45_000_000)
	return model.Meta{
		ToolVersion: "test", Host: "dock-3", Kernel: "6.18.0", MonotonicZero: Begin, Symbols: w,
		Accounting: model.Accounting{
			Tracked: 1_234_567, Completed: 1_234_000, InFlight: 444, Emitted: 1_234_000, SampleRate: 1,
			Lost: map[string]uint64{"evicted": 23, "ring_full": 100, "overflowed": 0},
		},
		Cost:       model.Cost{BPFNsPerPacket: &ns, BPFCPUPercent: &bpf, UserCPUPercent: &own, RSSBytes: &rss},
		Containers: w.Containers,
	}
}
