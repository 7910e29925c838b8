//go:build matrix

package guest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"
)

// What the kernel offers and what its verifier said are recorded as attributes
// of the tests.

func (s scene) capabilities(t *testing.T) {
	for i, c := range s.probe.Capabilities() {
		t.Logf("%-32s %-5v essential %-5v lost: %s", c.Name, c.Available, c.Essential, c.Lost)
		value, err := json.Marshal(c)
		must(t, err, "encode a capability")
		t.Attr(fmt.Sprintf("capability_%02d", i), string(value))
		if c.Essential && !c.Available {
			t.Errorf("%s is essential and not there", c.Name)
		}
	}
}

func (s scene) programs(t *testing.T) {
	verified, err := s.probe.Verified()
	must(t, err, "ask how much was verified")
	for _, name := range slices.Sorted(maps.Keys(verified)) {
		t.Logf("%-28s %d instructions verified", name, verified[name])
		t.Attr("instructions_"+name, itoa(verified[name]))
	}
}
