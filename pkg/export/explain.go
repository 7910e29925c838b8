package export

import (
	"slices"

	"github.com/hopscope/hopscope/pkg/dropreason"
	"github.com/hopscope/hopscope/pkg/model"
)

// explainDrops says once for each reason what it means.
func explainDrops(p *page, drops []model.Drop) {
	var told []string
	for _, d := range drops {
		if slices.Contains(told, d.Reason) {
			continue
		}
		told = append(told, d.Reason)
		r, ok := dropreason.Find(d.Reason)
		if !ok {
			p.paragraph("  ", "    ", d.Reason+": not explained here; the function that freed the packet tells more", p.styles.dim)
			continue
		}
		p.paragraph("  ", "    ", d.Reason+": "+r.Meaning, p.styles.plain)
		p.paragraph("    mend: ", "    ", r.Mend, p.styles.plain)
	}
}
