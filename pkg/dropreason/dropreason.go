// Package dropreason says what the kernel means by the reasons for which it
// drops packets (include/net/dropreason-core.h) and by those for which TCP sends
// them again, and what usually mends it.
// docs/drops.md is written from it.
package dropreason

import (
	"slices"
	"strings"
)

// Reason is one reason, or several that mean the same to who looks for a fault.
type Reason struct {
	Names   []string // without the prefix SKB_DROP_REASON_
	Meaning string
	Mend    string
}

// Find gives the explanation of a reason, with or without its prefix and in any
// case of letters; false for one that is not explained.
func Find(name string) (Reason, bool) { return find(All(), Clean(name)) }

// Lookup finds the explanation of whatever has that name: a reason, a function, or a
// kind of retransmission. false: nothing is explained by that name.
func Lookup(name string) (Reason, bool) {
	for _, by := range []func(string) (Reason, bool){Find, FindFunction, FindRetransmit} {
		if r, ok := by(name); ok {
			return r, true
		}
	}
	return Reason{}, false
}

func find(all []Reason, name string) (Reason, bool) {
	for _, r := range all {
		if slices.Contains(r.Names, name) {
			return r, true
		}
	}
	return Reason{}, false
}

// Clean is a reason's name as this package has it.
func Clean(name string) string {
	name = strings.ToUpper(strings.TrimSpace(name))
	return strings.TrimPrefix(strings.TrimPrefix(name, "SKB_DROP_REASON_"), "SKB_")
}

// Near are the names that hold a part of the given one, for who mistyped it.
func Near(name string) (out []string) {
	name = Clean(name)
	for _, r := range Everything() {
		for _, n := range r.Names {
			if known := Clean(n); name != "" && (strings.Contains(known, name) || strings.Contains(name, known)) {
				out = append(out, n)
			}
		}
	}
	return out
}

// Everything lists all that is explained: reasons, functions, and kinds of
// retransmission.
func Everything() []Reason { return slices.Concat(All(), Functions(), Retransmits()) }

// All lists the reasons, from the socket down to the device.
func All() []Reason {
	return slices.Concat(atSocket(), inTCP(), inNetfilter(), inIP(), atDevice())
}
