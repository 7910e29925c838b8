package inventory

import (
	"slices"
	"time"
)

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

// sure is current, unless it was held by others before or after, of which
// nothing tells them apart.
func sure(all []tenure) []tenure {
	sorted := slices.SortedFunc(slices.Values(all), func(a, b tenure) int { return a.from.Compare(b.from) })
	var group, first []int // containers of this generation, and of the first one
	var until tenure       // what ends last of it
	for i, t := range sorted {
		if i > 0 && !until.overlaps(t) {
			if first == nil {
				first = group
			} else if !sameSet(first, group) {
				return nil
			}
			group, until = nil, tenure{}
		}
		group = append(group, t.container)
		if len(group) == 1 || t.to.IsZero() || !until.to.IsZero() && t.to.After(until.to) {
			until = t
		}
	}
	if first != nil && !sameSet(first, group) {
		return nil
	}
	return current(all)
}

func sameSet(a, b []int) bool {
	in := func(list []int) func(int) bool { return func(x int) bool { return !slices.Contains(list, x) } }
	return !slices.ContainsFunc(a, in(b)) && !slices.ContainsFunc(b, in(a))
}

// during picks who held it in the time of a device: for a dead device the one
// that it shared most time with, if any. The device's times are when changes were
// noticed, a little later than a new owner may have come.
func during(all []tenure, d Device) []tenure {
	if len(all) == 0 {
		return nil
	}
	if d.Gone.IsZero() {
		return current(slices.DeleteFunc(slices.Clone(all), func(t tenure) bool { return !t.overlaps(tenure{from: d.Seen}) }))
	}
	best := 0
	for i, t := range all {
		if t.overlap(d.Seen, d.Gone) > all[best].overlap(d.Seen, d.Gone) {
			best = i
		}
	}
	if all[best].overlap(d.Seen, d.Gone) < 0 {
		return nil // whose it was is not known
	}
	return together(all, best)
}

// alongside are a tenure and those of the same namespace that overlap it.
func alongside(all []tenure, with tenure) []tenure {
	if i := slices.Index(all, with); i >= 0 {
		return together(all, i)
	}
	return []tenure{with}
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
