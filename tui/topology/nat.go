package topology

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/hopscope/hopscope/pkg/history"
	"github.com/hopscope/hopscope/pkg/model"
	"github.com/hopscope/hopscope/tui/digest"
)

// translation is what packets of several conversations have in common: a published
// port, or the way of one end to the outside under the host's address.
type translation struct {
	name, end string
	packets   uint64
}

// translations has a row for each published port and each end whose address is
// translated, the busiest first.
func (t *tree) translations(d *digest.Digest) {
	index := map[string]int{}
	var all []translation
	for i := range d.Talks {
		talk := &d.Talks[i]
		name, end := translated(talk)
		if name == "" {
			continue
		}
		at, ok := index[name]
		if !ok {
			at = len(all)
			index[name] = at
			all = append(all, translation{name: name, end: history.EndKey(end.Endpoint())})
		}
		all[at].packets += talk.Packets()
	}
	if len(all) == 0 {
		return
	}
	slices.SortFunc(all, func(x, y translation) int {
		return cmp.Or(cmp.Compare(y.packets, x.packets), cmp.Compare(x.name, y.name))
	})
	t.rows = append(t.rows, row{key: "nat", name: "published ports and NAT"})
	for i, x := range all {
		t.rows = append(t.rows, row{
			key: "nat " + x.name, depth: 1, last: i == len(all)-1, name: x.name, end: x.end,
			load: digest.Load{Packets: x.packets, P99: digest.Unknown},
		})
	}
}

// translated says how the addresses of a conversation are translated, and the end
// to look at; "" where they are not.
func translated(t *digest.Talk) (name string, end *model.End) {
	p := t.Worst
	switch {
	case p.NAT == "" || p.NAT == "none":
		return "", nil
	case p.PublishedPort != nil && t.Server.Kind == "proxy":
		return fmt.Sprintf("port %d → %s", *p.PublishedPort, t.Server.Name), t.Server
	case p.PublishedPort != nil:
		return fmt.Sprintf("port %d → %s:%d (%s)", *p.PublishedPort, t.Server.Name, p.Port, p.NAT), t.Server
	case p.NAT == "snat" && t.Server.Kind == "external":
		return fmt.Sprintf("%s → outside as host (%s)", t.Client.Name, p.NAT), t.Client
	}
	return fmt.Sprintf("%s → %s %s (%s)", t.Client.Name, t.Server.Name, digest.Service(p.Proto, p.Port), p.NAT), t.Client
}
