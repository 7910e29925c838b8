package model

// unfollowed are the notes of the accounting that tell of a loss: of what belongs to
// no tracked packet, such as a socket's event.
var unfollowed = [...]string{
	"undecodable",               // records of journeys that make no sense
	"socket_events_undecodable", // likewise
	"events_lost",               // socket events: the ring was full
	"sockets_untracked",         // attempts to follow a socket beyond their table
	"drops_ungrouped",           // drops beyond the table of their groups
	"retransmits_ungrouped",     // segments, likewise
	"resets_ungrouped",          // likewise
	"unread_counters",           // readings of the host's counters that failed
}

// Unfollowed counts by cause what the tracer lost beside [Accounting.Lost]: counts
// that are missing in the summary. It has no zeroes.
func (a *Accounting) Unfollowed() map[string]uint64 {
	lost := make(map[string]uint64)
	for _, name := range unfollowed {
		if n := a.Notes[name]; n > 0 {
			lost[name] = n
		}
	}
	return lost
}
