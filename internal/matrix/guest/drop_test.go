//go:build matrix

package guest

import (
	"maps"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/journey"
	"github.com/hopscope/hopscope/pkg/model"
)

// A rule of the host drops datagrams: each is a journey that ends in forward,
// with its reason where the kernel has one.
func (s scene) dropped(t *testing.T) {
	lab.BridgeNF(t, false)
	s.rules(t, `
table ip filter {
	chain h_fwd { type filter hook forward priority 0; udp dport 8000 drop
	}
}
`)
	s.wantFiltered(t, "forward @ host")
}

// A full table of conntrack (nf_conntrack_max) drops what begins a flow before
// anything else sees it; the kernel counts these by CPU.
func (s scene) conntrackFull(t *testing.T) {
	lab.BridgeNF(t, false)
	s.rules(t, `
table ip filter {
	chain h_pre { type filter hook prerouting priority 0; ct state invalid drop
	}
}
`)
	if n := tracked(t); n != 0 {
		t.Fatalf("conntrack's table holds %d flows, which it would evict for new ones (early_drop)", n)
	}
	const most = "net/netfilter/nf_conntrack_max"
	before, err := os.ReadFile("/proc/sys/" + most)
	must(t, err, "read %s", most)
	s.a.run(t, "rr", "--count", "5", at(addrOut)) // stays in TIME_WAIT, and is not evicted for others
	setSysctl(t, s.host, most, "1")
	t.Cleanup(func() { setSysctl(t, s.host, most, strings.TrimSpace(string(before))) })
	counted := conntrackDrops(t)
	_, _ = s.probe.Drops()
	n := s.wantFiltered(t, "prerouting @ host")
	if counted = conntrackDrops(t) - counted; counted != n {
		t.Errorf("%d journeys dropped, conntrack counts %d", n, counted)
	}
	s.wantStage(t, model.StageConntrack, counted)
}

// wantStage has the model tell of what netfilter dropped since the probe was asked
// last: all of it in one stage.
func (s scene) wantStage(t *testing.T, stage model.Stage, want uint64) {
	t.Helper()
	var told uint64
	for _, d := range s.losses(t, model.CounterCount{CounterKey: model.CounterKey{Kind: model.CountConntrackMax}, N: 1},
		model.CounterCount{CounterKey: model.CounterKey{Kind: model.CountConntrackDrop}, N: want}) {
		if d.Reason != "NETFILTER_DROP" {
			continue
		}
		told += d.Count
		if d.Stage == nil || model.Stage(*d.Stage) != stage {
			t.Errorf("dropped in stage %v, want %s: %+v", d.Stage, stage, d)
		}
	}
	if told != want {
		t.Errorf("%d drops told, want %d", told, want)
	}
}

// losses are those that the model tells of, of what was dropped since the probe was
// asked last.
func (s scene) losses(t *testing.T, counters ...model.CounterCount) []model.Drop {
	t.Helper()
	drops, err := s.probe.Drops()
	must(t, err, "drops")
	agg := model.New(model.Limits{})
	for _, d := range drops {
		agg.AddDrops(model.DropCount{
			Reason: d.Reason, Location: d.Location, Stack: d.Stack, Place: journey.Place{Netns: d.Netns, Ifindex: d.Ifindex},
			Point: journey.Point(d.Point), Src: d.Src, Dst: d.Dst, Port: d.Port, Proto: d.Proto, TCPFlags: d.TCPFlags,
			Track: model.Track(d.Track), Attributed: d.Attributed, Count: d.Count,
		})
	}
	agg.AddCounters(counters)
	snapshot := agg.Snapshot(nobody{}, model.Meta{Symbols: s.probe})
	t.Logf("%d groups freed as dropped; notes %v", len(drops), snapshot.Accounting.Notes)
	return snapshot.Drops
}

// What a kernel frees as dropped without a fault is no loss, whatever it tells of why.
func (s scene) healthy(t *testing.T) {
	s.settle(t, delayedACK)
	s.losses(t)
	for _, to := range []string{addrB, addrB6} {
		for _, c := range classes {
			s.a.run(t, append(c.args, at(to))...)
		}
		s.a.run(t, "ping", "--count", "5", to)
	}
	s.settle(t, delayedACK)
	for _, d := range s.losses(t) {
		t.Errorf("lost: %+v", d)
	}
}

// Requests to ports that nobody serves are lost, as many as there were. Without
// reasons those of TCP are not told from what TIME_WAIT sockets answer.
func (s scene) refused(t *testing.T) {
	s.settle(t, delayedACK)
	s.losses(t)
	const count = 5
	for range count {
		s.a.try(t, "short", "--count", "1", "--wait", "0s", net.JoinHostPort(addrB, "9"))
	}
	sent := s.a.try(t, "udp", "--echo=false", "--count", itoa(count), net.JoinHostPort(addrB, "9")).OK
	s.settle(t, delayedACK)
	lost := map[string]uint64{}
	for _, d := range s.losses(t) {
		t.Logf("lost: %+v", d)
		lost[d.Proto] += d.Count
	}
	want := map[string]uint64{"tcp": count, "udp": sent}
	if !s.dropReasons {
		delete(want, "tcp")
	}
	if sent == 0 || !maps.Equal(lost, want) {
		t.Errorf("lost %v, want %v", lost, want)
	}
}

// nobody is no inventory: the guest has no containers.
type nobody struct{}

func (nobody) Endpoint(r inventory.RawEndpoint) inventory.Endpoint {
	return inventory.Endpoint{Kind: inventory.KindExternal, Name: r.Addr.String()}
}
func (nobody) Where(uint32, uint32) (where, device string)           { return "", "" }
func (nobody) Network(uint32, uint32) (n inventory.Network, ok bool) { return n, false }

// tracked is how many flows are in conntrack's table.
func tracked(t *testing.T) int {
	t.Helper()
	said, err := os.ReadFile("/proc/sys/net/netfilter/nf_conntrack_count")
	must(t, err, "ask for conntrack's flows")
	n, err := strconv.Atoi(strings.TrimSpace(string(said)))
	must(t, err, "parse conntrack's flows")
	return n
}

// conntrackDrops reads the column "drop" of /proc/net/stat/nf_conntrack, a row
// a CPU in base 16.
func conntrackDrops(t *testing.T) (drops uint64) {
	t.Helper()
	table, err := os.ReadFile("/proc/net/stat/nf_conntrack")
	must(t, err, "read conntrack's counters")
	head, rows, _ := strings.Cut(string(table), "\n")
	column := slices.Index(strings.Fields(head), "drop")
	for row := range strings.Lines(rows) {
		n, err := strconv.ParseUint(strings.Fields(row)[column], 16, 64)
		must(t, err, "parse conntrack's counters")
		drops += n
	}
	return drops
}

// wantFiltered sends datagrams to the outside and wants each dropped by
// netfilter in a hop.
func (s scene) wantFiltered(t *testing.T, place string) uint64 {
	t.Helper()
	const count = 50
	win := s.during(t, atOnce, func() { s.a.run(t, "udp", "--echo=false", "--count", itoa(count), at(addrOut)) })
	dropped := win.pick(bornAt(s.a.place(t, "eth0")), ended(journey.EndingDropped))
	if len(dropped) != count {
		t.Errorf("%d journeys dropped of %d: %v", len(dropped), count, win.endings)
	}
	reasons, locations, hops := map[string]int{}, map[string]int{}, map[string]int{}
	for i := range dropped {
		j := &dropped[i]
		reasons[s.probe.Reason(j.DropReason)]++
		locations[s.probe.Symbol(j.DropLocation)]++
		hop := j.DiedIn()
		hops[hop.Kind.String()+" @ "+s.names[hop.Place]]++
	}
	t.Logf("reasons %v, locations %v, hops %v", reasons, locations, hops)
	if hops[place] != count {
		t.Errorf("dropped in %v, want %s", hops, place)
	}
	if s.dropReasons && reasons["NETFILTER_DROP"] != count {
		t.Errorf("reasons %v, want NETFILTER_DROP", reasons)
	}
	for name := range locations {
		if !strings.HasPrefix(name, "nf_") && !strings.HasPrefix(name, "nft_") {
			t.Errorf("dropped at %q, want a function of netfilter", name)
		}
	}
	return uint64(len(dropped))
}
