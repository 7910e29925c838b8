package live

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// patience is how long a text may take to come on screen.
const patience = 20 * time.Second

// terminal is a shell in a tmux of its own.
type terminal struct {
	t      *testing.T
	socket string
}

func open(t *testing.T, width, height int) *terminal {
	t.Helper()
	term := &terminal{t: t, socket: filepath.Join(t.TempDir(), "tmux")}
	term.tmux("-f", "/dev/null", "new-session", "-d", "-x", fmt.Sprint(width), "-y", fmt.Sprint(height),
		"env LANG=C.UTF-8 PS1='$ ' bash --norc --noprofile")
	t.Cleanup(func() { _ = exec.Command("tmux", "-S", term.socket, "kill-server").Run() })
	return term
}

func (term *terminal) tmux(args ...string) string {
	term.t.Helper()
	out, err := exec.Command("tmux", append([]string{"-S", term.socket}, args...)...).CombinedOutput()
	if err != nil {
		term.t.Fatalf("tmux %s: %v\n%s", args, err, out)
	}
	return string(out)
}

// press sends keys by tmux's names.
func (term *terminal) press(keys ...string) {
	term.t.Helper()
	for _, k := range keys {
		term.tmux("send-keys", k)
		time.Sleep(50 * time.Millisecond)
	}
}

func (term *terminal) screen() string {
	term.t.Helper()
	return term.tmux("capture-pane", "-p")
}

// flag is a state of the terminal, such as "alternate_on".
func (term *terminal) flag(name string) string {
	term.t.Helper()
	return strings.TrimSpace(term.tmux("display-message", "-p", "#{"+name+"}"))
}

// await waits until one line of the screen has all of the texts.
func (term *terminal) await(texts ...string) {
	term.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		s := term.screen()
		for line := range strings.Lines(s) {
			if hasAll(line, texts) {
				return
			}
		}
		if time.Now().After(end) {
			term.t.Fatalf("no line with %q after %v:\n%s", texts, patience, s)
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
