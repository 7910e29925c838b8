package exchange

import (
	"slices"
	"sort"
)

// timeline is a list in the order of a time of its elements. They come nearly in that
// order and leave nearly in it: what moves is the shorter side.
type timeline[T any] struct {
	q    fifo[T]
	time func(T) uint64
}

// all lists the elements, valid until the next change; none of nil.
func (l *timeline[T]) all() []T {
	if l == nil {
		return nil
	}
	return l.q.all()
}

// since lists those of the time and later.
func (l *timeline[T]) since(time uint64) []T {
	all := l.all()
	return all[sort.Search(len(all), func(i int) bool { return l.time(all[i]) >= time }):]
}

func (l *timeline[T]) add(x T) {
	at := len(l.q.list)
	for at > l.q.head && l.time(l.q.list[at-1]) > l.time(x) {
		at--
	}
	l.q.list = slices.Insert(l.q.list, at, x)
}

// remove takes out the first element of the time that is the one meant; ok: there
// was one.
func (l *timeline[T]) remove(time uint64, meant func(T) bool) (x T, ok bool) {
	all := l.all()
	i := len(all) - len(l.since(time))
	for i < len(all) && l.time(all[i]) == time && !meant(all[i]) {
		i++
	}
	if i == len(all) || l.time(all[i]) != time {
		return x, false
	}
	x = all[i]
	if i < len(all)/2 {
		copy(all[1:i+1], all[:i])
		l.q.pop()
	} else {
		at := l.q.head + i
		l.q.list = slices.Delete(l.q.list, at, at+1)
	}
	return x, true
}
