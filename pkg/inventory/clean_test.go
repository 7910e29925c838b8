package inventory

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"":                                  "",
		"web-1":                             "web-1",
		"größe":                             "größe",
		"\x1b[31mred\x1b[0m":                "red",
		"\x1b]0;title\x07web":               "web",
		"\x1b]8;;http://x\x1b\\web":         "web",
		"a\x1b(Bb":                          "ab",
		"\u009b2Jweb":                       "web",
		"we\x00b\n\t\r":                     "web",
		"web\x1b":                           "web",
		"\xff\xfeweb":                       "web",
		"evil\u202egpj.exe":                 "evilgpj.exe",
		"zero\u200bwidth":                   "zerowidth",
		strings.Repeat("x", maxName):        strings.Repeat("x", maxName),
		strings.Repeat("é", maxName+1):      strings.Repeat("é", maxName-1) + "…",
		strings.Repeat("x", 10*maxName):     strings.Repeat("x", maxName-1) + "…",
		"\x1b]0;unterminated title and web": "",
	} {
		if got := Clean(in); got != want {
			t.Errorf("Clean(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzClean(f *testing.F) {
	for _, s := range []string{"web", "\x1b[31m", "\x1b\x1b[[31m31m", "\u009d x", "\xc2\x1b[m\x9b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := Clean(s)
		if !utf8.ValidString(got) || utf8.RuneCountInString(got) > maxName {
			t.Fatalf("%q became %q", s, got)
		}
		for _, r := range got {
			if r < ' ' || (r >= 0x7f && r < 0xa0) {
				t.Fatalf("%q became %q with a control character", s, got)
			}
		}
		if again := Clean(got); again != got {
			t.Fatalf("%q became %q and then %q", s, got, again)
		}
	})
}
