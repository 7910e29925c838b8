package inventory

import (
	"slices"
	"strings"
)

// maxNear bounds how many names an error proposes.
const maxNear = 3

// near are the names and services that look like name, nearest first: those
// that contain it or differ by few edits.
func near(name string, set []Container) []string {
	type candidate struct {
		name  string
		edits int
	}
	var found []candidate
	seen := make(map[string]bool)
	name = strings.ToLower(name)
	for _, c := range set {
		for _, n := range []string{c.Name, c.Service} {
			if n == "" || seen[n] {
				continue
			}
			seen[n] = true
			d := edits(name, strings.ToLower(n))
			contains := len(name) >= 3 && strings.Contains(strings.ToLower(n), name)
			if contains || d <= max(1, len(name)/3) {
				found = append(found, candidate{n, d})
			}
		}
	}
	slices.SortFunc(found, func(a, b candidate) int {
		if a.edits != b.edits {
			return a.edits - b.edits
		}
		return strings.Compare(a.name, b.name)
	})
	var out []string
	for _, c := range found[:min(maxNear, len(found))] {
		out = append(out, c.name)
	}
	return out
}

// edits is the Levenshtein distance, where two neighbours that changed places
// count as one edit (optimal string alignment).
func edits(a, b string) int {
	s, t := []rune(a), []rune(b)
	var before []int
	prev := make([]int, len(t)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(s); i++ {
		row := make([]int, len(t)+1)
		row[0] = i
		for j := 1; j <= len(t); j++ {
			cost := 1
			if s[i-1] == t[j-1] {
				cost = 0
			}
			row[j] = min(prev[j]+1, row[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && s[i-1] == t[j-2] && s[i-2] == t[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, prev = prev, row
	}
	return prev[len(t)]
}
