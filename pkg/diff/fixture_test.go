package diff

import (
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/hopscope/hopscope/pkg/dns"
	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/journey"
	"github.com/hopscope/hopscope/pkg/model"
)

const (
	hostNS = 1
	webNS  = 100
	apiNS  = 200 // and on, for its replicas
)

var webAddr, apiAddr = netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.0.0.3")

// names knows the containers of a test by the network namespace.
type names map[uint32]string

func (n names) Endpoint(e inventory.RawEndpoint) inventory.Endpoint {
	if name := n[e.Netns]; name != "" {
		return inventory.Endpoint{Kind: inventory.KindContainer, Name: name, ContainerID: "id-of-" + name}
	}
	if e.Addr == apiAddr { // not reached
		return n.Endpoint(inventory.RawEndpoint{Netns: apiNS})
	}
	return inventory.Endpoint{Kind: inventory.KindExternal, Name: e.Addr.String()}
}

func (n names) Where(netns, ifindex uint32) (where, device string) {
	switch {
	case netns == hostNS && ifindex == 0:
		return "host", ""
	case netns == hostNS:
		return "veth of " + n[ifindex], fmt.Sprintf("veth%d", ifindex)
	case ifindex == 0:
		return n[netns], ""
	}
	return "eth0 of " + n[netns], "eth0"
}

func (names) Network(uint32, uint32) (inventory.Network, bool) {
	return inventory.Network{Name: "shop"}, true
}

// load is a capture to be made: requests of web to replicas of api, whose
// latency is lognormal and drifts from moment to moment, as that of a busy
// machine does.
type load struct {
	seed       uint64
	packets    int
	seconds    float64
	replicas   int
	drift      float64                                      // standard deviation of the drift, in ln
	qdisc      func(r *rand.Rand, at float64) time.Duration // added
	dropEvery  int
	resend     int // one of so many segments
	rtt        time.Duration
	lookup     time.Duration // one each ten packets takes
	noAnswer   int           // to one of so many lookups
	weight     uint32
	containers []inventory.Container
	names      names
	port       uint16
	to         uint32 // namespace of the (first) replica
	also       []load // in the same capture
}

func shopLoad(seed uint64) load {
	return load{
		seed: seed, packets: 12_000, seconds: 12, replicas: 1, drift: 0.1, weight: 1, port: 8080, to: apiNS,
		names: names{webNS: "web", apiNS: "api", apiNS + 1: "api-2"},
	}
}

func (l load) side(t *testing.T) Side {
	t.Helper()
	whole := model.New(model.Limits{})
	pieces := whole.Slices()
	var next []func() (float64, bool) // the time of a load's next packet; to call it again adds that
	var times []float64
	for _, x := range append([]load{l}, l.also...) {
		step, stop := iter.Pull(x.into(whole, pieces))
		defer stop()
		at, _ := step()
		next, times = append(next, step), append(times, at)
	}
	for len(next) > 0 {
		i := slices.Index(times, slices.Min(times))
		at, more := next[i]()
		if times[i] = at; !more {
			next, times = slices.Delete(next, i, i+1), slices.Delete(times, i, i+1)
		}
	}
	meta := model.Meta{
		Host: "shopbox", Duration: time.Duration(l.seconds * 1e9), Ended: "duration", Containers: l.containers,
		StartedAt: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC), Accounting: model.Accounting{Tracked: uint64(l.packets)},
	}
	return Side{Snapshot: whole.Snapshot(l.names, meta), Slices: pieces.Snapshots(l.names, meta)}
}

// into adds what the load consists of to a capture, packet by packet: each after its
// time was told.
func (l load) into(whole *model.Aggregator, pieces *model.Slices) iter.Seq[float64] {
	return func(yield func(float64) bool) { l.each(whole, pieces, yield) }
}

func (l load) each(whole *model.Aggregator, pieces *model.Slices, yield func(float64) bool) {
	r := rand.New(rand.NewPCG(l.seed, 77))
	drift, until := 1.0, 0.0
	for i := range l.packets {
		at := float64(i) / float64(l.packets) * l.seconds
		if !yield(at) {
			return
		}
		if at >= until { // a new mood every 0.2 s
			drift, until = math.Exp(l.drift*r.NormFloat64()), at+0.2
		}
		hops := l.hops(r, i, at, drift)
		j := l.packet(hops, at)
		if l.dropEvery > 0 && i%l.dropEvery == 0 {
			j.Ending, j.DropReason = journey.EndingDropped, 2
			j.Stops[len(j.Stops)-1].Point = journey.PointFree
			d := model.DropCount{
				Reason: 2, Place: journey.Place{Netns: hostNS, Ifindex: apiNS}, Point: journey.PointQueue, Born: webNS,
				Src: webAddr, Dst: apiAddr, Port: l.port, Proto: journey.ProtoTCP, Attributed: "journey", Count: 1,
			}
			whole.AddDrops(d)
			pieces.AddDrops(d)
		}
		if l.resend > 0 && i%l.resend == 0 {
			again := model.RetransmitCount{
				Netns: webNS, Local: webAddr, Remote: apiAddr, Port: l.port, Segments: model.RetransmitKinds{RTO: 1},
			}
			whole.AddRetransmits(again)
			pieces.AddRetransmits(again)
		}
		if l.lookup > 0 && i%10 == 0 {
			x := l.asked(r, i/10)
			whole.AddDNS(x)
			pieces.AddDNS(x)
		}
		whole.Add(j, hops)
		pieces.Add(j, hops)
	}
}

// asked is the n-th lookup.
func (l load) asked(r *rand.Rand, n int) dns.Lookup {
	x := dns.Lookup{
		Netns: webNS, Local: webAddr, Resolver: netip.MustParseAddr("198.51.100.53"), Sent: 1,
		Outcome: dns.Answered, LatencyNs: uint64(float64(l.lookup) * math.Exp(0.5*r.NormFloat64())),
	}
	if l.noAnswer > 0 && n%l.noAnswer == 0 {
		x.Outcome, x.LatencyNs = dns.TimedOut, 0
	}
	return x
}

func (l load) hops(r *rand.Rand, i int, at, drift float64) []journey.Hop {
	api := l.to + uint32(i%l.replicas)
	us := func(median float64) time.Duration {
		return time.Duration(median * drift * math.Exp(0.5*r.NormFloat64()) * 1e3)
	}
	hop := func(kind journey.HopKind, netns, ifindex uint32, d time.Duration) journey.Hop {
		return journey.Hop{Kind: kind, Place: journey.Place{Netns: netns, Ifindex: ifindex}, Duration: d}
	}
	out := []journey.Hop{
		hop(journey.HopBacklog, hostNS, webNS, us(4)),
		hop(journey.HopQdisc, hostNS, api, us(1)),
		hop(journey.HopStackRX, api, 2, us(10)),
	}
	if l.qdisc != nil {
		out[1].Duration += l.qdisc(r, at)
	}
	return out
}

func (l load) packet(hops []journey.Hop, at float64) *journey.Journey {
	tuple := journey.Tuple{
		Src: netip.AddrPortFrom(webAddr, 40000),
		Dst: netip.AddrPortFrom(apiAddr, l.port),
	}
	j := &journey.Journey{
		Start: uint64(at*1e9) + 1e12, First: tuple, Last: tuple, Weight: l.weight, Bytes: 100, Segments: 1,
		Family: 4, Proto: journey.ProtoTCP, Ending: journey.EndingDelivered,
		Stops: []journey.Stop{{Netns: webNS, Ifindex: 2, Point: journey.PointQueue}},
	}
	if l.rtt > 0 {
		j.SRTT = l.rtt + time.Duration(at*1e3)
	}
	var sum time.Duration
	for _, h := range hops {
		sum += h.Duration
		j.Stops = append(j.Stops, journey.Stop{At: sum, Netns: h.Netns, Ifindex: h.Ifindex, Point: journey.PointReceive})
	}
	return j
}

func onlyPath(t *testing.T, r *Result) *Path {
	t.Helper()
	if len(r.Paths) != 1 {
		t.Fatalf("%d paths, want 1", len(r.Paths))
	}
	return &r.Paths[0]
}

func change(t *testing.T, changes []Change, name string) Change {
	t.Helper()
	for _, c := range changes {
		if c.Quantile == name {
			return c
		}
	}
	t.Fatalf("no change of %s in %v", name, changes)
	return Change{}
}
