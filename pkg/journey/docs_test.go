package journey

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// Each hop has its row in docs/hops.md, and each row is a hop. (Those behind them,
// of what happens at the sockets, are the parts of pkg/exchange.)
func TestHopsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/hops.md")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, k := range HopKinds() {
		want = append(want, k.String())
	}
	var rows []string
	hops, _, found := strings.Cut(string(page), "## At the sockets")
	if !found {
		t.Error("docs/hops.md has no section of what happens at the sockets")
	}
	for line := range strings.Lines(hops) {
		name, found := strings.CutPrefix(line, "| `")
		if !found {
			continue
		}
		name, _, _ = strings.Cut(name, "`")
		rows = append(rows, name)
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 8 {
			t.Errorf("the row of %s has %d cells, want 6", name, len(cells)-2)
		}
		for i, cell := range cells[1 : len(cells)-1] {
			if strings.TrimSpace(cell) == "" {
				t.Errorf("cell %d of %s is empty", i+1, name)
			}
		}
	}
	for _, name := range want {
		if !slices.Contains(rows, name) {
			t.Errorf("docs/hops.md has no row for %s", name)
		}
	}
	for i, name := range rows {
		if !slices.Contains(want, name) || slices.Contains(rows[:i], name) {
			t.Errorf("docs/hops.md has a row for %s, which is no hop or has one already", name)
		}
	}
}
