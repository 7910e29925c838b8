package pipeline

import (
	"errors"
	"fmt"
	"slices"

	"github.com/hopscope/hopscope/pkg/inventory"
)

// meaning is what the selectors of a session mean while containers come and go.
type meaning struct {
	selectors []string
	last      map[string][]string // ids, by selector
}

func newMeaning(selectors []string) *meaning {
	return &meaning{selectors: selectors, last: make(map[string][]string)}
}

// in resolves the selectors. One that matches nothing at the moment, or several
// containers which have nothing to do with each other, keeps its last meaning; of
// the latter the note tells. An error is that of a selector without a meaning yet.
func (m *meaning) in(v *inventory.View) (sel inventory.Selection, note string, err error) {
	var ids []string
	for _, name := range m.selectors {
		now, err := v.Select([]string{name})
		var ambiguous *inventory.AmbiguousError
		switch {
		case err == nil:
			m.last[name] = nil
			for _, c := range now.Containers {
				m.last[name] = append(m.last[name], c.ID)
			}
		case len(m.last[name]) == 0:
			return sel, "", err
		case errors.As(err, &ambiguous):
			note = fmt.Sprintf("by now %v; the trace stays with those that it meant before, and no other joins", err)
		}
		for _, id := range m.last[name] {
			if _, known := v.Container(id); known && !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	sel, err = v.Select(ids)
	return sel, note, err
}
