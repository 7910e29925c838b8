package capture

import (
	"errors"
	"io"
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/hopscope/hopscope/pkg/dns"
	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/journey"
	"github.com/hopscope/hopscope/pkg/model"
)

// kernelNames are the symbols of a kernel.
type kernelNames struct{}

func (kernelNames) Reason(n uint32) string {
	return map[uint32]string{8: "SKB_DROP_REASON_NETFILTER_DROP"}[n]
}

func (kernelNames) Symbol(addr uint64) string {
	return map[uint64]string{0xffffffff81234567: "nft_do_chain+0x12"}[addr]
}

func testHead() Head {
	started := time.Date(2026, 1, 2, 3, 4, 5, 678_901_234, time.UTC)
	return Head{
		ToolVersion: "1.2.3", Host: "docker-7", Kernel: "6.18.0", CPUs: 4,
		Command: []string{"hopscope", "trace", "-c", "web"}, Selection: []string{"web"},
		StartedAt: started, MonotonicZero: started.Add(-86_400 * time.Second),
		Sampling: Sampling{Sample: 1, MaxOverhead: 2, SlowNs: 5e6},
	}
}

// testFacts is a host with the containers that the made traffic runs between.
func testFacts() inventory.Facts {
	seen := time.Date(2026, 1, 2, 3, 0, 0, 1, time.UTC)
	addr, bridge := netip.MustParseAddr, "br-3d80aa11bb22"
	container := func(id, name string, netns uint32, cgroup uint64, ip string) inventory.Container {
		return inventory.Container{
			ID: id, Name: name, Image: "shop/" + name, Service: name, Project: "shop", State: "running",
			NetworkMode: "shop_default", PID: 4000 + int(netns%100), CgroupID: cgroup, Netns: netns,
			Networks: []inventory.Attachment{{Network: "shop_default", NetworkID: "3d80aa11bb22", Driver: "bridge",
				Interface: "eth0", HostInterface: "veth" + name, MAC: "02:42:ac:14:00:02", IP: []netip.Addr{addr(ip)}}},
			Ports: []inventory.Port{{Proto: "tcp", Container: 8080, HostIP: addr("0.0.0.0"), Host: 80, HowServed: "dnat"}},
			Addrs: []netip.Addr{addr(ip)}, Seen: seen, Started: seen,
		}
	}
	device := func(netns, index uint32, name, kind string, master uint32) inventory.Device {
		return inventory.Device{Netns: netns, Ifindex: index, Name: name, Kind: kind, Master: master, MTU: 1500, Seen: seen}
	}
	f := inventory.Facts{
		Host: hostNS,
		Containers: []inventory.Container{
			container("aa11", "api", apiNS, 7002, "172.20.0.3"),
			container("bb22", "web", webNS, 7001, "172.20.0.2"),
		},
		Networks: []inventory.Network{{ID: "3d80aa11bb22", Name: "shop_default", Driver: "bridge", Bridge: bridge,
			Subnets: []netip.Prefix{netip.MustParsePrefix("172.20.0.0/16")}}},
		Devices: []inventory.Device{
			device(hostNS, 5, bridge, "bridge", 0), device(hostNS, 12, "vethweb", "veth", 5), device(hostNS, 22, "vethapi", "veth", 5),
			device(webNS, 11, "eth0", "veth", 0), device(apiNS, 21, "eth0", "veth", 0),
		},
		Namespaces: []inventory.Namespace{{Inode: hostNS, Path: "/proc/1/ns/net"}},
	}
	f.Devices[1].PeerNetns, f.Devices[1].PeerIfindex = webNS, 11
	f.Devices[2].PeerNetns, f.Devices[2].PeerIfindex = apiNS, 21
	return f
}

func testStatus(at uint64) Status {
	ns := 123.5
	return Status{At: at, DurationNs: 30e9, Cost: model.Cost{BPFNsPerPacket: &ns}, Accounting: model.Accounting{
		Tracked: 1000, Completed: 990, InFlight: 10, Emitted: 980, Suppressed: 10, SampleRate: 0.25,
		Endings: map[string]uint64{"delivered": 990}, Lost: map[string]uint64{"ring_full": 0}, Notes: map[string]uint64{"unsampled": 7},
	}}
}

// odd gives journeys of every kind that the kernel may emit.
func odd(r *rand.Rand) *journey.Journey {
	family, n := uint8(4+2*r.IntN(2)), 1+r.IntN(journey.MaxStops)
	ip := func() netip.AddrPort {
		if family == 4 {
			return netip.AddrPortFrom(netip.AddrFrom4([4]byte{203, 0, 113, byte(r.Uint32())}), uint16(r.Uint32()))
		}
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte{0x20, 1, 13: byte(r.Uint32()), 15: byte(r.Uint32())}), uint16(r.Uint32()))
	}
	j := &journey.Journey{
		Start: r.Uint64(), CgroupSrc: r.Uint64(), CgroupDst: r.Uint64() >> r.IntN(64), DropLocation: r.Uint64(), DropReason: r.Uint32(),
		Sig: journey.Sig{A: r.Uint64(), B: r.Uint64()}, First: journey.Tuple{Src: ip(), Dst: ip()}, Last: journey.Tuple{Src: ip(), Dst: ip()},
		Weight: 1 + r.Uint32()>>1, Bytes: r.Uint32(), Segments: 1 + uint16(r.Uint32()>>17), Family: family, Proto: uint8(r.Uint32()),
		TCPFlags: uint8(r.Uint32()), Ending: journey.Ending(1 + r.IntN(7)), Flags: journey.Flags(r.Uint32()), SRTT: time.Duration(r.Uint32()) * time.Microsecond,
	}
	var at time.Duration
	for range n {
		p := journey.Point(1 + r.IntN(10))
		if r.IntN(2) == 0 {
			p = journey.PointNF + journey.Point(r.IntN(10))
		}
		j.Stops = append(j.Stops, journey.Stop{At: at, Netns: r.Uint32(), Ifindex: r.Uint32(), CPU: uint16(r.Uint32()), Point: p, Flags: journey.StopFlags(r.Uint32())})
		at += time.Duration(r.Uint64() >> (22 + r.IntN(42)))
	}
	return j
}

func dropsInForward(n uint64) model.DropCount {
	return model.DropCount{
		Reason: 8, Location: 0xffffffff81234567, Stack: []uint64{0xffffffff81234567, 0xffffffff81000001},
		Place: journey.Place{Netns: hostNS, Ifindex: 12}, Point: journey.PointForwardIn, Born: webNS, Cgroup: 7001,
		Src: netip.MustParseAddr("172.20.0.2"), Dst: netip.MustParseAddr("172.20.0.3"), Port: 8080, Proto: journey.ProtoTCP,
		TCPFlags: 2, Attributed: "journey", Count: n,
	}
}

func retransmitted(n uint64) model.RetransmitCount {
	return model.RetransmitCount{
		Netns: webNS, Cgroup: 7001, Local: netip.MustParseAddr("172.20.0.2"), Remote: netip.MustParseAddr("172.20.0.3"),
		Port: 8080, Segments: model.RetransmitKinds{RTO: n, Fast: 1, TLP: 2, SYN: 3, SYNACK: 4, Other: 5},
	}
}

// moved are counters of the host, of a namespace and of a container.
func moved(n uint64) []model.CounterCount {
	return []model.CounterCount{
		{CounterKey: model.CounterKey{Kind: model.CountConntrackMax, Netns: 1}, N: 65536},
		{CounterKey: model.CounterKey{Kind: model.CountSoftnetDropped, CPU: 3}, N: n},
		{CounterKey: model.CounterKey{Kind: model.CountListenOverflows, Netns: webNS}, N: n},
		{CounterKey: model.CounterKey{Kind: model.CountQdiscDrops, Netns: 1, Ifindex: 12, Qdisc: "tbf 1:"}, N: n},
		{CounterKey: model.CounterKey{Kind: model.CountThrottled, Container: testFacts().Containers[0].ID}, N: 1e6 * n},
	}
}

func asked(outcome dns.Outcome) dns.Lookup {
	return dns.Lookup{
		At: 700, Netns: webNS, Cgroup: 7001, Local: netip.MustParseAddr("172.20.0.2"), Resolver: netip.MustParseAddr("172.20.0.3"),
		Outcome: outcome, Rcode: dns.RcodeNXDomain, Truncated: true, Sent: 2, LatencyNs: 1234567,
	}
}

func create(t testing.TB, o Options) (*Writer, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.hop")
	w, err := Create(path, o)
	if err != nil {
		t.Fatal(err)
	}
	return w, path
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// content is everything that a capture holds.
type content struct {
	journeys    []journey.Journey
	inventories []Inventory
	statuses    []Status
	servers     []Server
	findings    []model.Finding
	extras      []Extra
	drops       []Drops
	retransmits []Retransmits
	counters    []Counters
	exchanges   []Sockets // and resets and connects: each kind is in order
	connects    []Sockets
	accepts     []Sockets
	resets      []Sockets
	lookups     []dns.Lookup
	ends        []End
}

func collect(r *Reader) (c content, err error) {
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			return c, nil
		}
		if err != nil {
			return c, err
		}
		switch {
		case rec.Journey != nil:
			j := *rec.Journey
			j.Stops = append([]journey.Stop(nil), j.Stops...)
			c.journeys = append(c.journeys, j)
		case rec.Inventory != nil:
			c.inventories = append(c.inventories, *rec.Inventory)
		case rec.Status != nil:
			c.statuses = append(c.statuses, *rec.Status)
		case rec.Drops != nil:
			c.drops = append(c.drops, *rec.Drops)
		case rec.Retransmits != nil:
			c.retransmits = append(c.retransmits, *rec.Retransmits)
		case rec.Counters != nil:
			c.counters = append(c.counters, *rec.Counters)
		case rec.Sockets != nil:
			c.addSockets(*rec.Sockets)
		case rec.DNS != nil:
			c.lookups = append(c.lookups, rec.DNS.Lookup)
		case rec.Extra != nil:
			x := *rec.Extra
			x.Data = append([]byte(nil), x.Data...)
			c.extras = append(c.extras, x)
		case rec.End != nil:
			c.ends = append(c.ends, *rec.End)
		}
		c.servers = append(c.servers, rec.Servers...)
		c.findings = append(c.findings, rec.Findings...)
	}
}

func (c *content) addSockets(s Sockets) {
	list := &c.resets
	switch {
	case s.Exchange != nil:
		list = &c.exchanges
	case s.Connect != nil:
		list = &c.connects
	case s.Accept != nil:
		list = &c.accepts
	}
	*list = append(*list, s)
}

func read(t testing.TB, path string) (content, Damage, Head) {
	t.Helper()
	r, err := Open(path)
	ok(t, err)
	defer r.Close()
	c, err := collect(r)
	ok(t, err)
	return c, r.Damage(), r.Head()
}

func TestEverythingComesBack(t *testing.T) {
	w, path := create(t, Options{Head: testHead(), Symbols: kernelNames{}})
	want := content{
		inventories: []Inventory{{At: 5, Facts: testFacts()}},
		statuses:    []Status{testStatus(6)},
		servers:     []Server{{6, netip.MustParseAddrPort("172.20.0.3:8080")}, {17, netip.MustParseAddrPort("[2001:db8::1]:53")}},
		findings:    []model.Finding{{Kind: "slow_hop", Severity: "info", Text: "text", Evidence: "evidence", Mend: "mend"}},
		drops:       []Drops{{6, dropsInForward(3)}},
		retransmits: []Retransmits{{6, retransmitted(4)}},
		counters:    []Counters{{6, moved(5)}},
		lookups:     []dns.Lookup{asked(dns.Answered), asked(dns.TimedOut)},
		extras:      []Extra{{"dns", 1, 700, []byte("one")}, {"dns", 1, 600, nil}, {"tcp", 3, 1, []byte{0}}},
	}
	r := rand.New(rand.NewPCG(1, 2))
	made := newTraffic(2)
	for i := range 3*flushJourneys/2 + 7 {
		j := odd(r)
		if i%5 > 0 {
			j = made.next()
		}
		if i%1000 == 1 {
			j = dropped(j)
		}
		want.journeys = append(want.journeys, *j)
		last := &want.journeys[i]
		last.Stops = append([]journey.Stop(nil), j.Stops...)
		ok(t, w.Journey(j, nil))
	}
	ok(t, w.Inventory(5, want.inventories[0].Facts))
	ok(t, w.Inventory(9, want.inventories[0].Facts)) // nothing new
	ok(t, w.Servers(want.servers))
	ok(t, w.Status(want.statuses[0]))
	ok(t, w.Findings(want.findings))
	want.drops[0].At, want.retransmits[0].At, want.counters[0].At = w.newest, w.newest, w.newest
	ok(t, w.Drops(want.drops[0].DropCount))
	ok(t, w.Retransmits(want.retransmits[0].RetransmitCount))
	ok(t, w.Counters(want.counters[0].Counts))
	for _, l := range want.lookups {
		ok(t, w.DNS(l))
	}
	for _, x := range want.extras {
		ok(t, w.Extra(x))
	}
	for _, e := range oddEvents(r, 2000) {
		at := e.At()
		if e.Resets != nil {
			at = w.newest
		}
		want.addSockets(Sockets{at, e})
		ok(t, w.Sockets(e))
	}
	want.ends = []End{{Ended: "signal", Journeys: uint64(len(want.journeys)), Status: testStatus(8)}}
	ok(t, w.Close(End{Ended: "signal", Status: testStatus(8)}))

	got, damage, head := read(t, path)
	if damage.Any() || !reflect.DeepEqual(head, testHead()) {
		t.Errorf("damage %v, head %+v", damage, head)
	}
	got.extras[1].Data = nil
	for i := range want.journeys {
		if !reflect.DeepEqual(got.journeys[i], want.journeys[i]) {
			t.Fatalf("journey %d\n got %+v\nwant %+v", i, got.journeys[i], want.journeys[i])
		}
	}
	if !reflect.DeepEqual(got, want) {
		got.journeys, want.journeys = nil, nil
		t.Errorf("\n got %+v\nwant %+v", got, want)
	}
}

// TestEveryField: a field that is added to journeys or stops has to be stored.
func TestEveryField(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	for range 1000 {
		j := odd(r)
		if len(j.Stops) < 2 || hasZero(reflect.ValueOf(*j)) || hasZero(reflect.ValueOf(j.Stops[1])) {
			continue // seldom, while odd knows all fields
		}
		w, path := create(t, Options{})
		ok(t, w.Journey(j, nil))
		ok(t, w.Close(End{}))
		if got, _, _ := read(t, path); !reflect.DeepEqual(got.journeys[0], *j) {
			t.Errorf("\n got %+v\nwant %+v", got.journeys[0], *j)
		}
		return
	}
	t.Error("the tests' journeys leave a field empty")
}

// TestEveryFieldOfALookup: the tests' lookup sets them all.
func TestEveryFieldOfALookup(t *testing.T) {
	if hasZero(reflect.ValueOf(asked(dns.Answered))) {
		t.Error("the tests' lookup leaves a field empty")
	}
}

func hasZero(v reflect.Value) bool {
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			return true
		}
	}
	return false
}

func TestJourneysAreNormalised(t *testing.T) {
	w, path := create(t, Options{})
	j := newTraffic(1).next()
	for len(j.Stops) <= journey.MaxStops {
		j.Stops = append(j.Stops, j.Stops[13])
	}
	ok(t, w.Journey(j, nil))
	j.Stops = nil
	if err := w.Journey(j, nil); !errors.Is(err, errJourney) {
		t.Errorf("a journey without stops: %v", err)
	}
	ok(t, w.Close(End{}))
	if err := w.Close(End{}); !errors.Is(err, ErrClosed) {
		t.Errorf("closed twice: %v", err)
	}
	if err := w.Journey(j, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("written after the end: %v", err)
	}
	got, damage, _ := read(t, path)
	if g := got.journeys[0]; damage.Any() || len(g.Stops) != journey.MaxStops || g.Flags&journey.FlagTruncated == 0 {
		t.Errorf("%d stops, flags %v, damage %v", len(g.Stops), g.Flags, damage)
	}
}

// TestFlushedRegularly: what was recorded a moment ago is in the file, without
// another call.
func TestFlushedRegularly(t *testing.T) {
	w, path := create(t, Options{FlushEvery: 5 * time.Millisecond})
	defer func() { ok(t, w.Abandon()) }()
	ok(t, w.Journey(newTraffic(1).next(), nil))
	for range 1000 {
		if c, _, _ := read(t, path); len(c.journeys) == 1 {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Error("the journey never came to the file")
}
