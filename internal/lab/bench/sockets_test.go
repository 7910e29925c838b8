package main

import (
	"testing"
	"time"
)

// What a program takes without following sockets, or an empty one where there is
// none, is taken off; and each round's value is the mean of both orders.
func TestSocketCost(t *testing.T) {
	at := func(count uint64, ns time.Duration) runs { return runs{count, time.Duration(count) * ns} }
	slice := func(queue, read time.Duration) socketSlice {
		return socketSlice{
			messages: 100,
			with:     map[string]runs{"net_dev_queue": at(200, queue), "tcp_probe": at(100, 90), readPoint: at(100, read)},
			without:  map[string]runs{"net_dev_queue": at(200, 100), "tcp_probe": at(100, 80)},
			empty:    at(100, 70),
		}
	}
	every := []socketSlice{slice(110, 100), slice(130, 120)}
	s := newSockets(map[uint32][]socketSlice{1: every, sparse: every}, entry{spreadOf([]float64{25}), spreadOf([]float64{25000})})
	for i, want := range []float64{40, 10, 40} {
		if got := s.Points[i].Every; got.Median != want || len(got.All) != 1 {
			t.Errorf("%s: %+v, want %v ns a message", s.Points[i].Name, got, want)
		}
	}
	// (40 + 10 + 40 + 25) twice, of 25 µs.
	if s.Every.Ns.Median != 230 || s.Every.Percent < 0.919 || s.Every.Percent > 0.921 {
		t.Errorf("%+v", s.Every)
	}
}
