package inventory

import "github.com/hopscope/hopscope/pkg/printable"

// maxName bounds a name from outside, in characters. Docker's own names are
// shorter, interface names have at most 15 bytes.
const maxName = 128

// Clean makes a name from outside fit for a terminal, and not longer than 128
// characters.
func Clean(s string) string { return printable.Bounded(s, maxName) }
