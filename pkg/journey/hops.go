package journey

// Hops appends the hops of j to dst[:0], one for each two consecutive stops,
// and returns it. Their durations sum to j.Total. A reused dst of
// [MaxStops]-1 hops is never reallocated.
func (j *Journey) Hops(dst []Hop) []Hop {
	dst = dst[:0]
	var entry *Stop
	for i := 1; i < len(j.Stops); i++ {
		entry = nextEntry(entry, &j.Stops[i-1])
		dst = append(dst, j.hop(entry, i))
	}
	return dst
}

// hop is the one that ends at stop i. The last stop of a truncated journey
// stands for all that did not fit: which hops the time before it belongs to is
// not known.
func (j *Journey) hop(entry *Stop, i int) Hop {
	s := newSegment(j, entry, i-1, &j.Stops[i])
	if j.Flags&FlagTruncated != 0 && i == MaxStops-1 {
		return s.unnamed()
	}
	return s.hop()
}

// nextEntry follows where the stack took the packet up: the last reception,
// until a device is handed the packet.
func nextEntry(entry, stop *Stop) *Stop {
	switch stop.Point {
	case PointReceive:
		return stop
	case PointQueue, PointXmit, PointNetifRx, PointGRO:
		return nil
	}
	return entry
}

// DiedIn is the hop in which a dropped packet ended. Where the record does not
// hold the drop itself (a single stop, a journey cut short), it is the hop that
// would have come next, with no duration. Of a packet that was not dropped it
// is the zero Hop.
func (j *Journey) DiedIn() Hop {
	n := len(j.Stops)
	if j.Ending != EndingDropped || n == 0 {
		return Hop{}
	}
	var entry *Stop
	for i := range j.Stops[:n-1] {
		entry = nextEntry(entry, &j.Stops[i])
	}
	last := &j.Stops[n-1]
	if n > 1 && last.Point == PointFree {
		return j.hop(entry, n-1)
	}
	drop := Stop{At: last.At, Point: PointFree}
	return newSegment(j, nextEntry(entry, last), n-1, &drop).hop()
}
