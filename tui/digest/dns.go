package digest

import (
	"github.com/hopscope/hopscope/pkg/history"
	"github.com/hopscope/hopscope/pkg/model"
)

// NameServers are those that an end asks, the most unanswered first; all that is
// outside asks nobody whom this host could see.
func (d *Digest) NameServers(r *Row) []*model.DNS {
	var out []*model.DNS
	all := d.Frame.Snapshot.DNS
	for i := range all {
		if x := &all[i]; history.EndKey(x.From.Endpoint()) == r.Key {
			out = append(out, x)
		}
	}
	return out
}
