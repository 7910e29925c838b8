// Package printable makes text from outside fit for a terminal. It is the only
// place where that is decided.
package printable

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// escapes matches terminal escape sequences (ECMA-48): CSI, the string
// sequences (OSC, DCS, SOS, PM, APC) up to their terminator, and the short ones.
var escapes = regexp.MustCompile(`(?:\x1b\[|\x{9b})[0-?]*[ -/]*[@-~]?` +
	`|(?:\x1b[\]PX^_]|[\x{9d}\x{90}\x{98}\x{9e}\x{9f}])[^\x07\x1b\x{9c}]*(?:\x07|\x1b\\|\x{9c})?` +
	`|\x1b[ -/]*[0-~]?`)

// Clean takes out of a text what a terminal would obey or a reader could not see:
// escape sequences as a whole, control and invisible characters (such as
// bidirectional overrides, and all blanks but the usual one), and what is not UTF-8.
func Clean(s string) string {
	if isClean(s) {
		return s
	}
	s = escapes.ReplaceAllString(strings.ToValidUTF8(s, ""), "")
	return strings.Map(func(r rune) rune {
		if !shown(r) {
			return -1
		}
		return r
	}, s)
}

// Bounded is Clean with at most n characters, an ellipsis as the last one where some
// were cut off.
func Bounded(s string, n int) string {
	s = Clean(s)
	if len(s) > n && utf8.RuneCountInString(s) > n {
		s = string([]rune(s)[:n-1]) + "…"
	}
	return s
}

// isClean says whether there is nothing to take out, as in nearly all texts.
func isClean(s string) bool {
	for _, r := range s {
		if (r < ' ' || r > '~') && !shown(r) {
			return false
		}
	}
	return true
}

func shown(r rune) bool { return r != utf8.RuneError && unicode.IsPrint(r) }
