package capture

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/model"
)

// TestRing: a ring that is saved holds the last minutes, and its numbers are
// those of that time.
func TestRing(t *testing.T) {
	const keep = 10 * time.Second
	head := testHead()
	head.MonotonicZero = head.StartedAt.Add(-86_400 * time.Second) // when the traffic begins
	ring, err := NewRing(Options{Head: head, Symbols: kernelNames{}, FlushEvery: 1 << 40}, keep, 64<<20)
	ok(t, err)
	defer func() { ok(t, ring.Abandon()) }()
	ok(t, ring.Inventory(1, testFacts()))
	made := newTraffic(1)
	var starts []uint64
	status := func(second int) Status {
		n := uint64(len(starts))
		return Status{At: made.now, DurationNs: int64(second) * 1e9, Accounting: model.Accounting{
			Tracked: n + 3, Completed: n, InFlight: 3, Emitted: n, SampleRate: 1,
			Endings: map[string]uint64{"delivered": n}, Lost: map[string]uint64{"evicted": 0}}}
	}
	for second := range 60 {
		for range 50 {
			made.now = 86_400e9 + uint64(second)*1e9 + uint64(len(starts)%50)*20e6
			j := made.next()
			if second == 0 {
				j = dropped(j) // its names outlive it
			}
			starts = append(starts, j.Start)
			ok(t, ring.Journey(j, nil))
		}
		ok(t, ring.Status(status(second+1)))
	}
	path := filepath.Join(t.TempDir(), "x.hop")
	ok(t, ring.Save(path, End{Ended: "limit", Status: status(60)}, false))

	c, damage, got := read(t, path)
	n := len(c.journeys)
	if damage.Any() || n < 500 || n > 600 || len(c.inventories) != 1 || c.ends[0].Journeys != uint64(n) {
		t.Fatalf("%d journeys, %v, %d inventories", n, damage, len(c.inventories))
	}
	for i, j := range c.journeys {
		if j.Start != starts[len(starts)-n+i] {
			t.Fatalf("journey %d is another", i)
		}
	}
	end := c.ends[0].Status
	if a := end.Accounting; a.Completed != uint64(n) || a.Tracked != a.Completed+a.InFlight || a.Endings["delivered"] != a.Completed {
		t.Errorf("accounting %+v of %d journeys", a, n)
	}
	first := head.MonotonicZero.Add(time.Duration(c.journeys[0].Start))
	if !got.StartedAt.Equal(first) || got.KeepNs != int64(keep) {
		t.Errorf("started at %v, want %v; keeps %d", got.StartedAt, first, got.KeepNs)
	}
	if d := got.StartedAt.Add(time.Duration(end.DurationNs)).Sub(head.StartedAt); d != 60*time.Second {
		t.Errorf("it ended %v after the trace began", d)
	}
	r, err := Open(path)
	ok(t, err)
	defer r.Close()
	_, err = collect(r)
	ok(t, err)
	if r.Symbols().Reason(8) == "" {
		t.Error("a name was forgotten")
	}
}

func TestRingIsBounded(t *testing.T) {
	const limit = 300 << 10
	ring, err := NewRing(Options{FlushEvery: 1 << 40}, time.Hour, limit)
	ok(t, err)
	defer func() { ok(t, ring.Abandon()) }()
	made := newTraffic(1)
	for range 5 * flushJourneys {
		ok(t, ring.Journey(made.next(), nil))
	}
	if ring.kept.size > limit || len(ring.kept.timed) == 0 || !ring.kept.forgot {
		t.Errorf("%d bytes in %d blocks, at most %d are allowed", ring.kept.size, len(ring.kept.timed), limit)
	}
	path := filepath.Join(t.TempDir(), "x.hop")
	for range 2 { // saving does not end it
		ok(t, ring.Save(path, End{Ended: "limit"}, true))
		ok(t, ring.Journey(made.next(), nil))
	}
	if c, damage, _ := read(t, path); damage.Any() || len(c.journeys) != flushJourneys+1 {
		t.Errorf("%d journeys, %v", len(c.journeys), damage)
	}
}

func TestRingWithoutLoss(t *testing.T) {
	head := testHead()
	ring, err := NewRing(Options{Head: head}, time.Hour, 64<<20)
	ok(t, err)
	defer func() { ok(t, ring.Abandon()) }()
	ok(t, ring.Journey(newTraffic(1).next(), nil))
	path := filepath.Join(t.TempDir(), "x.hop")
	ok(t, ring.Save(path, End{Ended: "limit", Status: testStatus(1)}, false))
	c, _, got := read(t, path)
	if !got.StartedAt.Equal(head.StartedAt) || c.ends[0].Status.Accounting.Tracked != 1000 {
		t.Errorf("head %+v, end %+v: want the trace's own", got, c.ends[0])
	}
}

// Where containers come and go all the time, what is kept beside the packets is
// bounded, too, and who still answers is in it.
func TestRingIsBoundedUnderChurn(t *testing.T) {
	const limit, churn = 10 << 20, 20_000
	ring, err := NewRing(Options{FlushEvery: 1 << 40}, time.Hour, limit)
	ok(t, err)
	defer func() { ok(t, ring.Abandon()) }()
	made := newTraffic(1)
	server := func(i int) Server {
		return Server{Proto: 6, Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 8080)}
	}
	lasting := Server{Proto: 6, Addr: netip.MustParseAddrPort("172.18.0.2:80")}
	for i := range churn {
		ok(t, ring.Servers([]Server{lasting, server(i)}))
		ok(t, ring.Inventory(uint64(i+1), inventory.Facts{Containers: []inventory.Container{{ID: fmt.Sprint(i), Name: "job"}}}))
		ok(t, ring.Journey(made.next(), nil))
	}
	kept := 0
	for _, b := range ring.kept.all() {
		kept += len(b.payload)
	}
	t.Logf("%d bytes in %d blocks, %d of them servers", kept, len(ring.kept.all()), len(ring.kept.servers))
	if kept > limit+limit/serversPart+64<<10 || len(ring.kept.servers) > 2*maxServers {
		t.Errorf("%d bytes are kept, %d blocks of servers", kept, len(ring.kept.servers))
	}
	path := filepath.Join(t.TempDir(), "x.hop")
	ok(t, ring.Save(path, End{Ended: "limit"}, false))
	c, damage, _ := read(t, path)
	known := map[Server]bool{}
	for _, s := range c.servers {
		known[s] = true
	}
	if damage.Any() || !known[lasting] || !known[server(churn-1)] || known[server(0)] {
		t.Errorf("%v; %d servers, the lasting one %v, the last one %v", damage, len(known), known[lasting], known[server(churn-1)])
	}
	if len(c.inventories) != 1 || c.inventories[0].Facts.Containers[0].ID != fmt.Sprint(churn-1) {
		t.Errorf("%d inventories", len(c.inventories))
	}
}
