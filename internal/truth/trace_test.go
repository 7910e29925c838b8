package truth

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/journey"
	"github.com/hopscope/hopscope/pkg/model"
	"github.com/hopscope/hopscope/pkg/pipeline"
	"github.com/hopscope/hopscope/pkg/probe"
)

// quiet is long enough for packets of finished traffic to have ended, and for
// delayed ACKs (at most 200 ms, TCP_DELACK_MAX) to have been sent.
const quiet = 300 * time.Millisecond

// trace is a tracing session under way that keeps every journey.
type trace struct {
	t       *testing.T
	session *pipeline.Session
	cancel  context.CancelFunc
	done    chan error

	mu       sync.Mutex
	journeys []journey.Journey
}

// result is what a session told when it was over.
type result struct {
	journeys []journey.Journey
	counts   probe.Counts
	snapshot model.Snapshot
	view     *inventory.View
}

// begin opens a session; every packet is tracked unless o says otherwise.
// Packets count from its return.
func begin(t *testing.T, o pipeline.Options) *trace {
	t.Helper()
	tr := &trace{t: t, done: make(chan error, 1)}
	if o.Sample == 0 {
		o.Sample = 1
	}
	ctx, cancel := context.WithCancel(context.Background())
	session, err := pipeline.Open(ctx, o)
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	tr.session, tr.cancel = session, cancel
	session.AddSink(tr)
	t.Cleanup(func() {
		cancel()
		if err := session.Close(); err != nil {
			t.Errorf("close the session: %v", err)
		}
	})
	go func() { tr.done <- session.Run(ctx) }()
	return tr
}

// Journey keeps a copy: what a sink is given is valid during the call only.
func (tr *trace) Journey(j *journey.Journey, _ []journey.Hop) error {
	kept := *j
	kept.Stops = append([]journey.Stop(nil), j.Stops...)
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.journeys = append(tr.journeys, kept)
	return nil
}

// soFar is what was recorded up to now.
func (tr *trace) soFar() []journey.Journey {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return tr.journeys[:len(tr.journeys):len(tr.journeys)]
}

func (tr *trace) counts() probe.Counts {
	tr.t.Helper()
	c, err := tr.session.Counts()
	if err != nil {
		tr.t.Fatal(err)
	}
	return c
}

// end waits until the traffic's last packets are through, and ends the session.
func (tr *trace) end() result {
	tr.t.Helper()
	time.Sleep(quiet)
	tr.cancel()
	if err := <-tr.done; err != nil {
		tr.t.Fatalf("run the session: %v", err)
	}
	snapshot, err := tr.session.Snapshot("duration")
	if err != nil {
		tr.t.Fatal(err)
	}
	r := result{journeys: tr.soFar(), counts: tr.counts(), snapshot: snapshot, view: tr.session.Inventory().View()}
	if err := tr.session.Close(); err != nil {
		tr.t.Fatal(err)
	}
	return r
}

// wantExact checks that every tracked journey is accounted for, and that every
// record arrived.
func (r result) wantExact(t *testing.T) {
	t.Helper()
	c := r.counts
	if c.Tracked != c.Completed()+c.InFlight+c.LostTotal() {
		t.Errorf("tracked %d != completed %d + in flight %d + lost %d", c.Tracked, c.Completed(), c.InFlight, c.LostTotal())
	}
	if c.Completed() != c.Emitted+c.Suppressed+c.Filtered {
		t.Errorf("completed %d != emitted %d + suppressed %d + filtered %d", c.Completed(), c.Emitted, c.Suppressed, c.Filtered)
	}
	if uint64(len(r.journeys)) != c.Emitted {
		t.Errorf("%d records decoded, %d emitted", len(r.journeys), c.Emitted)
	}
}

// wantNoLoss checks the summary of a run without a fault.
func (r result) wantNoLoss(t *testing.T) {
	t.Helper()
	for cause, n := range r.snapshot.Accounting.Lost {
		if n != 0 {
			t.Errorf("lost %d: %s", n, cause)
		}
	}
	for _, d := range r.snapshot.Drops {
		t.Errorf("drop: %+v", d)
	}
}

// count tells how many journeys fit.
func count(journeys []journey.Journey, fits func(*journey.Journey) bool) uint64 {
	var n uint64
	for i := range journeys {
		if fits(&journeys[i]) {
			n++
		}
	}
	return n
}

// bornAt fits journeys that began at a device, in a namespace; the parts of a
// packet that was split do not count.
func bornAt(netns uint32, ifindex int) func(*journey.Journey) bool {
	return func(j *journey.Journey) bool {
		return j.Flags&journey.FlagInherited == 0 && j.Stops[0].Netns == netns && j.Stops[0].Ifindex == uint32(ifindex)
	}
}
