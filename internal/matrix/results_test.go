package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

// The committed page is what the committed results say.
func TestPageIsWrittenFromTheResults(t *testing.T) {
	list, err := readResults(root)
	if err != nil || len(list) != len(releases) {
		t.Fatalf("%d kernels recorded, want %d; %v", len(list), len(releases), err)
	}
	committed, err := os.ReadFile(filepath.Join(root, supportPage))
	if err != nil {
		t.Fatal(err)
	}
	if string(committed) != string(page(list)) {
		t.Errorf("%s is not what %s says: run the matrix with -update", supportPage, resultsFile)
	}
}

func TestPageHasNoEmptyCell(t *testing.T) {
	list, err := readResults(root)
	if err != nil {
		t.Fatal(err)
	}
	var tables, rows int
	for line := range strings.Lines(string(page(list))) {
		if !strings.HasPrefix(line, "|") {
			continue
		}
		if strings.HasPrefix(line, "|-") {
			tables++
			continue
		}
		rows++
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != len(list)+3 {
			t.Errorf("%d cells, want %d: %s", len(cells)-2, len(list)+1, line)
		}
		for _, cell := range cells[1 : len(cells)-1] {
			if strings.TrimSpace(cell) == "" {
				t.Errorf("an empty cell: %s", line)
			}
		}
	}
	if tables < 4 || rows < 40 {
		t.Errorf("%d rows in %d tables", rows, tables)
	}
}

func recordedSample() result {
	return result{
		Release: "6.1", Version: "6.1.0-1",
		Capabilities: []capability{{Name: "netfilter links", Lost: "speed"}, {Name: "BTF", Available: true}},
		Ways:         map[string][]string{"dnat": {"a/eth0: qdisc @ a/eth0 → prerouting @ host"}},
		Parts:        []string{"app"},
		Checks:       []string{"TestTruth"},
		Instructions: map[string]int{"hs_a": 1000, "hs_b": 10},
	}
}

func TestDifferences(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*result)
		want   string // part of a difference, "" for none
		newer  bool   // another version of the kernel may differ in that
	}{
		"nothing":             {func(*result) {}, "", false},
		"verifier: 25 % more": {func(r *result) { r.Instructions["hs_a"] = 1250 }, "", false},
		"verifier: less":      {func(r *result) { r.Instructions["hs_a"] = 1 }, "", false},
		"verifier: more":      {func(r *result) { r.Instructions["hs_a"] = 1251 }, "hs_a: 1251", false},
		"program added":       {func(r *result) { r.Instructions["hs_c"] = 5 }, "hs_c is not recorded", true},
		"program removed":     {func(r *result) { delete(r.Instructions, "hs_b") }, "hs_b is no more", true},
		"capability gained":   {func(r *result) { r.Capabilities[0].Available = true }, "netfilter links: now true", true},
		"capability lost":     {func(r *result) { r.Capabilities[1].Available = false }, "BTF: now false", false},
		"capability removed":  {func(r *result) { r.Capabilities = r.Capabilities[:1] }, "BTF: not asked for", false},
		"hops":                {func(r *result) { r.Ways["dnat"][0] += " → bridge" }, "hops of dnat", true},
		"topology removed":    {func(r *result) { delete(r.Ways, "dnat") }, "dnat", false},
		"part removed":        {func(r *result) { r.Parts = nil }, "part app is no more", false},
		"test removed":        {func(r *result) { r.Checks = nil }, "test TestTruth is no more", false},
		"test added":          {func(r *result) { r.Checks = append(r.Checks, "TestB") }, "test TestB is not recorded", false},
	} {
		t.Run(name, func(t *testing.T) {
			now := recordedSample()
			c.change(&now)
			got := now.differences(recordedSample())
			wantSaid(t, "faults", got.faults, c.want)
			wantSaid(t, "notes", got.notes, "")

			now.Version = "6.1.0-2"
			got = now.differences(recordedSample())
			if c.newer {
				wantSaid(t, "faults of another version", got.faults, "")
				wantSaid(t, "notes of another version", got.notes, c.want)
			} else {
				wantSaid(t, "faults of another version", got.faults, c.want)
			}
		})
	}
}

func wantSaid(t *testing.T, what string, got []string, want string) {
	t.Helper()
	if want == "" && len(got) > 0 {
		t.Errorf("%s: %q", what, got)
	}
	if want != "" && !slices.ContainsFunc(got, func(d string) bool { return strings.Contains(d, want) }) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// Kernels that did not run keep what was recorded of them.
func TestUpdateKeepsOtherKernels(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "docs"), 0o755); err != nil {
		t.Fatal(err)
	}
	other := recordedSample()
	other.Release = "5.10"
	if err := judge(dir, []result{recordedSample(), other}, true); err != nil {
		t.Fatal(err)
	}
	changed := recordedSample()
	changed.Instructions["hs_a"] = 5000
	if err := judge(dir, []result{changed}, false); err == nil || !strings.Contains(err.Error(), "-update") {
		t.Errorf("a program grew to five times its size: %v", err)
	}
	if err := judge(dir, []result{changed}, true); err != nil {
		t.Fatal(err)
	}
	list, err := readResults(dir)
	if err != nil || len(list) != 2 || list[0].Release != "5.10" || list[1].Instructions["hs_a"] != 5000 {
		t.Errorf("recorded %+v, %v", list, err)
	}
	if err := judge(dir, []result{changed, other}, false); err != nil {
		t.Error(err)
	}
}

func TestHopCellsSayWhatIsLost(t *testing.T) {
	newer := result{Release: "6.12", Ways: map[string][]string{
		"routed": {"a/eth0: qdisc @ a/eth0 → prerouting @ host → stack_tx @ host"},
		"nat":    {"a/eth0: qdisc @ a/eth0 → prerouting @ host"},
	}}
	older := result{Release: "5.10", Ways: map[string][]string{
		"routed": {"a/eth0: qdisc @ a/eth0 → prerouting+routing+forward+postrouting @ host"},
		"nat":    {"a/eth0: qdisc @ a/eth0 → prerouting @ host"},
	}}
	list := []result{older, newer}
	for _, c := range []struct {
		r         result
		hop, want string
	}{
		{newer, "qdisc", "yes"},
		{older, "prerouting", "yes, but not in: routed (part of `prerouting+routing+forward+postrouting`)"},
		{older, "stack_tx", "no; routed (part of `prerouting+routing+forward+postrouting`)"},
		{older, "prerouting+routing+forward+postrouting", "stands for its parts in: routed"},
		{newer, "prerouting+routing+forward+postrouting", "not needed"},
		{newer, "gro", "no topology of the matrix has it"},
	} {
		if got := hopCell(list, c.r, "`"+c.hop+"`"); got != c.want {
			t.Errorf("%s on %s: %q, want %q", c.hop, c.r.Release, got, c.want)
		}
	}
}
