package probe

import (
	"testing"
	"time"

	"github.com/hopscope/hopscope/bpf"
)

// What a slot's packet was last seen at decides how long nothing may be heard
// of it before it is ended without a sign.
func TestExpiredAfter(t *testing.T) {
	const (
		queue   = uint8(bpf.HopscopeHsPointHS_P_QUEUE)
		receive = uint8(bpf.HopscopeHsPointHS_P_RECEIVE)
		piece   = uint8(bpf.HopscopeHsJourneyFlagHS_J_FRAGMENT)
	)
	lim := limits{dead: deadInNeed, fragment: fragmentAtEnd}
	for _, c := range []struct {
		name  string
		state uint32
		flags uint8
		point uint8
		after time.Duration
	}{
		{"a packet in a qdisc", slotLive, 0, queue, liveFor},
		{"a packet in the stack", slotLive, 0, receive, liveFor},
		{"a fragment in a qdisc", slotLive, piece, queue, liveFor},
		{"a fragment in the stack", slotLive, piece, receive, fragmentAtEnd},
		{"a fragment at PREROUTING", slotLive, piece, preRouting, fragmentAtEnd},
		{"a fragment past PREROUTING", slotLive, piece, preRouting + 1, fragmentAtEnd},
		{"a fragment at FORWARD", slotLive, piece, preRouting + 4, liveFor},
		{"a packet in its socket's queue", slotPending, 0, receive, pendingFor},
		{"a SYN at a full listener", slotAtFull, 0, receive, pendingFor},
		{"a packet that is not read yet", slotUnread, 0, receive, deadFor},
		{"an empty slot", slotDead, 0, receive, deadInNeed},
	} {
		slot := &bpf.HopscopeHsSlot{State: c.state, LastNs: 1}
		slot.J.Flags, slot.J.Stops = c.flags, 2
		slot.Stops[1].Point = c.point
		if expired(slot, 1+uint64(c.after), lim) || !expired(slot, 2+uint64(c.after), lim) {
			t.Errorf("%s does not expire after %v", c.name, c.after)
		}
	}
}
