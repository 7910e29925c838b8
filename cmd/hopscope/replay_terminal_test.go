package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hopscope/hopscope/internal/lab/program"
)

// TestReplayOnATerminal plays a capture in a real terminal, tmux, without root.
func TestReplayOnATerminal(t *testing.T) {
	if _, err := exec.LookPath("tmux"); errors.Is(err, exec.ErrNotFound) && testing.Short() {
		t.Skip(err)
	}
	dir := t.TempDir()
	writeCapture(t, filepath.Join(dir, "x.hop"))
	hopscope := program.Path(t)
	socket := filepath.Join(dir, "tmux")
	tmux := func(args ...string) string {
		t.Helper()
		out, err := exec.Command("tmux", append([]string{"-S", socket}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("tmux %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	await := func(texts ...string) {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
			s := tmux("capture-pane", "-p")
			missing := ""
			for _, text := range texts {
				if !strings.Contains(s, text) {
					missing = text
				}
			}
			if missing == "" {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("%q is not on screen:\n%s", missing, s)
			}
		}
	}
	tmux("-f", "/dev/null", "new-session", "-d", "-x", "140", "-y", "40",
		fmt.Sprintf("cd %s && env LANG=C.UTF-8 TZ=UTC %s replay x.hop --speed 5; echo exit $?; sleep 60", dir, hopscope))
	t.Cleanup(func() { _ = exec.Command("tmux", "-S", socket, "kill-server").Run() })

	await("REPLAY ×5", "web", "of 30 s")
	for _, x := range []struct{ key, shows string }{
		{"Space", "PAUSED"}, {"0", "PAUSED 0 s of 30 s"}, {"]", "03:04:10"}, {"]", "PAUSED 10 s of 30 s"}, {"]", "03:04:20"}, {"[", "03:04:15"},
	} {
		tmux("send-keys", x.key)
		await(x.shows, "api")
	}
	tmux("send-keys", "+")
	tmux("send-keys", "Space")
	await("END 30 s of 30 s", "03:04:35")
	tmux("send-keys", "e")
	await("exported hopscope-view-20260102T030435Z.html and .json")
	for _, ending := range []string{"html", "json"} {
		if _, err := os.Stat(filepath.Join(dir, "hopscope-view-20260102T030435Z."+ending)); err != nil {
			t.Error(err)
		}
	}
	tmux("send-keys", "q")
	await("exit 0")
}
