package truth

import (
	"net"
	"slices"
	"testing"
	"time"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/pkg/journey"
	"github.com/hopscope/hopscope/pkg/pipeline"
)

// stopSlack is how far the median of the stops at one device may lie from the
// kernel's own timestamps there.
const stopSlack = 5 * time.Microsecond

// tapped is a device with a tap on it.
type tapped struct {
	name, netns, dev string
	place            journey.Place
	tap              *tap
}

// TestStopTimesAreTheKernels compares every stop at every device between a
// container and a host outside (both ends of the veth pairs, and the bridge)
// with the timestamp that AF_PACKET gives the same packet at the same device.
func TestStopTimesAreTheKernels(t *testing.T) {
	lab.Lock(t)
	lab.BridgeNF(t, false)
	shop := lab.NewShop(t)
	front := shop.Network(lab.NetworkSpec{Name: "front"})
	client := shop.Container(lab.ContainerSpec{Name: "client", Networks: []*lab.Network{front}})
	host := lab.Outside(t, lab.OutsideSpec{})
	host.Start("serve", "--duration", "2m")
	at := serverAt(host.Addr)
	wantOK(t, client.Run("rr", "--count", "5", at), 5)
	time.Sleep(quiet)

	inside, outside := client.Links[0], host.Link
	devices := []*tapped{
		{name: "container's veth", netns: client.Netns, dev: inside.Name},
		{name: "host's veth", netns: lab.HostNetns, dev: inside.HostName},
		{name: "bridge", netns: lab.HostNetns, dev: front.Bridge},
		{name: "host's veth to the outside", netns: lab.HostNetns, dev: outside.HostName},
		{name: "outside's veth", netns: host.Netns, dev: outside.Name},
	}
	for _, d := range devices {
		d.open(t)
	}
	tr := begin(t, pipeline.Options{})
	wantOK(t, client.Run("udp", "--count", "5000", at), 5000)
	wantOK(t, client.Run("rr", "--count", "5000", at), 5000)
	if r := client.Run("bulk", "--bytes", "50000000", at); r.Errors != 0 {
		t.Errorf("bulk: %s", r.FirstError)
	}
	r := tr.end()
	r.wantSound(t)
	for _, d := range devices {
		records := d.tap.end()
		d.compare(t, r.Journeys, oneWay(records, true), journey.PointXmit)
		d.compare(t, r.Journeys, oneWay(records, false), journey.PointReceive)
	}
}

func (d *tapped) open(t *testing.T) {
	t.Helper()
	d.place.Netns = netnsInode(t, d.netns)
	err := lab.InNetns(d.netns, func() error {
		iface, err := net.InterfaceByName(d.dev)
		if err == nil {
			d.place.Ifindex = uint32(iface.Index)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	d.tap = newTap(t, d.netns, d.dev)
}

// compare matches packets with the stops at one point. A packet is handed to
// the taps just before it comes to net_dev_start_xmit, and just after it came
// to netif_receive_skb.
func (d *tapped) compare(t *testing.T, journeys []journey.Journey, packets []seen, point journey.Point) {
	t.Helper()
	times := map[identity][]uint64{}
	for _, p := range packets {
		times[p.identity()] = append(times[p.identity()], p.at)
	}
	var stops, unknown uint64
	var offsets []int64
	for i := range journeys {
		j := &journeys[i]
		for _, s := range j.Stops {
			if s.Point != point || s.Netns != d.place.Netns || s.Ifindex != d.place.Ifindex || !hasIdentity(j) {
				continue
			}
			stops++
			stop := j.Start + uint64(s.At)
			switch at := times[identityOf(j)]; {
			case len(at) == 0:
				unknown++
			case len(at) > 1: // two packets that look alike
			case point == journey.PointXmit:
				offsets = append(offsets, int64(stop-at[0]))
			default:
				offsets = append(offsets, int64(at[0]-stop))
			}
		}
	}
	slices.Sort(offsets)
	if len(offsets) < 5000 {
		t.Errorf("%s, %v: only %d of %d stops matched with %d packets", d.name, point, len(offsets), stops, len(packets))
		return
	}
	middle := time.Duration(median(offsets))
	t.Logf("%-26s %-18v %d packets, %d stops, %d matched: median %v off the kernel's timestamps, 99 of 100 within %v",
		d.name, point, len(packets), stops, len(offsets), middle, time.Duration(offsets[len(offsets)*99/100]))
	if unknown > 0 {
		t.Errorf("%s, %v: %d stops of packets that AF_PACKET did not see", d.name, point, unknown)
	}
	if got := share(stops, uint64(len(packets))); got < 0.999 || got > 1.001 {
		t.Errorf("%s, %v: %d stops, %d packets", d.name, point, stops, len(packets))
	}
	if middle < -clockSlack || middle > stopSlack {
		t.Errorf("%s, %v: the median stop is %v off the kernel's timestamp", d.name, point, middle)
	}
}

// identity tells packets of one flow apart whatever NAT does: it is the
// signature (bpf/packet.h) without TCP's timestamp option.
type identity struct{ a, b uint64 }

func (s seen) identity() identity {
	if s.proto == journey.ProtoUDP {
		return identity{uint64(s.length)<<32 | uint64(s.ipID), journey.ProtoUDP}
	}
	return identity{uint64(s.seq)<<32 | uint64(s.ack), uint64(s.length&0xffff)<<16 | uint64(s.ipID)}
}

func identityOf(j *journey.Journey) identity {
	return identity{j.Sig.A, j.Sig.B & 0xffffffff}
}

func hasIdentity(j *journey.Journey) bool {
	return j.Family == 4 && (j.Proto == journey.ProtoTCP || j.Proto == journey.ProtoUDP)
}
