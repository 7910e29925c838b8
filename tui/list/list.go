// Package list is a cursor in a list that changes under it: it stays with its
// row, wherever that moves to. At the top it stays at the top, so that it shows
// what is worst until somebody moves it.
package list

// List knows which row is under the cursor, which rows are in sight, and where
// they were painted. The zero value is at the top.
type List[K comparable] struct {
	at, top int
	key     K
	held    bool // stays with its row; else at the top

	n     int           // rows
	keyAt func(i int) K // identity of each
	first int           // line of the first row in sight, in the last view
	shown int           // rows in sight
}

// At is the index of the row under the cursor.
func (l *List[K]) At() int { return l.at }

// Key is the identity of the row under the cursor.
func (l *List[K]) Key() K { return l.key }

// Select puts the cursor on the row of that identity at the next Settle.
func (l *List[K]) Select(key K) { l.key, l.held = key, true }

// Settle takes n rows, each with its identity, and finds the cursor's row again
// among them. A row that is gone leaves the cursor where it is.
func (l *List[K]) Settle(n int, key func(i int) K) {
	l.n, l.keyAt, l.shown = n, key, 0
	if n == 0 {
		l.at = 0
		return
	}
	if !l.held {
		l.at, l.key = 0, key(0)
		return
	}
	if l.at >= n || key(l.at) != l.key {
		for i := range n {
			if key(i) == l.key {
				l.at = i
				return
			}
		}
		l.at = min(max(l.at, 0), n-1)
		l.key = key(l.at)
	}
}

// Move moves the cursor by rows.
func (l *List[K]) Move(by int) { l.To(l.at + by) }

// To moves the cursor to a row.
func (l *List[K]) To(at int) {
	if l.n == 0 {
		return
	}
	l.at = min(max(at, 0), l.n-1)
	l.key, l.held = l.keyAt(l.at), l.at > 0
}

// InSight is the part of the rows that fits height, with the cursor in it.
func (l *List[K]) InSight(height int) (from, to int) {
	if height <= 0 {
		return 0, 0
	}
	l.top = min(l.top, max(0, l.n-height))
	if l.at < l.top {
		l.top = l.at
	}
	if l.at >= l.top+height {
		l.top = l.at - height + 1
	}
	return l.top, min(l.n, l.top+height)
}

// Paint adds the rows in sight to the lines of a screen, at most height of
// them, and remembers where they are.
func (l *List[K]) Paint(lines []string, height int, line func(i int) string) []string {
	from, to := l.InSight(height)
	l.first, l.shown = len(lines), to-from
	for i := from; i < to; i++ {
		lines = append(lines, line(i))
	}
	return lines
}

// Click puts the cursor on the row that was painted at a line: hit is false
// where there is none. again tells that the cursor was on it before.
func (l *List[K]) Click(line int) (hit, again bool) {
	i := line - l.first
	if i < 0 || i >= l.shown {
		return false, false
	}
	was := l.at
	l.To(l.top + i)
	return true, was == l.at
}
