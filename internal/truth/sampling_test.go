package truth

import (
	"math"
	"strconv"
	"testing"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/pkg/journey"
	"github.com/hopscope/hopscope/pkg/pipeline"
)

// sigmas is how far chance may carry a share: beyond 4.5 standard deviations
// once in 150,000 runs.
const sigmas = 4.5

// One connection uses a handful of skb addresses for all of its packets:
// sampling that hangs on them would take none of it, or a quarter.
func TestSamplingTakesItsShareOfOneConnection(t *testing.T) {
	const rate = 64
	p := sharedPair(t)
	for _, kind := range []traffic{
		{name: "tcp", args: []string{"rr", "--count", "40000"}},
		{name: "udp over IPv6", args: []string{"udp", "--count", "40000"}, ipv6: true},
	} {
		t.Run(kind.name, func(t *testing.T) {
			at := p.at
			if kind.ipv6 {
				at = p.at6
			}
			tr := begin(t, pipeline.Options{Sample: rate})
			out, back := lab.AFPacketCount(t, p.client.Netns, "eth0"), lab.AFPacketCount(t, p.web.Netns, "eth0")
			wantOK(t, p.client.Run(append(kind.args, at)...), 40000)
			r := tr.end()
			r.wantSound(t)
			wantSampled(t, r, p.client, out.Stop().Packets, rate)
			wantSampled(t, r, p.web, back.Stop().Packets, rate)
		})
	}
}

// wantSampled checks one direction: how many of its packets were tracked, and
// how many the records say that there were.
func wantSampled(t *testing.T, r result, c *lab.Container, packets uint64, rate float64) {
	t.Helper()
	born := bornAt(netnsInode(t, c.Netns), c.Links[0].Index)
	var tracked, always, weight uint64
	for i := range r.Journeys {
		j := &r.Journeys[i]
		if !born(j) {
			continue
		}
		weight += uint64(j.Weight)
		if j.Flags&journey.FlagPriority != 0 {
			always++
			continue
		}
		tracked++
		if j.Weight != uint32(rate) {
			t.Fatalf("a sampled journey has weight %d", j.Weight)
		}
	}
	n := float64(packets - always)
	sigma := math.Sqrt(n / rate * (1 - 1/rate))
	off := (float64(tracked) - n/rate) / sigma
	t.Logf("%s: %d of %d packets tracked, %+.1f sigma; weights sum to %d", c.Name, tracked, packets, off, weight)
	if math.Abs(off) > sigmas {
		t.Errorf("%s: %d of %.0f packets tracked, %.1f sigma off 1/%.0f", c.Name, tracked, n, off, rate)
	}
	if diff := math.Abs(float64(weight) - float64(packets)); diff > sigmas*sigma*rate {
		t.Errorf("%s: weights sum to %d, %d packets were sent", c.Name, weight, packets)
	}
}

// SYN and RST are followed at any rate, each standing for itself.
func TestSamplingLeavesOutNeitherSYNNorRST(t *testing.T) {
	const connections, each = 99, 3
	p := sharedPair(t)
	moody := p.shop.Container(lab.ContainerSpec{Name: "moody", Networks: []*lab.Network{p.net}, Args: []string{"serve", "--reset", strconv.Itoa(each)}})
	tr := begin(t, pipeline.Options{Sample: 1 << 20})
	resets, count := tcpCounter(t, moody, "OutRsts"), strconv.Itoa(connections)
	p.client.Run("rr", "--connections", count, "--count", count, serverAt(moody.IP(p.net)))
	r := tr.end()
	resets = tcpCounter(t, moody, "OutRsts") - resets
	const syn, rst = 2, 4
	flagged := func(c *lab.Container, flag uint8) (n uint64) {
		born := bornAt(netnsInode(t, c.Netns), c.Links[0].Index)
		for i := range r.Journeys {
			if j := &r.Journeys[i]; born(j) && j.TCPFlags&flag != 0 && j.Weight == 1 {
				n++
			}
		}
		return n
	}
	if got := flagged(p.client, syn); got != connections {
		t.Errorf("%d SYNs of %d connections", got, connections)
	}
	if got := flagged(moody, syn); got != connections {
		t.Errorf("%d SYN-ACKs of %d connections", got, connections)
	}
	if got := flagged(moody, rst); got != resets || resets < connections/each {
		t.Errorf("%d RSTs followed, %d sent", got, resets)
	}
	for i := range r.Journeys {
		if j := &r.Journeys[i]; j.Proto == journey.ProtoTCP && j.TCPFlags&(syn|rst) == 0 && j.Flags&journey.FlagPriority != 0 {
			t.Errorf("has priority: %+v", j)
		}
	}
}
