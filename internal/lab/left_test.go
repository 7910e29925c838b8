package lab

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// What a process that is gone has left is ended; what a living one has, and what
// nobody has marked, is not.
func TestSweepEndsLeftPrograms(t *testing.T) {
	dead := exec.Command("sleep", "60")
	start(t, dead)
	owner := identity(dead.Process.Pid)
	_ = dead.Process.Kill()
	_ = dead.Wait()
	number, _, _ := strings.Cut(identity(os.Getpid()), ".")
	for _, c := range []struct {
		name, mark string
		ends       bool
	}{
		{"of the dead", ownerEnv + "=" + owner, true},
		{"of one whose number is another's by now", ownerEnv + "=" + number + ".1", true},
		{"of a living one", OwnerEnv(), false},
		{"of nobody", "OTHER=1", false},
		{"without sense", ownerEnv + "=x", false},
	} {
		cmd := exec.Command("sleep", "60")
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), c.mark}
		start(t, cmd)
		Eventually(t, "it is what it is to be", func() bool { return arguments(cmd.Process.Pid)[0] == "sleep" })
		SweepPrograms(t)
		if ended := identity(cmd.Process.Pid) == ""; ended != c.ends {
			t.Errorf("%s: ended: %v", c.name, ended)
		}
	}
	if identity(os.Getpid()) == "" || identity(1<<30) != "" {
		t.Error("a process is not told from none")
	}
}

func start(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
}
