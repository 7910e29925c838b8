// Package arch holds the import arrows of docs/architecture.md: what flows from
// the kernel to the screen imports in one direction only.
package arch

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/hopscope/hopscope/"

// arrows names, for each area, the other areas that it may import. An area is
// a package and what is below it. Tests may import what they like.
var arrows = map[string][]string{
	"bpf":              {},
	"pkg/cgroup2":      {},
	"pkg/crash":        {},
	"pkg/probe":        {"bpf", "pkg/crash", "pkg/cgroup2", "pkg/dns"},
	"pkg/journey":      {},
	"pkg/dropreason":   {},
	"pkg/printable":    {},
	"pkg/dns":          {},
	"pkg/hostfacts":    {},
	"pkg/inventory":    {"pkg/crash", "pkg/cgroup2", "pkg/journey", "pkg/printable"},
	"pkg/exchange":     {},
	"pkg/model":        {"pkg/dropreason", "pkg/journey", "pkg/dns", "pkg/exchange", "pkg/inventory"},
	"pkg/history":      {"pkg/journey", "pkg/inventory", "pkg/model"},
	"pkg/hostcounters": {"pkg/model"},
	"pkg/pipeline":     {"pkg/crash", "pkg/probe", "pkg/hostcounters", "pkg/journey", "pkg/dns", "pkg/exchange", "pkg/inventory", "pkg/model"},
	"pkg/capture":      {"pkg/crash", "pkg/printable", "pkg/journey", "pkg/dns", "pkg/exchange", "pkg/inventory", "pkg/model"},
	"pkg/record":       {"pkg/crash", "pkg/pipeline", "pkg/capture", "pkg/journey", "pkg/dns", "pkg/exchange", "pkg/inventory", "pkg/model"},
	"pkg/when":         {"pkg/model"},
	"pkg/replay":       {"pkg/capture", "pkg/history", "pkg/journey", "pkg/exchange", "pkg/inventory", "pkg/model"},
	"pkg/baseline":     {"pkg/capture"},
	"pkg/diff":         {"pkg/model"},
	"pkg/export":       {"pkg/printable", "pkg/dropreason", "pkg/journey", "pkg/model", "pkg/diff"},
	"tui":              {"pkg/crash", "pkg/printable", "pkg/dropreason", "pkg/journey", "pkg/inventory", "pkg/model", "pkg/history"},
	"tui/internal":     {"pkg/crash", "pkg/journey", "pkg/dns", "pkg/exchange", "pkg/inventory", "pkg/model", "pkg/history", "tui"}, // made-up traffic
	"internal": { // fixtures and tests of the whole: no part of the program
		"bpf", "pkg/printable", "pkg/probe", "pkg/hostfacts", "pkg/hostcounters", "pkg/dropreason", "pkg/journey", "pkg/dns", "pkg/exchange", "pkg/inventory", "pkg/model", "pkg/history", "pkg/pipeline",
		"pkg/capture", "pkg/record", "pkg/when", "pkg/replay", "pkg/baseline", "pkg/diff", "pkg/export", "tui",
	},
	"cmd": {
		"bpf", "pkg/crash", "pkg/printable", "pkg/probe", "pkg/hostfacts", "pkg/hostcounters", "pkg/dropreason", "pkg/journey", "pkg/dns", "pkg/exchange", "pkg/inventory", "pkg/model", "pkg/history", "pkg/pipeline",
		"pkg/capture", "pkg/record", "pkg/when", "pkg/replay", "pkg/baseline", "pkg/diff", "pkg/export", "tui",
	},
}

// listed is what the test needs of `go list -json`.
type listed struct {
	ImportPath string
	Imports    []string
}

func TestImportsFollowTheArrows(t *testing.T) {
	packages := list(t)
	if len(packages) < len(arrows)/2 {
		t.Fatalf("go list knows %d packages only", len(packages))
	}
	for _, p := range packages {
		from := areaOf(p.ImportPath)
		if from == "" {
			t.Errorf("%s belongs to no area: give it its arrows here", p.ImportPath)
			continue
		}
		for _, imported := range p.Imports {
			if !strings.HasPrefix(imported, module) {
				continue
			}
			if to := areaOf(imported); to != from && !slices.Contains(arrows[from], to) {
				t.Errorf("%s imports %s: %s may import only %v", p.ImportPath, imported, from, arrows[from])
			}
		}
	}
}

// An arrow back would make a wrong import look right.
func TestArrowsHaveNoCycle(t *testing.T) {
	var visit func(area string, path []string)
	visit = func(area string, path []string) {
		if slices.Contains(path, area) {
			t.Fatalf("cycle: %v, %s", path, area)
		}
		for _, next := range arrows[area] {
			visit(next, append(slices.Clone(path), area))
		}
	}
	for area := range arrows {
		visit(area, nil)
	}
}

// areaOf is the area of a package of this module, the innermost one; "" when it
// has none.
func areaOf(importPath string) string {
	path, found := strings.TrimPrefix(importPath, module), ""
	for area := range arrows {
		if (path == area || strings.HasPrefix(path, area+"/")) && len(area) > len(found) {
			found = area
		}
	}
	return found
}

func list(t *testing.T) []listed {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", module+"...")
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	var packages []listed
	decoder := json.NewDecoder(bytes.NewReader(out))
	for {
		var p listed
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			return packages
		}
		if err != nil {
			t.Fatalf("go list: %v", err)
		}
		packages = append(packages, p)
	}
}
