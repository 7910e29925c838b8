package model

// hopOrder sorts hops as packets meet them: a hop that was seen directly before
// another one stands before it, and among hops without such a relation the one
// with the smaller mean position comes first. Where journeys disagree the
// majority decides; a longer cycle is cut at its earliest mean position. earlier
// compares two of n hops by position and must be a strict total order.
func hopOrder(n int, edges map[[2]int]uint64, earlier func(i, k int) bool) []int {
	before := make([]int, n) // hops that still have to come before this one
	after := make([][]int, n)
	for e, c := range edges {
		if e[0] == e[1] || c <= edges[[2]int{e[1], e[0]}] {
			continue // the minority, or a draw
		}
		after[e[0]] = append(after[e[0]], e[1])
		before[e[1]]++
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
		for _, i := range after[next] {
			before[i]--
		}
	}
	return order
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
