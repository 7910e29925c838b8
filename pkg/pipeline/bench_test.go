package pipeline

import (
	"net/netip"
	"testing"
	"time"

	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/journey"
	"github.com/hopscope/hopscope/pkg/model"
)

// Namespaces and devices of two containers on one bridge, as stops name them.
const (
	hostNS   = 4026531840
	firstNS  = 4026532001
	hostVeth = 100 // the host's end of the first container's veth pair
	eth0     = 2
)

// oneWay is the journey of a small TCP packet from a container to another one
// on the same bridge: ten stops, 304 bytes as a record.
func oneWay(from, to int, port uint16, request bool) journey.Journey {
	client := netip.AddrPortFrom(containerAddr(from), port)
	server := netip.AddrPortFrom(containerAddr(to), 8000)
	src, dst := client, server
	if !request {
		from, to, src, dst = to, from, server, client
	}
	tuple := journey.Tuple{Src: src, Dst: dst}
	return journey.Journey{
		Start: 1, CgroupSrc: uint64(1000 + from), CgroupDst: uint64(1000 + to),
		First: tuple, Last: tuple, Weight: 1, Bytes: 116, Segments: 1, Family: 4,
		Proto: journey.ProtoTCP, TCPFlags: 0x18, Ending: journey.EndingDelivered,
		Stops: stopsBetween(from, to),
	}
}

func containerAddr(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{198, 51, 100, byte(10 + i)})
}

func stopsBetween(from, to int) []journey.Stop {
	nsFrom, nsTo := uint32(firstNS+from), uint32(firstNS+to)
	vethFrom, vethTo := uint32(hostVeth+from), uint32(hostVeth+to)
	stops := []journey.Stop{
		{Netns: nsFrom, Ifindex: eth0, Point: journey.PointQueue},
		{Netns: nsFrom, Ifindex: eth0, Point: journey.PointXmit, Flags: journey.StopVeth},
		{Netns: hostNS, Ifindex: vethFrom, Point: journey.PointNetifRx, Flags: journey.StopPort},
		{Netns: hostNS, Ifindex: vethFrom, Point: journey.PointReceive, Flags: journey.StopPort},
		{Netns: hostNS, Ifindex: vethTo, Point: journey.PointQueue, Flags: journey.StopPort},
		{Netns: hostNS, Ifindex: vethTo, Point: journey.PointXmit, Flags: journey.StopPort | journey.StopVeth},
		{Netns: nsTo, Ifindex: eth0, Point: journey.PointNetifRx},
		{Netns: nsTo, Ifindex: eth0, Point: journey.PointReceive},
		{Netns: nsTo, Ifindex: eth0, Point: journey.PointDeliver},
		{Netns: nsTo, Ifindex: eth0, Point: journey.PointTCPProbe},
	}
	for i := range stops {
		stops[i].At = time.Duration(i) * 1500 * time.Nanosecond
	}
	return stops
}

// exchanges gives the records of both directions of n connections that are
// spread over 12 pairs of containers.
func exchanges(n int) [][]byte {
	var records [][]byte
	for i := range n {
		from, to := i%4, 4+i%3
		for _, request := range []bool{true, false} {
			j := oneWay(from, to, uint16(32768+i), request)
			records = append(records, journey.AppendRaw(nil, &j))
		}
	}
	return records
}

// From the raw record to the sums: decode, name the hops, select, aggregate.
func BenchmarkRecord(b *testing.B) {
	for _, bc := range []struct {
		name        string
		connections int
	}{{"1 connection", 1}, {"1000 connections", 1000}} {
		b.Run(bc.name, func(b *testing.B) {
			records := exchanges(bc.connections)
			p := New(Match{})
			for _, raw := range records { // the sums' first entries are no steady state
				p.Record(raw)
			}
			b.ReportAllocs()
			b.SetBytes(int64(len(records[0])))
			next := 0
			for b.Loop() {
				p.Record(records[next])
				if next++; next == len(records) {
					next = 0
				}
			}
			if left := p.LeftOut(); left != (LeftOut{}) {
				b.Fatalf("left out: %+v", left)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

// A summary, as the screen takes one each second.
func BenchmarkSnapshot(b *testing.B) {
	p := New(Match{})
	for _, raw := range exchanges(1000) {
		p.Record(raw)
	}
	names := inventory.NewView(inventory.Facts{})
	b.ReportAllocs()
	for b.Loop() {
		if s := p.Snapshot(names, model.Meta{}); len(s.Paths) == 0 {
			b.Fatal("no paths")
		}
	}
}

// A record in steady state leaves nothing to the garbage collector.
func TestRecordDoesNotAllocate(t *testing.T) {
	records := exchanges(100)
	p := New(Match{})
	for range 10 {
		for _, raw := range records {
			p.Record(raw)
		}
	}
	next := 0
	got := testing.AllocsPerRun(2000, func() {
		p.Record(records[next%len(records)])
		next++
	})
	if got != 0 {
		t.Errorf("%v allocations a record", got)
	}
}
