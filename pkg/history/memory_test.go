package history

import (
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/hopscope/hopscope/pkg/dns"
	"github.com/hopscope/hopscope/pkg/exchange"
	"github.com/hopscope/hopscope/pkg/journey"
	"github.com/hopscope/hopscope/pkg/model"
)

const (
	hostNS = 1
	// churn is how many containers come and go in a second: enough to meet every
	// limit within the first hour.
	churn = 8
)

// mortal counts what one container does that lives for a moment and that nobody
// else resembles: it has a cgroup, a namespace, an address and a veth of its own.
// It resolves a name, asks the server, waits for the answer, and loses a packet.
func mortal(h *History, n uint32) {
	addr := netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})
	client, server := netip.AddrPortFrom(addr, 40000), netip.MustParseAddrPort("10.255.0.1:80")
	netns, cgroup, veth := 1000+n, uint64(1000+n), 1000+n
	j := &journey.Journey{
		Start: 1, First: journey.Tuple{Src: client, Dst: server}, Weight: 1, Bytes: 100, Segments: 1, Family: 4,
		CgroupSrc: cgroup, CgroupDst: 7, Proto: journey.ProtoTCP, TCPFlags: 0x02, SRTT: time.Millisecond,
		Ending: journey.EndingDelivered,
		Stops: []journey.Stop{
			{Netns: netns, Ifindex: 2, Point: journey.PointXmit, Flags: journey.StopVeth},
			{At: 1000, Netns: hostNS, Ifindex: veth, Point: journey.PointReceive},
			{At: 2000, Netns: 7, Ifindex: 2, Point: journey.PointDeliver},
		},
	}
	j.Last = j.First
	_ = h.Journey(j, j.Hops(nil))
	self := exchange.Party{Netns: netns, Cgroup: cgroup, Addr: addr}
	h.With(func(a *model.Aggregator) {
		a.AddDNS(dns.Lookup{Netns: netns, Cgroup: cgroup, Local: addr, Resolver: netip.MustParseAddr("127.0.0.11"), Outcome: dns.Answered, LatencyNs: 1000})
		a.AddDrops(model.DropCount{Reason: 3, Count: 1, Born: netns, Cgroup: cgroup, Src: addr, Dst: server.Addr(), Port: 80, Proto: journey.ProtoTCP,
			Place: journey.Place{Netns: hostNS, Ifindex: veth}, Stack: []uint64{1, 2, 3}})
		a.AddRetransmits(model.RetransmitCount{Netns: netns, Cgroup: cgroup, Local: addr, Remote: server.Addr(), Port: 80, Segments: model.RetransmitKinds{RTO: 1}})
		a.AddSocket(model.SocketEvent{Exchange: &exchange.Exchange{
			Start: uint64(n), Total: 3000, Client: self, Server: exchange.Party{Netns: 7, Cgroup: 7, Addr: server.Addr()},
			Asked: server, Port: 80, View: exchange.ViewBoth, Weight: 1,
			Parts: []exchange.Part{{Kind: exchange.PartRequestNetwork, Ns: 1000}, {Kind: exchange.PartApp, Ns: 2000}},
		}})
		a.AddSocket(model.SocketEvent{Connect: &model.ConnectCount{Netns: netns, Cgroup: cgroup, Local: addr, Remote: server.Addr(), Port: 80, Process: n}})
	})
}

// TestMemoryOfHoursOfChurn lets containers come and go for hours,
// watched now and then: what the process holds in the end is what it held after
// the first of them.
func TestMemoryOfHoursOfChurn(t *testing.T) {
	const hour, hours = 3600, 2
	h := New(Options{}, begin)
	var first, last uint64
	for i := range hours * hour {
		for k := range uint32(churn) {
			mortal(h, uint32(i)*churn+k)
		}
		h.Roll(second(i + 1))
		if i%600 == 0 {
			for _, window := range []time.Duration{10 * time.Second, time.Minute, 0} {
				h.Frame(Query{Window: window}, numbered{}, model.Meta{})
			}
		}
		if (i+1)%hour == 0 {
			last = heapInUse()
			t.Logf("after %d h and %d containers: %.1f MB", (i+1)/hour, (i+1)*churn, float64(last)/1e6)
			if first == 0 {
				first = last
			}
		}
	}
	if last > first+first/20 {
		t.Errorf("%d bytes after the first hour, %d after %d", first, last, hours)
	}
	runtime.KeepAlive(h)
}

func heapInUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
