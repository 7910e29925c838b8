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

// overlap is how long the tenure and a time share; when they share nothing, it
// is negative, the gap between them. to must not be zero.
func (t tenure) overlap(from, to time.Time) time.Duration {
	if !t.to.IsZero() && t.to.Before(to) {
		to = t.to
	}
	if t.from.After(from) {
		from = t.from
	}
	return to.Sub(from)
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

// during picks who held it in the time of a device: for a dead device the one
// that it shared most time with. Its own times are when changes were noticed,
// a little later than a new owner may have come.
func during(all []tenure, d Device) []tenure {
	if d.Gone.IsZero() || len(all) == 0 {
		return current(all)
	}
	best := 0
	for i, t := range all {
		if t.overlap(d.Seen, d.Gone) > all[best].overlap(d.Seen, d.Gone) {
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
