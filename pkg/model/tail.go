package model

import (
	"cmp"
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
	rows    []tailRow // by bucket
}

type tailRow struct {
	bucket int32
	count  uint64   // Σ weight of the journeys
	hops   []uint64 // Σ ns × weight by the path's hop index; missing is 0
}

func newTail(m mapping.IndexMapping) tail { return tail{mapping: m} }

// row is the bucket for journeys of the given total in ns. It is good until the
// next one is asked for.
func (t *tail) row(total int64) *tailRow {
	return t.bucket(int32(t.mapping.Index(float64(max(total, 1)))))
}

func (t *tail) bucket(i int32) *tailRow {
	at, found := slices.BinarySearchFunc(t.rows, i, func(r tailRow, i int32) int { return cmp.Compare(r.bucket, i) })
	if !found {
		t.rows = slices.Insert(t.rows, at, tailRow{bucket: i})
	}
	return &t.rows[at]
}

// add counts time in a hop of a path that has about so many.
func (r *tailRow) add(hop int, ns uint64, hops int) {
	if r.hops == nil {
		r.hops = make([]uint64, 0, max(hops, hop+1))
	}
	for len(r.hops) <= hop {
		r.hops = append(r.hops, 0)
	}
	r.hops[hop] += ns
}

// tailBuckets counts journeys by bucket, to find where a tail begins.
type tailBuckets struct {
	first  int32 // bucket of counts[0]
	counts []uint64
}

func (t *tailBuckets) reset() { t.counts = t.counts[:0] }

func (t *tailBuckets) add(bucket int32, n uint64) {
	if len(t.counts) == 0 {
		t.first = bucket
	}
	if less := int(t.first - bucket); less > 0 {
		t.counts = slices.Insert(t.counts, 0, make([]uint64, less)...)
		t.first = bucket
	}
	for int(bucket-t.first) >= len(t.counts) {
		t.counts = append(t.counts, 0)
	}
	t.counts[bucket-t.first] += n
}

// slowest is the bucket in which the journey at a quantile is, and how many
// journeys are in it and those above.
func (t *tailBuckets) slowest(quantile float64) (bucket int32, journeys uint64) {
	var all uint64
	for _, n := range t.counts {
		all += n
	}
	rank := quantile * (float64(all) - 1) // as the sketch counts ranks
	var below uint64
	for i, n := range t.counts {
		if float64(below+n) > rank {
			return t.first + int32(i), all - below
		}
		below += n
	}
	return t.first, all
}
