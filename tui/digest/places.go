package digest

// Load is what packets met at one place.
type Load struct {
	Packets uint64
	Ns      float64 // Σ over all packets
	P99     int64   // of its worst hop, ns
	Drops   uint64
}

// Places is what packets met, by place. It is made when it is first asked for,
// of all hops of all paths, and kept; see Hops for who may ask.
func (d *Digest) Places() map[string]Load {
	if d.places == nil {
		d.places = d.addPlaces()
	}
	return d.places
}

// Placed says that Places is there already.
func (d *Digest) Placed() bool { return d.places != nil }

func (d *Digest) addPlaces() map[string]Load {
	loads := map[string]Load{}
	here := map[string]uint64{} // most packets of one hop at a place, of one path
	snap := &d.Frame.Snapshot
	for i := range snap.Paths {
		clear(here)
		hops := d.Hops(&snap.Paths[i])
		for k := range hops {
			h := &hops[k]
			l := loads[h.Where]
			if h.Dist.MeanNs != nil {
				l.Ns += float64(*h.Dist.MeanNs) * float64(h.Dist.Count)
				l.P99 = max(l.P99, *h.Dist.P99Ns)
			}
			if more := h.Dist.Count; more > here[h.Where] {
				l.Packets += more - here[h.Where]
				here[h.Where] = more
			}
			loads[h.Where] = l
		}
	}
	for i := range snap.Drops { // also at a place where everything dies
		l := loads[snap.Drops[i].Where]
		l.Drops += snap.Drops[i].Count
		loads[snap.Drops[i].Where] = l
	}
	return loads
}
