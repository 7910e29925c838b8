package heatmap

import (
	"math"

	"github.com/hopscope/hopscope/pkg/history"
	"github.com/hopscope/hopscope/pkg/model"
	"github.com/hopscope/hopscope/tui/look"
)

// Grid is a heat map in cells.
type Grid struct {
	Columns []history.HeatColumn // those in sight
	Lines   int
	Low     int // the lowest row of the columns that is in sight
	Rows    int // rows in a line
	Max     float64
}

// Layout chooses columns and lines. Lines span the latencies that occur, each
// the same number of rows.
func Layout(columns []history.HeatColumn, width, height int) Grid {
	g := Grid{Columns: columns[max(0, len(columns)-max(width, 0)):]}
	low, high := math.MaxInt, -1
	for _, c := range g.Columns {
		for row := range c.Counts {
			low, high = min(low, row), max(high, row)
		}
	}
	if high < 0 || height <= 0 {
		return g
	}
	rows := high - low + 1
	g.Low, g.Rows = low, (rows+height-1)/height
	g.Lines = (rows + g.Rows - 1) / g.Rows
	for x := range g.Columns {
		for line := range g.Lines {
			g.Max = max(g.Max, g.rate(x, line))
		}
	}
	return g
}

// Count is the packets of a cell; line 0 is the fastest.
func (g *Grid) Count(column, line int) (n uint64) {
	for row := g.Low + line*g.Rows; row < g.Low+(line+1)*g.Rows; row++ {
		n += g.Columns[column].Counts[row]
	}
	return n
}

// Fullest is the line in which most packets of a column are.
func (g *Grid) Fullest(column int) (line int) {
	var most uint64
	for i := range g.Lines {
		if n := g.Count(column, i); n > most {
			line, most = i, n
		}
	}
	return line
}

// rate is packets a second: columns stand for pieces of unequal length.
func (g *Grid) rate(column, line int) float64 {
	c := &g.Columns[column]
	return float64(g.Count(column, line)) / max(c.To.Sub(c.From).Seconds(), 1e-3)
}

// Bounds are the edges of a line in ns.
func (g *Grid) Bounds(line int) (from, to int64) {
	return model.HeatEdge(g.Low + line*g.Rows), model.HeatEdge(g.Low + (line+1)*g.Rows)
}

// Degree is how hot a cell is: 0 for no packet, else 1 to [look.HeatRoles], by
// the logarithm of the rate.
func (g *Grid) Degree(column, line int) int {
	r := g.rate(column, line)
	if r <= 0 {
		return 0
	}
	d := 1 + int(float64(look.HeatRoles)*math.Log1p(r)/math.Log1p(g.Max))
	return min(d, look.HeatRoles)
}
