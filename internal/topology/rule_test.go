package topology

import (
	"os/exec"
	"testing"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/internal/lab/outcome"
)

// runner is who can run the traffic program.
type runner interface {
	Run(args ...string) outcome.Result
}

// rule puts a rule in front of a chain until the test ends.
func rule(t *testing.T, table, chain string, spec ...string) {
	t.Helper()
	program := lab.Iptables()
	run := func(action string) {
		t.Helper()
		args := append([]string{"-w", "-t", table, action, chain}, spec...)
		if out, err := exec.Command(program, args...).CombinedOutput(); err != nil {
			t.Errorf("%s %v: %v: %s", program, args, err, out)
		}
	}
	run("-I")
	t.Cleanup(func() { run("-D") })
}
