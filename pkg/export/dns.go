package export

import (
	"fmt"

	"github.com/hopscope/hopscope/pkg/model"
	"github.com/hopscope/hopscope/pkg/model/human"
	"github.com/hopscope/hopscope/pkg/printable"
)

// maxDNS is how many askers and their name servers are listed.
const maxDNS = 10

// nameServers lists who asks which name server, and how that goes.
func nameServers(p *page, s model.Snapshot) {
	if len(s.DNS) == 0 {
		return
	}
	paragraphs(p, "DNS, as those who ask see it", s.DNS, maxDNS, dnsLine, (*model.DNS).Troubled)
	if n := s.Accounting.Notes["dns_ring_full"] + s.Accounting.Notes["dns_beyond"] + s.Accounting.Notes["other_dns"]; n > 0 {
		p.paragraph("  LOST ", "      ", fmt.Sprintf("%s DNS messages by the tracer itself: what is unanswered may be less",
			human.Count(n)), p.styles.bad)
	}
}

func dnsLine(d *model.DNS) string {
	by := ""
	if d.Forwarded {
		by = ", asked by Docker's name server"
	}
	return fmt.Sprintf("%s to %s%s: %s", printable.Clean(d.From.Name), printable.Clean(d.Server()), by, d.Summary())
}
