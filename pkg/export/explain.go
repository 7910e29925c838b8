package export

import (
	"slices"
	"strings"

	"github.com/hopscope/hopscope/pkg/dropreason"
	"github.com/hopscope/hopscope/pkg/model"
)

// explainDrops says once for each reason what it means, and for each function where
// that is what tells.
func explainDrops(p *page, drops []model.Drop) {
	var told []string
	for _, d := range drops {
		r, ok := dropreason.At(d.Reason, d.Location)
		name := d.Reason
		if ok && !slices.Contains(r.Names, dropreason.Clean(name)) {
			name += " in " + r.Names[0]
		}
		if slices.Contains(told, name) {
			continue
		}
		told = append(told, name)
		if !ok {
			p.paragraph("  ", "    ", name+": not explained here; the function that freed the packet tells more", p.styles.dim)
			continue
		}
		explain(p, name, r)
	}
}

// explainRetransmits says of each kind of retransmission that was met what it means.
func explainRetransmits(p *page, sides []model.TCP) {
	var told []string
	for i := range sides {
		for _, k := range met(sides[i].Retransmits.RetransmitKinds) {
			r, ok := dropreason.FindRetransmit(strings.ReplaceAll(k.name, "-", ""))
			if !ok || slices.Contains(told, k.name) {
				continue
			}
			told = append(told, k.name)
			explain(p, k.name, r)
		}
	}
}

func explain(p *page, name string, r dropreason.Reason) {
	p.paragraph("  ", "    ", name+": "+r.Meaning, p.styles.plain)
	p.paragraph("    mend: ", "    ", r.Mend, p.styles.plain)
}
