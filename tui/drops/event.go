package drops

import (
	"fmt"
	"strings"
	"time"

	"github.com/hopscope/hopscope/pkg/model"
	"github.com/hopscope/hopscope/tui/digest"
)

// event is one group of drops, or the retransmissions of one kind of one side.
type event struct {
	reason string // "retransmit rto" of a retransmission
	place  string
	who    string // the end that the packets count for
	flow   string
	count  uint64
	last   time.Time

	drop *model.Drop // nil: a retransmission
	tcp  *model.TCP
	kind string // of a retransmission
}

// unknownPlace is that of retransmissions of which the original was not seen to die.
const unknownPlace = "not seen to be lost here"

// events are those of a snapshot.
func events(s *model.Snapshot) []event {
	out := make([]event, 0, len(s.Drops))
	for i := range s.Drops {
		d := &s.Drops[i]
		out = append(out, event{
			reason: d.Reason, place: d.Hop + " @ " + d.Where, who: digest.DiedAt(d).Name, flow: flow(&d.From, &d.To, d.Proto, d.Port),
			count: d.Count, last: d.LastAt, drop: d,
		})
	}
	for i := range s.TCP {
		x := &s.TCP[i]
		if x.Retransmits.Total == 0 { // of nearly all
			continue
		}
		place := unknownPlace
		if at := digest.MostLostAt(&x.Retransmits); at != nil {
			place = at.Hop + " @ " + at.Where
		}
		for _, k := range digest.KindsOf(x.Retransmits.RetransmitKinds) {
			out = append(out, event{
				reason: "retransmit " + k.Name, place: place, who: x.From.Name, flow: flow(&x.From, &x.To, "tcp", x.Port),
				count: k.Count, last: x.LastRetransmit, tcp: x, kind: k.Name,
			})
		}
	}
	return out
}

func flow(from, to *model.End, proto string, port uint16) string {
	return fmt.Sprintf("%s → %s %s", from.Name, to.Name, digest.Service(proto, port))
}

// order has drops first.
func (e *event) order() int {
	if e.drop != nil {
		return 0
	}
	return 1
}

func (e *event) everything() string {
	location := ""
	if e.drop != nil {
		location = e.drop.Location
	}
	return strings.Join([]string{e.reason, e.place, location, e.who, e.flow}, "\n")
}
