package truth

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/pkg/pipeline"
)

// In a table that is more than half full, slots are taken away while the
// kernel side begins new journeys, also at the addresses of packets that a
// queue held and that were purged. Not one journey may be lost by that.
func TestSlotsAreGivenBackUnderTraffic(t *testing.T) {
	const slots, rounds, requests = 768, 6, 20000
	p := sharedPair(t)
	out, back := lab.AFPacketCount(t, p.client.Netns, "eth0"), lab.AFPacketCount(t, p.web.Netns, "eth0")
	tr := begin(t, pipeline.Options{Slots: slots})
	table := slotTable(t)
	peak := mostHeld(t, table)
	for range rounds {
		queue := lab.TBF(t, p.web.Netns, "eth0", 8000, 1100, 1_000_000)
		p.web.Run("udp", "--echo=false", "--count", "180", "--size", "20", serverAt(p.client.IP(p.net)))
		queue.Remove() // purges the queue: the packets are dropped, their slots dead
		wantOK(t, p.client.Run("rr", "--count", "20000", "--connections", "8", p.at), requests)
	}
	time.Sleep(2 * time.Second)
	most, left := peak(), slotsHeld(t, table)
	r := tr.end()
	sent := out.Stop().Packets + back.Stop().Packets
	t.Logf("%d packets, %d tracked, at most %d slots, %d left", sent, r.Counts.Tracked, most, left)
	r.WantExact(t)
	if r.Counts.LostTotal() != 0 || r.Counts.InFlight != 0 {
		t.Errorf("lost %v, %d in flight at the end", r.Counts.Lost, r.Counts.InFlight)
	}
	if share(r.Counts.Tracked, sent) < 0.999 {
		t.Errorf("%d packets tracked of %d", r.Counts.Tracked, sent)
	}
	if most <= slots/2 || left > slots/2 {
		t.Errorf("at most %d slots of %d in use, %d at the end: nothing was given back", most, slots, left)
	}
}

// slotTable is the table of slots of this process.
func slotTable(t *testing.T) *ebpf.Map {
	t.Helper()
	for _, id := range lab.ObjectsOf(t, os.Getpid()).Maps {
		m, err := ebpf.NewMapFromID(id)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = m.Close() })
		if info, err := m.Info(); err == nil && info.Name == "hs_slots" {
			return m
		}
	}
	t.Fatal("this process holds no hs_slots")
	return nil
}

// slotsHeld counts the slots in the table.
func slotsHeld(t *testing.T, table *ebpf.Map) int {
	t.Helper()
	n, value := 0, make([]byte, table.ValueSize())
	var key uint64
	it := table.Iterate()
	for it.Next(&key, &value) {
		n++
	}
	if err := it.Err(); err != nil && !errors.Is(err, ebpf.ErrIterationAborted) { // which comes of removals
		t.Errorf("walk the slots: %v", err)
	}
	return n
}

// mostHeld looks at the table now and then, until it is asked for the most
// slots that it saw there.
func mostHeld(t *testing.T, table *ebpf.Map) func() int {
	t.Helper()
	stop, most := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		for {
			select {
			case <-stop:
				most <- n
				return
			case <-time.After(50 * time.Millisecond):
				n = max(n, slotsHeld(t, table))
			}
		}
	}()
	return func() int {
		close(stop)
		return <-most
	}
}
