package model

import (
	"testing"

	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/journey"
)

type fakeSymbols struct{}

func (fakeSymbols) Reason(n uint32) string {
	return map[uint32]string{2: "NOT_SPECIFIED", 3: "NO_SOCKET", 8: "NETFILTER_DROP"}[n]
}

func (fakeSymbols) Symbol(addr uint64) string {
	return map[uint64]string{1: "tcp_v4_rcv+0x12", 2: "nf_hook_slow+0x9c", 3: "ping_rcv+0x40", 4: "bpf_dispatcher_xdp_func+0x5", 5: "bpf_trace_run4+0x8"}[addr]
}

func TestDrops(t *testing.T) {
	a := New(Limits{})
	drop := func(n uint64, reason uint32, location uint64) {
		a.AddDrops(DropCount{
			Reason: reason, Location: location, Stack: []uint64{4, 5, location, 2}, Count: n,
			Place: journey.Place{Netns: apiNS, Ifindex: apiEth}, Point: journey.PointReceive, Born: webNS,
			Src: webAddr, Dst: apiAddr, Port: 8080, Proto: journey.ProtoTCP, Attributed: "journey",
		})
	}
	drop(6, 8, 2)
	drop(10, 2, 1)
	drop(8, 2, 1)
	drop(10, 3, 99)
	drop(4, 3, 99)
	s := a.Snapshot(shop(), Meta{Symbols: fakeSymbols{}})
	if len(s.Drops) != 2 || len(s.Paths) != 0 {
		t.Fatalf("%d drops, %d paths, want 2 and 0: %+v", len(s.Drops), len(s.Paths), s.Drops)
	}
	d := s.Drops[0]
	if d.Reason != "NO_SOCKET" || d.Location != "0x63" || d.Count != 14 {
		t.Errorf("largest group: %+v", d)
	}
	d = s.Drops[1]
	if d.Reason != "NETFILTER_DROP" || d.Location != "nf_hook_slow+0x9c" || d.Count != 6 ||
		d.From.Name != "web" || d.To.Name != "10.0.0.3" || d.Port != 8080 || d.Proto != "tcp" {
		t.Errorf("second group: %+v", d)
	}
	if d.Hop != "stack_rx" || d.Where != "eth0 of api" || d.Container == nil || *d.Container != "api" || *d.Device != "dev21" {
		t.Errorf("place: %+v", d)
	}
	if d.AttributedBy != "journey" || len(d.Stack) != 2 || d.Stack[0] != "nf_hook_slow+0x9c" {
		t.Errorf("by %q, stack %v", d.AttributedBy, d.Stack)
	}
	if n := s.Accounting.Notes["freed_noise"]; n != 18 {
		t.Errorf("freed_noise is %d, want 10 and 8", n)
	}
}

// A kernel without reasons: the function tells what it can, and what healthy traffic
// frees is no loss.
func TestDropsWithoutReasons(t *testing.T) {
	a := New(Limits{})
	for location := range uint64(4) {
		a.AddDrops(DropCount{Location: location, Count: location + 1, Place: journey.Place{Netns: hostNS}, Proto: journey.ProtoUDP})
	}
	s := a.Snapshot(shop(), Meta{Symbols: fakeSymbols{}})
	got := map[string]uint64{}
	for _, d := range s.Drops {
		got[d.Reason] += d.Count
	}
	// 0: not even a location; 1: tcp_v4_rcv; 2: nf_hook_slow; 3: ping_rcv
	if len(got) != 2 || got["NETFILTER_DROP"] != 3 || got["NOT_SPECIFIED"] != 4 {
		t.Errorf("%v", got)
	}
	if n := s.Accounting.Notes; n["freed_noise"] != 2 || n["freed_unclear"] != 1 {
		t.Errorf("%v", n)
	}
}

// byAddress knows api by its address, too.
type byAddress struct{ Names }

func (n byAddress) Endpoint(raw inventory.RawEndpoint) inventory.Endpoint {
	if raw.Addr == apiAddr {
		raw = inventory.RawEndpoint{Netns: apiNS}
	}
	return n.Names.Endpoint(raw)
}

// Without a journey, a device in a container's namespace or a socket, the
// addresses tell whose packets they were.
func TestDropOwner(t *testing.T) {
	for _, c := range []struct {
		name, owner, by string
		d               DropCount
	}{
		{"in the container", "api", "device", DropCount{Place: journey.Place{Netns: apiNS, Ifindex: apiEth}, Attributed: "device"}},
		{"on the host", "api", "address", DropCount{Place: journey.Place{Netns: hostNS, Ifindex: 3}, Attributed: "device"}},
		{"nowhere", "api", "address", DropCount{Attributed: "none"}},
	} {
		a := New(Limits{})
		c.d.Dst, c.d.Count, c.d.Proto = apiAddr, 1, journey.ProtoUDP
		a.AddDrops(c.d)
		got := a.Snapshot(byAddress{shop()}, Meta{}).Drops[0]
		if got.Container == nil || *got.Container != c.owner || got.AttributedBy != c.by || got.Hop != "unknown" {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

// A packet that dies at a bridge's port died in the bridge; at another device,
// on its way up the stack.
func TestDropInABridge(t *testing.T) {
	for flags, want := range map[journey.StopFlags]string{0: "stack_rx", journey.StopPort: "bridge"} {
		a := New(Limits{})
		a.AddDrops(DropCount{
			Place: journey.Place{Netns: hostNS, Ifindex: 3}, Point: journey.PointReceive, Stop: flags,
			Dst: apiAddr, Count: 1, Proto: journey.ProtoUDP, Attributed: "journey",
		})
		if got := a.Snapshot(byAddress{shop()}, Meta{}).Drops[0]; got.Hop != want {
			t.Errorf("flags %v: %+v, want %s", flags, got, want)
		}
	}
}

func TestClassify(t *testing.T) {
	for _, c := range []struct {
		reason, location string
		want             Class
	}{
		{"NOT_SPECIFIED", "tcp_v4_rcv+0x1c", ClassNoise},
		{"SKB_DROP_REASON_NOT_SPECIFIED", "tcp_v6_rcv", ClassNoise},
		{"NOT_SPECIFIED", "tcp_v4_rcv_other", ClassLoss},
		{"NOT_SPECIFIED", "udp_destruct_common+1", ClassUnread},
		{"QUEUE_PURGE", "sk_stream_kill_queues+0x7f", ClassUnread},
		{"QUEUE_PURGE", "tcp_disconnect+0x1d4", ClassUnread},
		{"QUEUE_PURGE", "qdisc_reset_queue", ClassLoss},
		{"NO_SOCKET", "tcp_v4_rcv", ClassLoss},
		{"TCP_OLD_DATA", "tcp_data_queue", ClassDuplicate},
		{"TCP_CLOSE", "tcp_rcv_state_process", ClassUnread},
		{"17", "0xffffffff81000000", ClassLoss},
		// Names of functions are hidden: what is no loss at one of them may be one.
		{"NOT_SPECIFIED", "0xffffffff81000000", ClassUnclear},
		{"QUEUE_PURGE", "", ClassUnclear},
		{"TCP_CLOSE", "", ClassUnread},
		{"NO_SOCKET", "", ClassLoss},
		{"NO_TX_TARGET", "", ClassLoss},
	} {
		if got := Classify(Dropped{Reason: c.reason, Location: c.location, Proto: journey.ProtoTCP}); got != c.want {
			t.Errorf("%s at %s: %v, want %v", c.reason, c.location, got, c.want)
		}
	}
}

func TestDropsBeyondTheLimit(t *testing.T) {
	a := New(Limits{Drops: 2})
	for i := range 5 {
		a.AddDrops(DropCount{Reason: 8, Location: uint64(i), Count: 1})
	}
	s := a.Snapshot(shop(), Meta{})
	if len(s.Drops) != 3 || s.Drops[0].Count != 3 || s.Drops[0].From.Name != otherName || s.Accounting.Notes["other_drops"] != 3 {
		t.Errorf("%+v, notes %v", s.Drops, s.Accounting.Notes)
	}
}
