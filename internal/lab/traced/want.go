package traced

import "github.com/hopscope/hopscope/internal/lab"

// WantExact checks that every tracked journey is accounted for, and that every
// record arrived.
func (r Result) WantExact(t lab.TB) {
	t.Helper()
	c := r.Counts
	if c.Tracked != c.Completed()+c.InFlight+c.LostTotal() {
		t.Errorf("tracked %d != completed %d + in flight %d + lost %d", c.Tracked, c.Completed(), c.InFlight, c.LostTotal())
	}
	if c.Completed() != c.Emitted+c.Suppressed+c.Filtered {
		t.Errorf("completed %d != emitted %d + suppressed %d + filtered %d", c.Completed(), c.Emitted, c.Suppressed, c.Filtered)
	}
	if uint64(len(r.Journeys)) != c.Emitted {
		t.Errorf("%d records decoded, %d emitted", len(r.Journeys), c.Emitted)
	}
}

// WantNothingLost checks that no journey of a run without a fault was lost.
func (r Result) WantNothingLost(t lab.TB) {
	t.Helper()
	for cause, n := range r.Snapshot.Accounting.Lost {
		if n != 0 {
			t.Errorf("lost %d: %s", n, cause)
		}
	}
}
