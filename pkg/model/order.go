package model

// hopOrder sorts hops as packets meet them: a hop that was seen directly before
// another one stands before it, and among hops without such a relation the one
// with the smaller mean position comes first. Where journeys disagree the
// majority decides; a longer cycle is cut at its earliest mean position. earlier
// compares two of n hops by position and must be a strict total order.
// Each pair of hops has at most one edge in each direction.
func hopOrder(n int, edges []edgeSum, earlier func(i, k int) bool) []int {
	before := make([]int, n) // hops that still have to come before this one
	ruled := make([]edgeSum, 0, len(edges))
	for _, e := range edges {
		if e.from == e.to || e.n <= times(edges, e.to, e.from) {
			continue // the minority, or a draw
		}
		ruled = append(ruled, e)
		before[e.to]++
	}
	order := make([]int, 0, n)
	done := make([]bool, n)
	for len(order) < n {
		next := earliest(n, earlier, func(i int) bool { return !done[i] && before[i] == 0 })
		if next < 0 {
			next = earliest(n, earlier, func(i int) bool { return !done[i] })
		}
		done[next] = true
		order = append(order, next)
		for _, e := range ruled {
			if e.from == next {
				before[e.to]--
			}
		}
	}
	return order
}

// times is how often one hop followed another.
func times(edges []edgeSum, from, to int) uint64 {
	for i := range edges {
		if edges[i].from == from && edges[i].to == to {
			return edges[i].n
		}
	}
	return 0
}

// earliest is the first of the n hops that pass, or -1.
func earliest(n int, earlier func(i, k int) bool, pass func(int) bool) int {
	best := -1
	for i := range n {
		if pass(i) && (best < 0 || earlier(i, best)) {
			best = i
		}
	}
	return best
}
