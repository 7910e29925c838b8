package capture

import (
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/hopscope/hopscope/pkg/model"
)

// A part of a trace that is saved has its own findings: those that a report of the
// file finds, not those of the time before.
func TestRingHoldsItsFindings(t *testing.T) {
	const keep = 5 * time.Second
	head := testHead()
	head.MonotonicZero = head.StartedAt.Add(-86_400 * time.Second) // when the traffic begins
	ring, err := NewRing(Options{Head: head, Symbols: kernelNames{}, FlushEvery: 1 << 40}, keep, 64<<20)
	ok(t, err)
	defer func() { ok(t, ring.Abandon()) }()
	ok(t, ring.Inventory(1, testFacts()))
	made := newTraffic(1)
	for second := range 30 {
		for range 100 {
			made.now = 86_400e9 + uint64(second)*1e9
			ok(t, ring.Journey(made.next(), nil))
		}
		drops := dropsInForward(uint64(100 * (second + 1)))
		ok(t, ring.Drops(drops))
		ok(t, ring.Status(Status{At: made.now, DurationNs: int64(second+1) * 1e9}))
	}
	path := filepath.Join(t.TempDir(), "x.hop")
	ok(t, ring.Save(path, End{Ended: "limit", Status: Status{At: made.now, DurationNs: 30e9}}, false))
	stored, found := findingsIn(t, path)
	if len(found) == 0 || !reflect.DeepEqual(stored, found) {
		t.Errorf("stored %+v\nfound  %+v", stored, found)
	}
	ring.head.Redacted = true
	path = filepath.Join(t.TempDir(), "y.hop")
	ok(t, ring.Save(path, End{Ended: "limit"}, false))
	if stored, _ := findingsIn(t, path); len(stored) > 0 {
		t.Errorf("a redacted file tells %+v", stored)
	}
}

// findingsIn are those in a file, and those that its report finds.
func findingsIn(t *testing.T, path string) (stored, found []model.Finding) {
	t.Helper()
	r, err := Open(path)
	ok(t, err)
	defer r.Close()
	agg := model.New(model.Limits{})
	s, err := Replay(r, agg, Filter{})
	ok(t, err)
	return s.Findings, s.Snapshot(agg).Findings
}
