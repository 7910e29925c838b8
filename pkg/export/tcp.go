package export

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hopscope/hopscope/pkg/model"
	"github.com/hopscope/hopscope/pkg/model/human"
	"github.com/hopscope/hopscope/pkg/printable"
)

// maxTCP is how many sides of TCP connections are listed.
const maxTCP = 10

// tcp lists who retransmits, and the round trip times that TCP itself measures.
func tcp(p *page, s model.Snapshot) {
	if len(s.TCP) == 0 {
		return
	}
	paragraphs(p, "TCP, as its sockets see it", s.TCP, maxTCP, tcpLine, func(t *model.TCP) bool {
		return t.Retransmits.Total > 0 || t.Connects != nil && t.Connects.Failed() > 0
	})
}

func tcpLine(t *model.TCP) string {
	way := "to"
	if t.Role == "server" {
		way = "for"
	}
	line := fmt.Sprintf("%s %s %s tcp/%d: %s segments sent, %s", printable.Clean(t.From.Name), way,
		printable.Clean(t.To.Name), t.Port, human.Count(t.SegmentsSent), retransmitted(t))
	if t.RTT.Samples > 0 {
		line += fmt.Sprintf(", rtt p50 %s p99 %s", durationOf(t.RTT.P50Ns), durationOf(t.RTT.P99Ns))
	}
	for _, d := range []struct {
		name string
		dist *model.Dist
	}{{"connect", t.Connect}, {"accept_wait", t.AcceptWait}, {"app", t.App}, {"sock_recv", t.SockRecv}} {
		if d.dist != nil {
			line += fmt.Sprintf(", %s p50 %s p99 %s", d.name, durationOf(d.dist.P50Ns), durationOf(d.dist.P99Ns))
		}
	}
	return line + failed(t)
}

// failed tells of connections that were not made, or were reset.
func failed(t *model.TCP) (out string) {
	add := func(n uint64, what string) {
		if n > 0 {
			out += fmt.Sprintf(", %s %s", human.Count(n), what)
		}
	}
	if c := t.Connects; c != nil {
		add(c.Refused, "connects refused")
		add(c.Timeout, "connects timed out")
		add(c.Unreachable, "connects unreachable")
		add(c.Other, "connects given up")
	}
	if r := t.Resets; r != nil {
		add(r.Sent, "resets sent")
		add(r.Received, "resets received")
	}
	return out
}

func retransmitted(t *model.TCP) string {
	r := t.Retransmits
	if r.Total == 0 {
		return "none retransmitted"
	}
	var kinds []string
	for _, k := range met(r.RetransmitKinds) {
		kinds = append(kinds, fmt.Sprintf("%s %s", k.name, human.Count(k.n)))
	}
	return fmt.Sprintf("%s retransmitted (%s)", human.Count(r.Total), strings.Join(kinds, ", ")) + lostAt(r.LostAt)
}

// kindCount is how many segments were sent again for one reason.
type kindCount struct {
	name string
	n    uint64
}

// met are the kinds of which there are any.
func met(r model.RetransmitKinds) []kindCount {
	all := []kindCount{{"RTO", r.RTO}, {"fast", r.Fast}, {"TLP", r.TLP}, {"SYN", r.SYN}, {"SYN-ACK", r.SYNACK}, {"other", r.Other}}
	return slices.DeleteFunc(all, func(k kindCount) bool { return k.n == 0 })
}

// lostAt tells where most of the originals died.
func lostAt(list []model.LostAt) string {
	if len(list) == 0 {
		return ""
	}
	return fmt.Sprintf(", %s lost at `%s @ %s`", human.Count(list[0].Count), list[0].Hop, list[0].Where)
}
