package export

import (
	"fmt"
	"math"

	"github.com/hopscope/hopscope/pkg/diff"
	"github.com/hopscope/hopscope/pkg/model/human"
)

const (
	diffCells   = 8
	changeCells = 9
	pCells      = 9
)

type diffColumns struct{ label int }

func (p *page) diffColumns() diffColumns {
	return diffColumns{label: p.width - 2 - 2*diffCells - changeCells - pCells - diffCells - len(" *")}
}

func diffRow(p *page, c diffColumns, name string, before, after int64, tested *diff.Change) {
	row := "  " + p.left(name, c.label) + p.right(human.Duration(before), diffCells) + p.right(human.Duration(after), diffCells) +
		p.right(relative(before, after), changeCells)
	style := p.styles.plain
	if tested != nil {
		row += p.right(pValue(tested.P), pCells)
		if tested.Significant {
			row += " *"
		}
		if tested.Regressed {
			style = p.styles.bad
		}
	}
	p.line(style.Render(row))
}

// diffHops writes of each hop its p99 and what it added to the path's mean.
func diffHops(p *page, c diffColumns, x *diffWhole) {
	p.line(p.styles.dim.Render("  " + p.left(x.parts, c.label) + p.right("before", diffCells) + p.right("after", diffCells) +
		p.right("change", changeCells) + p.right("p", pCells) + p.right("Δ mean", diffCells)))
	worst := worstDelta(x.hops)
	for i := range x.hops {
		h := &x.hops[i]
		label := p.wrap(h.Hop+" @ "+h.Where, c.label)
		row := "  " + p.left(label[0], c.label) + p.right(durationOf(h.Before.P99Ns), diffCells) + p.right(durationOf(h.After.P99Ns), diffCells)
		test := changeOf(h.Changes, "p99")
		switch {
		case h.Before.Samples == 0:
			row += p.right("new", changeCells) + p.right("", pCells)
		case h.After.Samples == 0:
			row += p.right("gone", changeCells) + p.right("", pCells)
		default:
			row += p.right(relative(value(h.Before.P99Ns), value(h.After.P99Ns)), changeCells) + p.right(pValue(test.P), pCells)
		}
		row += p.right(signed(h.DeltaNs), diffCells)
		style := p.styles.plain
		if test.Significant {
			row += " *"
		}
		if i == worst && x.regressed {
			style = p.styles.bad
		}
		p.line(style.Render(row))
		for _, more := range label[1:] {
			p.line(style.Render("    " + more))
		}
	}
}

func changeOf(changes []diff.Change, quantile string) diff.Change {
	for _, c := range changes {
		if c.Quantile == quantile {
			return c
		}
	}
	return diff.Change{}
}

// worstDelta is the hop that added most to the mean, or -1.
func worstDelta(hops []diff.Hop) int {
	worst := -1
	for i := range hops {
		if worst < 0 || hops[i].DeltaNs > hops[worst].DeltaNs {
			worst = i
		}
	}
	return worst
}

func relative(before, after int64) string {
	switch before {
	case after:
		return "="
	case 0:
		return "new"
	}
	change := float64(after-before) / float64(before) * 100
	if math.Abs(change) >= 1000 {
		return fmt.Sprintf("×%.0f", float64(after)/float64(before))
	}
	return fmt.Sprintf("%+.1f%%", change)
}

func signed(ns float64) string {
	n := int64(math.Round(ns))
	if n > 0 {
		return "+" + human.Duration(n)
	}
	return human.Duration(n)
}

func pValue(p *float64) string {
	switch {
	case p == nil:
		return "-"
	case *p < 0.0001:
		return "<0.0001"
	}
	return fmt.Sprintf("%.4f", *p)
}

func value(ns *int64) int64 {
	if ns == nil {
		return 0
	}
	return *ns
}
