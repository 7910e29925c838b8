package heatmap

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/hopscope/hopscope/pkg/history"
	"github.com/hopscope/hopscope/pkg/model"
)

var begin = time.Date(2026, 3, 1, 14, 0, 0, 0, time.UTC)

func column(at int, length time.Duration, counts map[int]uint64) history.HeatColumn {
	from := begin.Add(time.Duration(at) * time.Second)
	return history.HeatColumn{From: from, To: from.Add(length), Counts: counts}
}

// TestNoPacketIsLost lays out random maps: those in sight must have all packets
// of their columns, each in the line of its latency.
func TestNoPacketIsLost(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 500 {
		var columns []history.HeatColumn
		for i := range 1 + r.IntN(40) {
			counts := map[int]uint64{}
			for range r.IntN(10) {
				counts[r.IntN(150)] += 1 + r.Uint64N(100)
			}
			columns = append(columns, column(i, time.Second, counts))
		}
		g := Layout(columns, 1+r.IntN(60), 1+r.IntN(40))
		for x, c := range g.Columns {
			var want, got uint64
			for row, n := range c.Counts {
				want += n
				line := (row - g.Low) / g.Rows
				if from, to := g.Bounds(line); model.HeatEdge(row) < from || model.HeatEdge(row) >= to {
					t.Fatalf("row %d is not in its line", row)
				}
			}
			for line := range g.Lines {
				got += g.Count(x, line)
			}
			if got != want {
				t.Fatalf("%d of %d packets of column %d", got, want, x)
			}
		}
	}
}

func TestDegrees(t *testing.T) {
	g := Layout([]history.HeatColumn{
		column(0, 10*time.Second, map[int]uint64{4: 1000}), // 100 a second
		column(10, time.Second, map[int]uint64{4: 100}),
		column(11, time.Second, map[int]uint64{4: 1}),
		column(12, time.Second, nil),
	}, 10, 10)
	for x, want := range []int{4, 4, 1, 0} {
		if got := g.Degree(x, 0); got != want {
			t.Errorf("column %d has degree %d, want %d", x, got, want)
		}
	}
	if empty := Layout(nil, 10, 10); empty.Lines != 0 {
		t.Errorf("nothing has %d lines", empty.Lines)
	}
}
