package robust

import (
	"os"
	"os/exec"
	"testing"

	"github.com/hopscope/hopscope/internal/lab/program"
)

func TestMain(m *testing.M) {
	if code, ok := helper(); ok {
		os.Exit(code)
	}
	os.Exit(program.Main(m))
}

// runWith is program.Run with a command that prepare has changed.
func runWith(t *testing.T, prepare func(*exec.Cmd), args ...string) program.Ending {
	t.Helper()
	r := program.Command(t, args...)
	prepare(r.Cmd)
	r.Start(t)
	return r.Wait(t)
}
