package program

import (
	"strings"
	"time"

	"github.com/hopscope/hopscope/internal/lab"
)

// Ending is how one run of the program ended.
type Ending struct {
	Stdout, Stderr string
	Code           int // exit code, -1 after a signal
	Took           time.Duration
}

// longest is how many characters one sentence of an error may have.
const longest = 400

// WantError checks the exit code, that stdout is empty, and that stderr is one
// sentence of ours with all of the given parts in it.
func (e Ending) WantError(t lab.TB, code int, parts ...string) {
	t.Helper()
	if e.Code != code {
		t.Errorf("exit code %d, want %d", e.Code, code)
	}
	text, ended := strings.CutSuffix(e.Stderr, "\n")
	text, ours := strings.CutPrefix(text, "hopscope: ")
	if !ended || !ours || strings.Contains(text, "\n") {
		t.Errorf("stderr is not one sentence of ours: %q", e.Stderr)
	}
	for _, leak := range []string{"%!", "panic", "goroutine", "strconv.", "0x", "<nil>"} {
		if strings.Contains(text, leak) {
			t.Errorf("%q tells of the program's inside: %q", e.Stderr, leak)
		}
	}
	if len(text) > longest {
		t.Errorf("a sentence of %d characters: %q", len(text), text)
	}
	wantParts(t, e.Stderr, parts)
	if e.Stdout != "" {
		t.Errorf("stdout is not empty: %q", e.Stdout)
	}
}

// WantDone checks that the program ended as it should, and that stderr has all
// of the given parts.
func (e Ending) WantDone(t lab.TB, parts ...string) {
	t.Helper()
	if e.Code != 0 {
		t.Errorf("exit code %d: %s", e.Code, e.Stderr)
	}
	wantParts(t, e.Stderr, parts)
}

func wantParts(t lab.TB, text string, parts []string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q is not in %q", part, text)
		}
	}
}
