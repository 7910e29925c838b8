// Package terminal drives programs in a real terminal, tmux(1): keys go in, and
// what is on the screen comes out.
package terminal

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/hopscope/hopscope/internal/lab"
)

// Patience is how long a text may take to come on screen.
const Patience = 20 * time.Second

// Terminal is a shell in a tmux of its own, which ends with the test.
type Terminal struct {
	t      lab.TB
	socket string
}

// Open starts a shell in a terminal of that size, with the given environment
// ("NAME=value") beside a UTF-8 locale.
func Open(t lab.TB, width, height int, env ...string) *Terminal {
	t.Helper()
	term := &Terminal{t: t, socket: filepath.Join(t.TempDir(), "tmux")}
	// Nothing else of whoever runs the test: CI or NO_COLOR would change what
	// is painted.
	shell := append([]string{"env", "-i", `PATH="$PATH"`, `HOME="$HOME"`, `TERM="$TERM"`, `TMUX="$TMUX"`,
		"LANG=C.UTF-8", "PS1='$ '", lab.OwnerEnv()}, env...)
	term.Tmux("-f", "/dev/null", "new-session", "-d", "-x", fmt.Sprint(width), "-y", fmt.Sprint(height),
		strings.Join(append(shell, "bash", "--norc", "--noprofile"), " "))
	t.Cleanup(func() { _ = exec.Command("tmux", "-S", term.socket, "kill-server").Run() })
	return term
}

// Tmux runs a command of tmux and gives what it says.
func (term *Terminal) Tmux(args ...string) string {
	term.t.Helper()
	out, err := exec.Command("tmux", append([]string{"-S", term.socket}, args...)...).CombinedOutput()
	if err != nil {
		term.t.Fatalf("tmux %s: %v\n%s", args, err, out)
	}
	return string(out)
}

// Press sends keys by tmux's names, one after the other.
func (term *Terminal) Press(keys ...string) {
	term.t.Helper()
	for _, k := range keys {
		term.Tmux("send-keys", k)
		time.Sleep(50 * time.Millisecond)
	}
}

// Type sends bytes at once, as a fast sender does; they may be the codes that a
// terminal sends for a mouse.
func (term *Terminal) Type(text string) {
	term.t.Helper()
	term.Tmux("send-keys", "-l", text)
}

// Screen is the text on the screen.
func (term *Terminal) Screen() string {
	term.t.Helper()
	return term.Tmux("capture-pane", "-p")
}

// Painted is what is on the screen with its colours, as escape sequences, and
// with the blanks at the ends of lines.
func (term *Terminal) Painted() string {
	term.t.Helper()
	return term.Tmux("capture-pane", "-p", "-e", "-N")
}

// Flag is a state of the terminal, such as "alternate_on".
func (term *Terminal) Flag(name string) string {
	term.t.Helper()
	return strings.TrimSpace(term.Tmux("display-message", "-p", "#{"+name+"}"))
}

// Await waits until one line of the screen has all of the texts, and gives its
// number.
func (term *Terminal) Await(texts ...string) int {
	term.t.Helper()
	for end := time.Now().Add(Patience); ; time.Sleep(100 * time.Millisecond) {
		s := term.Screen()
		at := 0
		for line := range strings.Lines(s) {
			if hasAll(line, texts) {
				return at
			}
			at++
		}
		if time.Now().After(end) {
			term.t.Fatalf("no line with %q after %v:\n%s", texts, Patience, s)
		}
	}
}

func hasAll(line string, texts []string) bool {
	for _, text := range texts {
		if !strings.Contains(line, text) {
			return false
		}
	}
	return true
}
