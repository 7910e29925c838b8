// Package list is a cursor in a list that changes under it: it stays with its
// row, wherever that moves to. At the top it stays at the top, so that it shows
// what is worst until somebody moves it.
package list

// List knows which row is under the cursor and which rows are in sight. The
// zero value is at the top.
type List[K comparable] struct {
	at, top int
	key     K
	held    bool // stays with its row; else at the top
}

// At is the index of the row under the cursor.
func (l *List[K]) At() int { return l.at }

// Key is the identity of the row under the cursor.
func (l *List[K]) Key() K { return l.key }

// Select puts the cursor on the row of that identity at the next Settle.
func (l *List[K]) Select(key K) { l.key, l.held = key, true }

// Settle finds the cursor's row again among n rows. A row that is gone leaves
// the cursor where it is.
func (l *List[K]) Settle(n int, key func(i int) K) {
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

// Move moves the cursor by rows, within n.
func (l *List[K]) Move(by, n int, key func(i int) K) {
	l.To(l.at+by, n, key)
}

// To moves the cursor to a row, within n.
func (l *List[K]) To(at, n int, key func(i int) K) {
	if n == 0 {
		return
	}
	l.at = min(max(at, 0), n-1)
	l.key, l.held = key(l.at), l.at > 0
}

// InSight is the part of n rows that fits height, with the cursor in it.
func (l *List[K]) InSight(n, height int) (from, to int) {
	if height <= 0 {
		return 0, 0
	}
	l.top = min(l.top, max(0, n-height))
	if l.at < l.top {
		l.top = l.at
	}
	if l.at >= l.top+height {
		l.top = l.at - height + 1
	}
	return l.top, min(n, l.top+height)
}
