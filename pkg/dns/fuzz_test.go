package dns

import (
	"encoding/binary"
	"testing"
	"time"
)

// FuzzPairer: whatever the messages are, each query is in one lookup or counted as
// left out, and no answer is waited for longer than the time-out after the query was
// last sent.
func FuzzPairer(f *testing.F) {
	f.Add([]byte{0, 0, 1, 0, 0, 10, 0, 1, 1, 0})
	f.Add([]byte{0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 255, 255, 1, 1, 2})
	f.Add([]byte{0, 0, 0, 2, 0, 0, 9, 0, 3, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		var asked, sent, emitted uint64
		p := NewPairer(func(l Lookup) {
			emitted++
			sent += uint64(l.Sent)
			if l.Sent == 0 || l.LatencyNs > uint64(l.Sent)*uint64(Timeout) {
				t.Fatalf("%+v", l)
			}
		})
		p.limit = 4
		at := uint64(0)
		for ; len(data) >= 5; data = data[5:] { // ms since the one before, id, what, rcode
			at += uint64(binary.BigEndian.Uint16(data)) * uint64(time.Millisecond)
			m := &Message{At: at, Socket: uint64(data[3] >> 4 & 1), Port: 40000, Remote: first, ID: uint16(data[2] & 3), Flags: uint16(data[4])}
			m.Answer = data[3]&1 != 0
			if data[3]&2 != 0 {
				m = blind(m)
			}
			if data[3]&4 != 0 {
				m.Remote = second
			}
			if !m.Answer {
				asked++
			}
			p.Take(m)
		}
		p.Expire(at + 2*uint64(Timeout))
		if p.order.Len() != 0 || len(p.open) != 0 || p.blind != 0 {
			t.Fatalf("%d wait, %d of %d ids, %d unread", p.order.Len(), len(p.open), emitted, p.blind)
		}
		if sent+p.left.Beyond != asked {
			t.Fatalf("%d queries, %d in lookups, %d left out", asked, sent, p.left.Beyond)
		}
	})
}
