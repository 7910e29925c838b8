package inventory

import "time"

// tenure is the time during which a container held a namespace or an address.
// Both are given to another one soon: the kernel takes the lowest free
// namespace inode (proc_alloc_inum), Docker the next free address.
type tenure struct {
	container int
	from, to  time.Time // to is zero while it lasts
}

func (t tenure) overlaps(o tenure) bool {
	return (t.to.IsZero() || t.to.After(o.from)) && (o.to.IsZero() || o.to.After(t.from))
}

// distance is how long at lies outside the tenure, 0 within.
func (t tenure) distance(at time.Time) time.Duration {
	switch {
	case at.Before(t.from):
		return t.from.Sub(at)
	case !t.to.IsZero() && at.After(t.to):
		return at.Sub(t.to)
	}
	return 0
}

// current picks who holds it now, or else who held it last: all that held it
// together.
func current(all []tenure) []tenure {
	var live []tenure
	last := -1
	for i, t := range all {
		if t.to.IsZero() {
			live = append(live, t)
		} else if last < 0 || t.to.After(all[last].to) {
			last = i
		}
	}
	if len(live) > 0 || last < 0 {
		return live
	}
	return together(all, last)
}

// around picks who held it at that time, or nearest to it. A zero time is now.
func around(all []tenure, at time.Time) []tenure {
	if at.IsZero() || len(all) == 0 {
		return current(all)
	}
	best := 0
	for i, t := range all {
		if t.distance(at) < all[best].distance(at) {
			best = i
		}
	}
	return together(all, best)
}

func together(all []tenure, with int) []tenure {
	var out []tenure
	for i, t := range all {
		if i == with || t.overlaps(all[with]) {
			out = append(out, t)
		}
	}
	return out
}
