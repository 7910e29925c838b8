package truth

import (
	"testing"
	"time"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/pkg/pipeline"
)

// After two seconds of silence nothing is in flight, while the session still
// runs, and every journey has become a record or a loss with a cause.
func TestNothingStaysInFlight(t *testing.T) {
	p := sharedPair(t)
	tr := begin(t, pipeline.Options{})
	wantOK(t, p.client.Run("rr", "--count", "2000", "--connections", "4", p.at), 2000)
	wantOK(t, p.client.Run("short", "--count", "500", p.at6), 500)
	wantOK(t, p.client.Run("udp", "--count", "2000", p.at), 2000)
	p.client.Run("bulk", "--bytes", "100000000", p.at6)
	time.Sleep(2 * time.Second)
	c := tr.MustCount()
	if c.InFlight != 0 {
		t.Errorf("%d in flight after 2 s of silence", c.InFlight)
	}
	if c.Tracked != c.Completed()+c.LostTotal() {
		t.Errorf("tracked %d != completed %d + lost %d (%v)", c.Tracked, c.Completed(), c.LostTotal(), c.Lost)
	}
	if c.Tracked < 2*2000+8*500+2*2000 {
		t.Errorf("only %d tracked", c.Tracked)
	}
	tr.end().wantSound(t)
}

// What is in flight is counted by walking the slots: it equals the length of
// the queue in which the packets are held.
func TestInFlightIsWhatTheQueueHolds(t *testing.T) {
	p := sharedPair(t)
	const held = 64
	tr := begin(t, pipeline.Options{})
	// 8 kbit/s: after the first, no datagram of 1,000 bytes passes for a second.
	queue := lab.TBF(t, p.client.Netns, "eth0", 8000, 1100, 1_000_000)
	p.client.Run("udp", "--echo=false", "--count", "64", "--size", "1000", p.at)
	before, c, after := queue.Counts().QueueLength, tr.MustCount(), queue.Counts().QueueLength
	if after == 0 || before > held {
		t.Fatalf("the queue holds %d, then %d, of %d datagrams", before, after, held)
	}
	if c.InFlight > before || c.InFlight < after {
		t.Errorf("%d in flight, the queue held %d before and %d after", c.InFlight, before, after)
	}
	if c.Tracked != c.Completed()+c.InFlight+c.LostTotal() {
		t.Errorf("tracked %d != completed %d + in flight %d + lost %d", c.Tracked, c.Completed(), c.InFlight, c.LostTotal())
	}
	queue.Remove() // purges the queue: the packets are dropped
	r := tr.end()
	r.WantExact(t)
	var dropped uint64
	for _, d := range r.Snapshot.Drops {
		if d.Hop != "qdisc" || d.Where != "eth0 of "+p.client.Name {
			t.Errorf("drop: %+v", d)
		}
		dropped += d.Count
	}
	if dropped != after {
		t.Errorf("%d dropped by a purge of %d", dropped, after)
	}
	if r.Counts.InFlight != 0 {
		t.Errorf("%d in flight at the end", r.Counts.InFlight)
	}
}
