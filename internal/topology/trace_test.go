package topology

import (
	"context"
	"slices"
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

// begin opens a session that tracks every packet.
func begin(t *testing.T, o pipeline.Options) *trace {
	t.Helper()
	tr := &trace{t: t, done: make(chan error, 1)}
	o.Sample = 1
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

// view is what the session knows of the host at present.
func (tr *trace) view() *inventory.View { return tr.session.Inventory().View() }

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
	counts, err := tr.session.Counts()
	if err != nil {
		tr.t.Fatal(err)
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return result{journeys: tr.journeys, counts: counts, snapshot: snapshot, view: tr.view()}
}

// wantSound checks what holds for every run without a fault: every tracked
// packet is accounted for, nothing is lost, and nothing of the flows is called
// a drop.
func (r result) wantSound(t *testing.T, flows []flow) {
	t.Helper()
	c := r.counts
	if c.Tracked != c.Completed()+c.InFlight+c.LostTotal() {
		t.Errorf("tracked %d != completed %d + in flight %d + lost %d", c.Tracked, c.Completed(), c.InFlight, c.LostTotal())
	}
	if uint64(len(r.journeys)) != c.Emitted {
		t.Errorf("%d records decoded, %d emitted", len(r.journeys), c.Emitted)
	}
	for cause, n := range r.snapshot.Accounting.Lost {
		if n != 0 {
			t.Errorf("lost %d: %s", n, cause)
		}
	}
	for _, d := range r.snapshot.Drops {
		from, to := end{d.From.Kind, d.From.Name}, end{d.To.Kind, d.To.Name}
		if slices.ContainsFunc(flows, func(f flow) bool { return f.of(from, to) || f.of(to, from) }) {
			t.Errorf("drop: %+v", d)
		}
	}
}

// of says whether the flow is between these ends.
func (f flow) of(client, server end) bool { return f.client == client && f.server == server }
