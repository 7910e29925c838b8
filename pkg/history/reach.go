package history

import "time"

// Reach is the time of which the past still tells single seconds: Until gives
// the end of one of them from oldest on; newest is the end of the last one.
// Both are the begin as long as there is none.
func (h *History) Reach() (oldest, newest time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.fine) == 0 {
		return h.to, h.to
	}
	return h.fine[0].to, h.to
}
