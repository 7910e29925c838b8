package inventory

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// userSockets is where engines of users without root listen (moby,
// docs "Rootless mode": $XDG_RUNTIME_DIR/docker.sock).
const userSockets = "/run/user/*/docker.sock"

// rootlessNote says what tracing a rootless engine's containers means.
const rootlessNote = "the engine is rootless: its bridges, NAT and published ports are in a network namespace of its own, " +
	"and what crosses to the host passes through a process there (rootlesskit, slirp4netns or pasta), where journeys end and begin anew"

// noteRootless says that the engine is rootless, or that one which was not
// asked for is there while the usual one does not answer.
func (inv *Inventory) noteRootless(e Engine, answers bool) {
	if answers {
		inv.state.rootless = e.Rootless
	}
	switch {
	case answers && e.Rootless:
		inv.note("rootless", rootlessNote)
	case !answers && inv.usual:
		inv.note("rootless", otherEngines(userSockets))
	default:
		inv.note("rootless", "")
	}
}

// otherEngines is "" when there is none.
func otherEngines(pattern string) string {
	found, _ := filepath.Glob(pattern) // the pattern is well formed
	var flags []string
	for _, path := range found {
		if st, err := os.Stat(path); err == nil && st.Mode().Type() == os.ModeSocket {
			flags = append(flags, "--docker-host unix://"+Clean(path))
		}
	}
	if len(flags) == 0 {
		return ""
	}
	return fmt.Sprintf("rootless Docker is here: name its engine with %s", strings.Join(flags, " or "))
}
