package pipeline

import (
	"testing"
	"time"

	"github.com/hopscope/hopscope/pkg/model"
	"github.com/hopscope/hopscope/pkg/probe"
)

// TestPresentCost has ten busy seconds and then a minute in which a hundredth is
// done: the present is what the last ten seconds took.
func TestPresentCost(t *testing.T) {
	begin := time.Date(2026, 3, 1, 14, 0, 0, 0, time.UTC)
	var o ownCost
	average := 7.0
	if c := o.present(model.Cost{UserCPUPercent: &average}, begin, 0); *c.UserCPUPercent != average || c.BPFCPUPercent != nil {
		t.Errorf("before anything is known: %+v", c)
	}
	at, user := begin, time.Duration(0)
	for range 35 {
		percent := time.Duration(1)
		if at.Before(begin.Add(10 * time.Second)) {
			percent = 100
		}
		o.mark(at, user)
		at = at.Add(sliceEvery)
		user += percent * sliceEvery / 100
		o.add(probe.Cost{Window: sliceLength, Runtime: percent * sliceLength / 200})
		if want := float64(percent); at.Sub(begin) == 10*time.Second || at.Sub(begin) == 70*time.Second {
			c := o.present(model.Cost{UserCPUPercent: &average}, at, user)
			if *c.UserCPUPercent != want || *c.BPFCPUPercent != want/2 {
				t.Errorf("after %v: own %v, bpf %v, want %v and half of it", at.Sub(begin), *c.UserCPUPercent, *c.BPFCPUPercent, want)
			}
		}
	}
}
