package model

import (
	"slices"
	"testing"
	"time"

	"github.com/hopscope/hopscope/pkg/journey"
)

func kinds(p Path) []string {
	var out []string
	for _, h := range p.Hops {
		out = append(out, h.Hop)
	}
	return out
}

// TestOrderOfHops mixes journeys that lack hops at their begin: by the mean
// position alone, stack_rx would come before what leads to it.
func TestOrderOfHops(t *testing.T) {
	a := New(Limits{})
	hop := func(k journey.HopKind) journey.Hop { return at(k, hostNS, 0, time.Microsecond) }
	add := func(n int, hops ...journey.Hop) {
		for range n {
			a.Add(packet(hops), hops)
		}
	}
	add(1, hop(journey.HopQdisc), hop(journey.HopXmit), hop(journey.HopBacklog), hop(journey.HopBridge), hop(journey.HopStackRX), hop(journey.HopSockLock))
	add(99, hop(journey.HopBridge), hop(journey.HopStackRX))
	add(5, hop(journey.HopQdisc), hop(journey.HopXmit), hop(journey.HopBacklog), hop(journey.HopPrerouting), hop(journey.HopForward), hop(journey.HopBridge))
	add(1, hop(journey.HopXmit), hop(journey.HopQdisc)) // out of order, a minority
	got := kinds(onlyPath(t, a.Snapshot(shop(), Meta{})))
	want := []string{"qdisc", "xmit", "backlog", "prerouting", "forward", "bridge", "stack_rx", "sock_lock"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestOrderOfACycle(t *testing.T) {
	edges := []edgeSum{{0, 1, 5}, {1, 2, 5}, {2, 0, 4}, {2, 3, 1}}
	got := hopOrder(4, edges, func(i, k int) bool { return i < k })
	if !slices.Equal(got, []int{0, 1, 2, 3}) {
		t.Errorf("got %v: every hop once, cut at the first", got)
	}
}

// TestTailShare has 98 % of the packets slow in the backlog and the slowest
// 2 % slow in the qdisc.
func TestTailShare(t *testing.T) {
	a := New(Limits{})
	for i := range 10000 {
		hops := bridged()
		if i%50 == 0 {
			hops[4].Duration = 99 * time.Millisecond
			hops[2].Duration = time.Millisecond
		} else {
			hops[2].Duration = 5 * time.Millisecond
		}
		a.Add(packet(hops), hops)
	}
	p := onlyPath(t, a.Snapshot(shop(), Meta{}))
	qdisc, backlog := p.Hops[4], p.Hops[2]
	if qdisc.Hop != "qdisc" || backlog.Hop != "backlog" {
		t.Fatalf("hops %v", kinds(p))
	}
	if qdisc.Share < 0.28 || qdisc.Share > 0.29 || backlog.Share < 0.7 {
		t.Errorf("shares %v and %v, want 0.286 and 0.71", qdisc.Share, backlog.Share)
	}
	if qdisc.TailShare < 0.98 || backlog.TailShare > 0.02 {
		t.Errorf("tail shares %v and %v, want 0.99 and 0.01", qdisc.TailShare, backlog.TailShare)
	}
}

// TestTailOfWeights has one journey in 200, which stands for 5 % of packets.
func TestTailOfWeights(t *testing.T) {
	a := New(Limits{})
	for i := range 200 {
		hops := bridged()
		j := packet(hops)
		if i == 0 {
			hops[0].Duration = time.Second
			j = packet(hops)
			j.Weight = 10
		}
		a.Add(j, hops)
	}
	if p := onlyPath(t, a.Snapshot(shop(), Meta{})); p.Hops[0].TailShare < 0.99 || *p.Total.P99Ns < 990_000_000 {
		t.Errorf("tail share %v, p99 %d: the weight was not counted", p.Hops[0].TailShare, *p.Total.P99Ns)
	}
}
