package inventory

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxName bounds a name from outside, in characters. Docker's own names are
// shorter, interface names have at most 15 bytes.
const maxName = 128

// escapes matches terminal escape sequences (ECMA-48): CSI, the string
// sequences (OSC, DCS, SOS, PM, APC) up to their terminator, and the short ones.
var escapes = regexp.MustCompile(`(?:\x1b\[|\x{9b})[0-?]*[ -/]*[@-~]?` +
	`|(?:\x1b[\]PX^_]|[\x{9d}\x{90}\x{98}\x{9e}\x{9f}])[^\x07\x1b\x{9c}]*(?:\x07|\x1b\\|\x{9c})?` +
	`|\x1b[ -/]*[0-~]?`)

// Clean makes a name from outside fit for a terminal: without escape
// sequences, control and invisible characters (such as bidirectional
// overrides) and invalid UTF-8, and not longer than 128 characters.
func Clean(s string) string {
	if plain(s) {
		return s
	}
	s = strings.ToValidUTF8(s, "")
	s = escapes.ReplaceAllString(s, "")
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, s)
	if utf8.RuneCountInString(s) > maxName {
		s = string([]rune(s)[:maxName-1]) + "…"
	}
	return s
}

// plain says whether s is short printable ASCII, as nearly all names are.
func plain(s string) bool {
	if len(s) > maxName {
		return false
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
