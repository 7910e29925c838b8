package diff

// minEvents in one of the captures, at least, to test a rate.
const minEvents = 5

// shares are counts of all, slice by slice where there was something to count
// of. parts may be nil: nothing happened.
func shares(parts, wholes []uint64) []share {
	var out []share
	for i, n := range wholes {
		if n == 0 {
			continue
		}
		s := share{whole: float64(n)}
		if parts != nil {
			s.part = float64(parts[i])
		}
		out = append(out, s)
	}
	return out
}

// rate compares how often something happened. Its p-value is not yet corrected.
func (c *comparison) rate(before, after []share) Rate {
	var r Rate
	r.Before, r.ShareBefore = sumOf(before)
	r.After, r.ShareAfter = sumOf(after)
	if len(before) >= minSlices && len(after) >= minSlices && max(r.Before, r.After) >= minEvents {
		p := permutationP(before, after, c.rounds)
		r.P = &p
	}
	return r
}

func sumOf(shares []share) (count uint64, part float64) {
	var all share
	for _, s := range shares {
		all.part += s.part
		all.whole += s.whole
	}
	if all.whole == 0 {
		return 0, 0
	}
	return uint64(all.part), all.part / all.whole
}
