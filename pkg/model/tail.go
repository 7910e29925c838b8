package model

import (
	"slices"

	"github.com/DataDog/sketches-go/ddsketch/mapping"
)

const (
	// tailAccuracy makes each tail bucket at most 8.4 % wide.
	tailAccuracy = 0.04
	// tailQuantile is where a path's tail begins.
	tailQuantile = 0.99
)

// tail splits a path's journeys into buckets by their total time and keeps for
// each bucket what every hop took. From it come the tail's shares: percentiles
// do not add up, sums do. The tail is whole buckets, hence also the journeys
// which are up to one bucket's width (8.4 %) faster than the path's p99.
type tail struct {
	mapping mapping.IndexMapping
	rows    map[int]*tailRow
}

type tailRow struct {
	count uint64   // Σ weight of the journeys
	hops  []uint64 // Σ ns × weight by the path's hop index; missing is 0
}

func newTail(m mapping.IndexMapping) tail {
	return tail{mapping: m, rows: map[int]*tailRow{}}
}

// row is the bucket for journeys of the given total in ns.
func (t *tail) row(total int64) *tailRow {
	return t.bucket(t.mapping.Index(float64(max(total, 1))))
}

func (t *tail) bucket(i int) *tailRow {
	r := t.rows[i]
	if r == nil {
		r = &tailRow{}
		t.rows[i] = r
	}
	return r
}

func (r *tailRow) add(hop int, ns uint64) {
	for len(r.hops) <= hop {
		r.hops = append(r.hops, 0)
	}
	r.hops[hop] += ns
}

// merge adds another tail, whose hop i is hop index[i] here.
func (t *tail) merge(o *tail, index []int) {
	for i, from := range o.rows {
		to := t.bucket(i)
		to.count += from.count
		for hop, ns := range from.hops {
			to.add(index[hop], ns)
		}
	}
}

// sums is what each of n hops took in the tail, in ns × weight, and how many
// journeys the tail has.
func (t *tail) sums(n int) (ns []uint64, journeys uint64) {
	buckets := make([]int, 0, len(t.rows))
	var count uint64
	for i, r := range t.rows {
		buckets = append(buckets, i)
		count += r.count
	}
	slices.Sort(buckets)
	out := make([]uint64, n)
	rank := tailQuantile * (float64(count) - 1) // as the sketch counts ranks
	var seen uint64
	for _, i := range buckets {
		r := t.rows[i]
		seen += r.count
		if float64(seen) <= rank {
			continue
		}
		journeys += r.count
		for hop, ns := range r.hops {
			out[hop] += ns
		}
	}
	return out, journeys
}
