package arch

import (
	"os"
	"path"
	"strings"
	"testing"
)

// docs/architecture.md says of each library why it was chosen: of each that go.mod
// names for the module's own sake.
func TestLibrariesHaveTheirReasons(t *testing.T) {
	page, err := os.ReadFile("../../docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "## Libraries")
	table, _, _ = strings.Cut(table, "\n## ")
	mod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	_, direct, _ := strings.Cut(string(mod), "require (")
	direct, _, _ = strings.Cut(direct, ")")
	var libraries int
	for line := range strings.Lines(direct) {
		name, _, found := strings.Cut(strings.TrimSpace(line), " ")
		if !found {
			continue
		}
		libraries++
		if name = strings.TrimSuffix(name, "/v6"); !strings.Contains(table, path.Base(name)) {
			t.Errorf("docs/architecture.md has no row for %s", name)
		}
	}
	if libraries < 10 {
		t.Errorf("go.mod requires %d libraries", libraries)
	}
}
