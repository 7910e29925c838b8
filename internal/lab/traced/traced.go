// Package traced holds a tracing session, in the test's own process, whose
// journeys are all kept for the test to judge.
package traced

import (
	"context"
	"sync"
	"time"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/journey"
	"github.com/hopscope/hopscope/pkg/model"
	"github.com/hopscope/hopscope/pkg/pipeline"
	"github.com/hopscope/hopscope/pkg/probe"
)

// Quiet is long enough for packets of finished traffic to have ended, and for
// delayed ACKs (at most 200 ms, TCP_DELACK_MAX) to have been sent.
const Quiet = 300 * time.Millisecond

// Session is a tracing session under way that keeps every journey.
type Session struct {
	*pipeline.Session

	t       lab.TB
	cancel  context.CancelFunc
	done    chan error
	settled bool

	mu       sync.Mutex
	journeys []journey.Journey
}

// Result is what a session told when it was over.
type Result struct {
	Journeys []journey.Journey
	Counts   probe.Counts
	Snapshot model.Snapshot
	View     *inventory.View
}

// Begin opens a session; every packet is tracked unless o says otherwise.
// Packets count from its return.
func Begin(t lab.TB, o pipeline.Options) *Session {
	t.Helper()
	s := &Session{t: t, done: make(chan error, 1)}
	if o.Sample == 0 {
		o.Sample = 1
	}
	ctx, cancel := context.WithCancel(context.Background())
	session, err := pipeline.Open(ctx, o)
	if err != nil {
		cancel()
		t.Fatalf("open a session: %v", err)
	}
	s.Session, s.cancel = session, cancel
	session.AddSink(s)
	t.Cleanup(func() {
		cancel()
		if err := session.Close(); err != nil {
			t.Errorf("close the session: %v", err)
		}
	})
	go func() { s.done <- session.Run(ctx) }()
	return s
}

// Journey keeps a copy: what a sink is given is valid during the call only.
func (s *Session) Journey(j *journey.Journey, _ []journey.Hop) error {
	kept := *j
	kept.Stops = append([]journey.Stop(nil), j.Stops...)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.journeys = append(s.journeys, kept)
	return nil
}

// SoFar is what was recorded up to now.
func (s *Session) SoFar() []journey.Journey {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.journeys[:len(s.journeys):len(s.journeys)]
}

// View is what the session knows of the host at present.
func (s *Session) View() *inventory.View { return s.Inventory().View() }

// MustCount is Counts; a failure ends the test.
func (s *Session) MustCount() probe.Counts {
	s.t.Helper()
	c, err := s.Counts()
	if err != nil {
		s.t.Fatalf("count: %v", err)
	}
	return c
}

// Settle waits until the traffic's last packets are through.
func (s *Session) Settle() {
	time.Sleep(Quiet)
	s.settled = true
}

// End settles, unless that is done, and ends the session.
func (s *Session) End() Result {
	s.t.Helper()
	if !s.settled {
		s.Settle()
	}
	s.cancel()
	if err := <-s.done; err != nil {
		s.t.Fatalf("run the session: %v", err)
	}
	snapshot, err := s.Snapshot("duration")
	if err != nil {
		s.t.Fatalf("take a snapshot: %v", err)
	}
	r := Result{Journeys: s.SoFar(), Counts: s.MustCount(), Snapshot: snapshot, View: s.View()}
	if err := s.Close(); err != nil {
		s.t.Fatalf("close the session: %v", err)
	}
	return r
}
