package export

import (
	"fmt"
	"strings"

	"github.com/hopscope/hopscope/pkg/model"
	"github.com/hopscope/hopscope/pkg/model/human"
)

// maxTCP is how many sides of TCP connections are listed.
const maxTCP = 10

// tcp lists who retransmits, and the round trip times that TCP itself measures.
func tcp(p *page, s model.Snapshot) {
	if len(s.TCP) == 0 {
		return
	}
	p.section("TCP, as its sockets see it")
	for i := range s.TCP[:min(len(s.TCP), maxTCP)] {
		t := &s.TCP[i]
		style := p.styles.plain
		if t.Retransmits.Total > 0 {
			style = p.styles.warn
		}
		p.paragraph("  ", "      ", tcpLine(t), style)
	}
	if n := len(s.TCP) - maxTCP; n > 0 {
		p.line(fmt.Sprintf("  and %d more", n))
	}
}

func tcpLine(t *model.TCP) string {
	way := "to"
	if t.Role == "server" {
		way = "for"
	}
	line := fmt.Sprintf("%s %s %s tcp/%d: %s segments sent, %s", human.Clean(t.From.Name), way,
		human.Clean(t.To.Name), t.Port, human.Count(t.SegmentsSent), retransmitted(t))
	if t.RTT.Samples > 0 {
		line += fmt.Sprintf(", rtt p50 %s p99 %s", durationOf(t.RTT.P50Ns), durationOf(t.RTT.P99Ns))
	}
	return line
}

func retransmitted(t *model.TCP) string {
	r := t.Retransmits
	if r.Total == 0 {
		return "none retransmitted"
	}
	var kinds []string
	for _, k := range []struct {
		name string
		n    uint64
	}{{"RTO", r.RTO}, {"fast", r.Fast}, {"TLP", r.TLP}, {"SYN", r.SYN}, {"SYN-ACK", r.SYNACK}, {"other", r.Other}} {
		if k.n > 0 {
			kinds = append(kinds, fmt.Sprintf("%s %s", k.name, human.Count(k.n)))
		}
	}
	return fmt.Sprintf("%s retransmitted (%s)", human.Count(r.Total), strings.Join(kinds, ", "))
}
