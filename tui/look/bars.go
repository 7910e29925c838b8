package look

import (
	"math"
	"strings"
)

// Mark says where a bar lies on a scale, all in the scale's unit.
type Mark struct{ From, To, Whisker float64 }

// Segments are the columns of a bar: blank, filled, whisker. Edges are rounded
// from the scale's begin, so that bars which join on the scale join on screen.
// What is on the scale but less than a column wide is one column.
func (m Mark) Segments(scale float64, width int) (blank, filled, whisker int, clipped bool) {
	if width <= 0 || scale <= 0 || math.IsNaN(scale) {
		return max(width, 0), 0, 0, false
	}
	col := func(v float64) int {
		return int(min(max(math.Round(v/scale*float64(width)), 0), float64(width)))
	}
	from, to := col(m.From), col(m.To)
	if m.To <= m.From {
		return width, 0, 0, false
	}
	if to == from {
		from = min(from, width-1)
		to = from + 1
	}
	end := max(to, col(m.Whisker))
	return from, to - from, end - to, m.Whisker > scale*1.0001 || m.To > scale*1.0001
}

// Bar gives the cells of a bar with its whisker. A bar thinner than a column is
// a thin mark; one that leaves the scale ends in an arrow.
func Bar(m Mark, scale float64, width int) []Cell {
	blank, filled, whisker, clipped := m.Segments(scale, width)
	body := strings.Repeat("█", filled)
	if filled == 1 && (m.To-m.From)/scale*float64(width) < 0.5 {
		body = "▏"
	}
	tail := strings.Repeat("─", whisker)
	if whisker > 0 {
		tip := "┤"
		if clipped {
			tip = "›"
		}
		tail = strings.Repeat("─", whisker-1) + tip
	}
	rest := width - blank - filled - whisker
	return []Cell{
		{Text: strings.Repeat(" ", blank)},
		{Text: body, Role: Fill},
		{Text: tail, Role: Whisker},
		{Text: strings.Repeat(" ", max(0, rest))},
	}
}

var sparks = []rune("▁▂▃▄▅▆▇█")

// Spark draws the last width values on a logarithmic scale from the smallest to
// the largest of them. Negative values are gaps.
func Spark(values []int64, width int) string {
	if len(values) > width {
		values = values[len(values)-width:]
	}
	lo, hi := int64(math.MaxInt64), int64(0)
	for _, v := range values {
		if v >= 0 {
			lo, hi = min(lo, v), max(hi, v)
		}
	}
	var b strings.Builder
	b.WriteString(strings.Repeat(" ", width-len(values)))
	for _, v := range values {
		if v < 0 {
			b.WriteByte(' ')
			continue
		}
		b.WriteRune(sparks[sparkLevel(v, lo, hi)])
	}
	return b.String()
}

// sparkLevel spans at least a factor of four, so that noise does not look like
// an alarm.
func sparkLevel(v, lo, hi int64) int {
	from, to := math.Log(float64(max(lo, 1))), math.Log(float64(max(hi, 1)))
	if span := math.Log(4); to-from < span {
		to = from + span
	}
	level := (math.Log(float64(max(v, 1))) - from) / (to - from) * float64(len(sparks)-1)
	return int(math.Round(min(max(level, 0), float64(len(sparks)-1))))
}
