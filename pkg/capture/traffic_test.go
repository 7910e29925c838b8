package capture

import (
	"math"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/hopscope/hopscope/pkg/journey"
)

// traffic makes journeys as request/response traffic between two containers of
// one bridge gives them: 50 connections, requests and answers of changing
// size, 14 stops each with netfilter on the bridge.
type traffic struct {
	r     *rand.Rand
	now   uint64
	conns []conn
	j     journey.Journey
}

type conn struct {
	client, server netip.AddrPort
	seq, ack       uint32 // next of the client, next of the server
	id, idBack     uint16
	answers        bool // the server's turn
	srtt           time.Duration
}

// Namespaces of the made traffic.
const (
	hostNS, webNS, apiNS = 4026531840, 4026532501, 4026532602
)

func newTraffic(seed uint64) *traffic {
	t := &traffic{r: rand.New(rand.NewPCG(seed, 1)), now: 86_400e9}
	for range 50 {
		t.conns = append(t.conns, conn{
			client: netip.AddrPortFrom(netip.MustParseAddr("172.20.0.2"), uint16(32768+t.r.IntN(28000))),
			server: netip.MustParseAddrPort("172.20.0.3:8080"),
			seq:    t.r.Uint32(), ack: t.r.Uint32(), id: uint16(t.r.Uint32()), idBack: uint16(t.r.Uint32()),
		})
	}
	return t
}

// way is one of the stops that packets meet, with the median of the time
// before it in ns.
type way struct {
	point   journey.Point
	flags   journey.StopFlags
	netns   uint32
	ifindex uint32
	ns      float64
}

func bridged(from, to, fromIf, toIf, fromPort, toPort uint32) []way {
	const port = journey.StopPort | journey.StopVeth
	return []way{
		{journey.PointQueue, journey.StopVeth, from, fromIf, 0},
		{journey.PointXmit, journey.StopVeth, from, fromIf, 410},
		{journey.PointNetifRx, port, hostNS, fromPort, 620},
		{journey.PointReceive, port, hostNS, fromPort, 1450},
		{journey.PointPreIn, journey.StopBridge, hostNS, 5, 380},
		{journey.PointPreOut, journey.StopBridge, hostNS, 5, 910},
		{journey.PointForwardIn, 0, hostNS, 5, 540},
		{journey.PointForwardOut, 0, hostNS, 5, 1230},
		{journey.PointQueue, port, hostNS, toPort, 760},
		{journey.PointXmit, port, hostNS, toPort, 350},
		{journey.PointNetifRx, journey.StopVeth, to, toIf, 590},
		{journey.PointReceive, journey.StopVeth, to, toIf, 2100},
		{journey.PointDeliver, 0, to, toIf, 880},
		{journey.PointTCPProbe, 0, to, 0, 640},
	}
}

// next gives the following journey, valid until the next call.
func (t *traffic) next() *journey.Journey {
	t.now += uint64(t.r.ExpFloat64() * 12_500) // 80,000 a second
	c := &t.conns[t.r.IntN(len(t.conns))]
	j := &t.j
	*j = journey.Journey{Start: t.now, Weight: 1, Segments: 1, Family: 4, Proto: journey.ProtoTCP,
		TCPFlags: 0x18, Ending: journey.EndingDelivered, Stops: j.Stops[:0]}
	tsval := uint64(t.now/1e6) & math.MaxUint32
	var stops []way
	if c.answers = !c.answers; c.answers {
		size := 80 + t.r.Uint32N(200)
		j.First = journey.Tuple{Src: c.client, Dst: c.server}
		j.CgroupSrc, j.CgroupDst = 7001, 7002
		j.Sig = journey.Sig{A: uint64(c.seq)<<32 | uint64(c.ack), B: tsval<<32 | uint64(size)<<16 | uint64(c.id)}
		c.seq, c.id = c.seq+size, c.id+1
		j.Bytes = size + 52
		stops = bridged(webNS, apiNS, 11, 21, 12, 22)
	} else {
		size := 200 + t.r.Uint32N(1200)
		j.First = journey.Tuple{Src: c.server, Dst: c.client}
		j.CgroupSrc, j.CgroupDst = 7002, 7001
		j.Sig = journey.Sig{A: uint64(c.ack)<<32 | uint64(c.seq), B: tsval<<32 | uint64(size)<<16 | uint64(c.idBack)}
		c.ack, c.idBack = c.ack+size, c.idBack+1
		j.Bytes = size + 52
		stops = bridged(apiNS, webNS, 21, 11, 22, 12)
	}
	j.Last = j.First
	c.srtt += (60*time.Microsecond + time.Duration(t.r.IntN(60_000)) - c.srtt) / 8
	j.SRTT = c.srtt.Truncate(time.Microsecond)
	t.addStops(stops)
	return j
}

// addStops gives each step a log-normal time around its median, with a tail,
// and lets softirqs move to another CPU now and then.
func (t *traffic) addStops(stops []way) {
	cpu := uint16(t.r.IntN(4))
	var at time.Duration
	for i, w := range stops {
		if i > 0 {
			ns := w.ns * math.Exp(t.r.NormFloat64()*0.35)
			if t.r.IntN(50) == 0 {
				ns *= 1 + t.r.ExpFloat64()*10
			}
			at += time.Duration(ns)
		}
		if w.point == journey.PointReceive && t.r.IntN(20) == 0 {
			cpu = uint16(t.r.IntN(4))
		}
		t.j.Stops = append(t.j.Stops, journey.Stop{At: at, Netns: w.netns, Ifindex: w.ifindex, CPU: cpu, Point: w.point, Flags: w.flags})
	}
}

// dropped turns every nth journey into one that died in FORWARD.
func dropped(j *journey.Journey) *journey.Journey {
	j.Stops = append(j.Stops[:7], journey.Stop{At: j.Stops[6].At + 300, CPU: j.Stops[6].CPU, Point: journey.PointFree})
	j.Ending, j.DropReason, j.DropLocation = journey.EndingDropped, 8, 0xffffffff81234567
	return j
}
