package exchange

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// Each part of an exchange has its row in docs/hops.md, and each row is a part.
func TestPartsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/hops.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "## At the sockets")
	section, _, _ = strings.Cut(section, "\n## ")
	var rows []string
	for line := range strings.Lines(section) {
		name, found := strings.CutPrefix(line, "| `")
		if !found {
			continue
		}
		name, _, _ = strings.Cut(name, "`")
		if cells := strings.Count(strings.TrimSpace(line), "|") - 1; cells != 6 || strings.Contains(line, "|  |") {
			t.Errorf("the row of %s has %d cells, want 6, none empty", name, cells)
		}
		if !slices.Contains(partNames[:], name) || slices.Contains(rows, name) {
			t.Errorf("there is a row for %s, which is no part or has one already", name)
		}
		rows = append(rows, name)
	}
	for _, name := range partNames[PartNone+1:] {
		if !slices.Contains(rows, name) {
			t.Errorf("there is no row for %s", name)
		}
	}
}
