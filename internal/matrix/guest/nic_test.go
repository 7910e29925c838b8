//go:build matrix

package guest

import (
	"strings"
	"testing"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/pkg/journey"
)

// Over the wire a packet is two journeys: one leaves by a NIC, one is born at
// the other NIC. The devices' own counters are the reference; bulk is cut into
// segments by the kernel, since these NICs cannot.
func (s scene) nic(t *testing.T) {
	lab.BridgeNF(t, false)
	for _, c := range []class{udp, rr, bulk} {
		t.Run(c.name, func(t *testing.T) {
			sent, received := s.nicCounts(t)
			win := s.during(t, c.quiet(), func() { s.a.run(t, append(c.args, at(addrWire))...) })
			if drops := s.drops(win); len(drops) > 0 {
				t.Logf("drops: %v", drops)
			}
			sentAfter, receivedAfter := s.nicCounts(t)
			t.Logf("%d tracked, endings %v, lost %v, notes %v", win.tracked, win.endings, win.lost, win.notes)
			s.wantLeft(t, win, sentAfter.packets-sent.packets)
			merged := s.wantReceived(t, win, receivedAfter.packets-received.packets, receivedAfter.bytes-received.bytes)
			if c.name == bulk.name && merged < 1000 {
				t.Errorf("GRO merged only %d packets of bulk", merged)
			}
		})
	}
}

// counted is what a device has counted, bytes with their Ethernet headers.
type counted struct{ packets, bytes uint64 }

// nicCounts reads what eth0 sent and eth1 received.
func (s scene) nicCounts(t *testing.T) (sent, received counted) {
	t.Helper()
	eth0, eth1 := s.host.link(t, "eth0").Attrs().Statistics, s.wire.link(t, "eth1").Attrs().Statistics
	return counted{eth0.TxPackets, eth0.TxBytes}, counted{eth1.RxPackets, eth1.RxBytes}
}

func (s scene) wantLeft(t *testing.T, win window, packets uint64) {
	t.Helper()
	eth0 := s.host.place(t, "eth0")
	left := win.pick(ended(journey.EndingLeft), func(j *journey.Journey) bool {
		last := j.Stops[len(j.Stops)-1]
		return last.Netns == eth0.Netns && last.Ifindex == eth0.Ifindex
	})
	if !close999(uint64(len(left)), packets) {
		t.Errorf("%d journeys left by eth0, the device sent %d packets", len(left), packets)
	}
	want := path(leaves("a", "vethA"), "bridge @ host/br0", s.routedHooks("br0", "eth0"), "qdisc @ host/eth0", "driver @ host/eth0")
	ways, share := s.ways(left)
	if share != 1 || ways[0] != want {
		t.Errorf("left by eth0, want\n\t%s\ngot\n\t%s", want, strings.Join(ways, "\n\t"))
	}
	t.Attr("way", "a/eth0: "+want)
}

// wantReceived gives how many packets GRO merged. virtio leaves the headers of a
// long packet in a page: that they were read there shows in the sum of lengths.
func (s scene) wantReceived(t *testing.T, win window, packets, bytes uint64) (merged int) {
	t.Helper()
	const ethernet = 14
	born := win.pick(bornAt(s.wire.place(t, "eth1")), func(j *journey.Journey) bool { return j.Flags&journey.FlagReceived != 0 })
	var sum uint64
	for i := range born {
		sum += uint64(born[i].Bytes)
	}
	unread := win.notes["unread_headers"]
	if !close999(uint64(len(born)), packets) || !close999(sum, bytes-ethernet*packets) || unread > 0 {
		t.Errorf("%d journeys of %d bytes born at eth1, headers of %d were not read; the device received %d packets of %d bytes",
			len(born), sum, unread, packets, bytes-ethernet*packets)
	}
	const want = "gro @ wire/eth1 → stack_rx @ wire/eth1"
	for i := range born {
		j := &born[i]
		switch way := s.way(j); {
		case j.Ending == journey.EndingMerged && way == "gro @ wire/eth1":
			merged++
		case j.Ending == journey.EndingDelivered && (way == want || way == want+" → sock_lock @ wire/eth1"):
		default:
			t.Errorf("a packet from the wire is %v: %s", j.Ending, way)
		}
	}
	t.Attr("way", "wire/eth1: "+want)
	return merged
}

func close999(seen, counted uint64) bool {
	share := float64(seen) / float64(counted)
	return share >= 0.999 && share <= 1.001
}
