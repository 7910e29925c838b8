package exchange

import (
	"slices"
	"sort"
)

// timeline is a list in the order of a time of its elements. They come nearly in that
// order and leave nearly in it: what moves is the shorter side.
type timeline[T any] struct {
	list []T
	head int // what lies before it has left
	time func(T) uint64
}

// all lists the elements, valid until the next change; none of nil.
func (l *timeline[T]) all() []T {
	if l == nil {
		return nil
	}
	return l.list[l.head:]
}

// since lists those of the time and later.
func (l *timeline[T]) since(time uint64) []T {
	all := l.all()
	return all[sort.Search(len(all), func(i int) bool { return l.time(all[i]) >= time }):]
}

func (l *timeline[T]) add(x T) {
	at := len(l.list)
	for at > l.head && l.time(l.list[at-1]) > l.time(x) {
		at--
	}
	l.list = slices.Insert(l.list, at, x)
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
		l.leave(i)
	} else {
		l.list = slices.Delete(l.list, l.head+i, l.head+i+1)
	}
	return x, true
}

// leave closes the gap that the i-th leaves from the front.
func (l *timeline[T]) leave(i int) {
	all := l.all()
	copy(all[1:i+1], all[:i])
	clear(all[:1])
	l.head++
	if l.head > 1024 && l.head > len(l.list)/2 {
		l.list = slices.Delete(l.list, 0, l.head)
		l.head = 0
	}
}
