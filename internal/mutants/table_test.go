package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Who changes a line that a mutant breaks finds out here, at once.
func TestMutantsFitTheSources(t *testing.T) {
	names := map[string]bool{}
	areas := map[string]int{}
	for _, m := range mutants {
		source, err := os.ReadFile(filepath.Join("../..", m.file))
		if err != nil {
			t.Error(err)
			continue
		}
		broken, err := m.of(string(source))
		if err != nil {
			t.Errorf("%s: %v", m.name, err)
		} else if broken == string(source) {
			t.Errorf("%s: changes nothing", m.name)
		}
		if names[m.name] {
			t.Errorf("two mutants are called %q", m.name)
		}
		names[m.name] = true
		areas[strings.TrimPrefix(filepath.Dir(m.file), "pkg/")]++
	}
	for _, area := range []string{"bpf", "journey", "model", "capture", "inventory"} {
		if areas[area] < 2 {
			t.Errorf("%d mutants of %s", areas[area], area)
		}
	}
}
