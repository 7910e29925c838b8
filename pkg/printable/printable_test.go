package printable

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"":                                  "",
		"web-1":                             "web-1",
		"größe 水 → 1 %":                     "größe 水 → 1 %",
		"\x1b[31mred\x1b[0m":                "red",
		"\x1b]0;title\x07web":               "web",
		"\x1b]8;;http://x\x1b\\web":         "web",
		"a\x1b(Bb":                          "ab",
		"\u009b2Jweb":                       "web",
		"we\x00b\n\t\r\x7f":                 "web",
		"web\x1b":                           "web",
		"\xff\xfeweb":                       "web",
		"we\ufffdb":                         "web",
		"evil\u202egpj.exe":                 "evilgpj.exe",
		"zero\u200bwidth line\u2028sep":     "zerowidth linesep",
		"\x1b]0;unterminated title and web": "",
		strings.Repeat("x", 5000):           strings.Repeat("x", 5000),
	} {
		if got := Clean(in); got != want {
			t.Errorf("Clean(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestBounded(t *testing.T) {
	for in, want := range map[string]string{
		"abcde": "abcde", "abcdef": "abcd…", "éééééé": "éééé…", "ééééé": "ééééé", "\x1b[31mabcde\x1b[0m": "abcde",
	} {
		if got := Bounded(in, 5); got != want {
			t.Errorf("Bounded(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzClean(f *testing.F) {
	for _, s := range []string{"web", "\x1b[31m", "\x1b\x1b[[31m31m", "\u009d x", "\xc2\x1b[m\x9b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := Clean(s)
		if !utf8.ValidString(got) {
			t.Fatalf("%q became %q", s, got)
		}
		for _, r := range got {
			if unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) || r == utf8.RuneError {
				t.Fatalf("%q became %q", s, got)
			}
		}
		if again := Clean(got); again != got {
			t.Fatalf("%q became %q and then %q", s, got, again)
		}
		if n := utf8.RuneCountInString(Bounded(s, 7)); n > 7 {
			t.Fatalf("%q bounded has %d characters", s, n)
		}
	})
}
