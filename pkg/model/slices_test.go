package model

import (
	"testing"
	"time"

	"github.com/hopscope/hopscope/pkg/journey"
)

// TestSlices adds a journey a millisecond for captures of many lengths: every
// one is in the slice of its time, none is lost, and slices are of equal time.
func TestSlices(t *testing.T) {
	for _, length := range []int{1, 49, 50, 51, 600, 1199, 1200, 1201, 5000, 40_000} {
		s := New(Limits{}).Slices()
		for i := range length {
			hops := []journey.Hop{at(journey.HopQdisc, hostNS, vethWeb, time.Duration(i+1)*time.Microsecond)}
			j := packet(hops)
			j.Start = uint64(7*time.Second + time.Duration(i)*time.Millisecond)
			s.Add(j, hops)
		}
		snaps := s.Snapshots(shop(), Meta{})
		if len(snaps) > maxSlices+1 || (length >= 600 && len(snaps) < maxSlices/2) {
			t.Errorf("%d ms: %d slices", length, len(snaps))
		}
		each, seen := int(s.width/1e6), 0
		for i, snap := range snaps {
			p := onlyPath(t, snap)
			want := min(each, length-seen)
			if int(p.Journeys) != want || *p.Total.MinNs != int64(seen+1)*1000 {
				t.Errorf("%d ms: slice %d has %d journeys from %d ns on, want %d from %d",
					length, i, p.Journeys, *p.Total.MinNs, want, (seen+1)*1000)
			}
			if len(p.Total.Bins) == 0 {
				t.Errorf("slice %d has no bins", i)
			}
			seen += int(p.Journeys)
		}
		if seen != length {
			t.Errorf("%d ms: %d journeys in the slices", length, seen)
		}
	}
}

// TestSlicesPassSilence has an hour between two journeys.
func TestSlicesPassSilence(t *testing.T) {
	s := New(Limits{}).Slices()
	hops := bridged()
	j := packet(hops)
	s.Add(j, hops)
	j.Start += uint64(time.Hour)
	s.Add(j, hops)
	snaps := s.Snapshots(shop(), Meta{})
	if n := len(snaps); n > maxSlices+1 || len(snaps[0].Paths) != 1 || len(snaps[n-1].Paths) != 1 {
		t.Errorf("%d slices, paths in the first %d, in the last %d", n, len(snaps[0].Paths), len(snaps[n-1].Paths))
	}
}
