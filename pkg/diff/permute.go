package diff

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
)

// share is a part of the packets of one slice.
type share struct{ part, whole float64 }

const (
	minRounds = 9_999
	maxRounds = 999_999
	// seenEnough ends the permutations: what chance alone did that often in a
	// few rounds is not significant (Besag and Clifford, Sequential Monte Carlo
	// p-values, Biometrika 78, 1991).
	seenEnough = 50
)

// rounds is how many permutations a p-value takes that shall pass Holm's
// correction for a number of tests.
func rounds(tests int) int {
	return min(max(int(2*float64(tests)/Alpha), minRounds), maxRounds)
}

// permutationP is the chance that slices drawn from both captures at random
// differ in their share by as much as the captures do. It is the same in every
// run.
func permutationP(before, after []share, rounds int) float64 {
	all := append(slices.Clone(before), after...)
	var whole share
	for _, s := range all {
		whole.part += s.part
		whole.whole += s.whole
	}
	difference := func(first []share) float64 {
		var a share
		for _, s := range first {
			a.part += s.part
			a.whole += s.whole
		}
		return math.Abs(a.part/a.whole - (whole.part-a.part)/(whole.whole-a.whole))
	}
	const tiny = 1e-12 // sums in another order differ in their last digits
	seen := difference(before) - tiny
	random := rand.New(rand.NewPCG(1, 2))
	as := 0
	for round := 1; round <= rounds; round++ {
		for i := range before {
			k := i + random.IntN(len(all)-i)
			all[i], all[k] = all[k], all[i]
		}
		if difference(all[:len(before)]) >= seen {
			if as++; as == seenEnough {
				return float64(as) / float64(round)
			}
		}
	}
	return float64(as+1) / float64(rounds+1)
}

// holm corrects p-values for the number of tests that were or could have been
// made (Holm, Scandinavian Journal of Statistics 6, 1979).
func holm(tests int, ps []*float64) {
	sorted := slices.SortedFunc(slices.Values(ps), func(a, b *float64) int { return cmp.Compare(*a, *b) })
	least := 0.0
	for i, p := range sorted {
		least = max(least, min(1, *p*float64(max(tests-i, 1))))
		*p = least
	}
}
