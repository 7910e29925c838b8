package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/internal/lab/program"
)

func TestMain(m *testing.M) { os.Exit(program.Main(m)) }

// startDemo runs the demo as `make demo` does. It takes the lab's lock itself.
func startDemo(t *testing.T, duration string) (*exec.Cmd, *lab.Output) {
	t.Helper()
	demo := filepath.Join(t.TempDir(), "demo")
	if out, err := exec.Command("go", "build", "-o", demo, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	output := new(lab.Output)
	cmd := exec.Command(demo, "-hopscope", program.Path(t), "-duration", duration)
	cmd.Stdout, cmd.Stderr = output, output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return cmd, output
}

// The breakdown of the demo has its fault on top: most of web's time to api is the
// queue of the device that was made slow. Afterwards nothing of it is left, also
// when it was interrupted.
func TestDemo(t *testing.T) {
	if testing.Short() {
		t.Skip("needs root and a Docker engine, which -short does without")
	}
	before := engineHas(t)
	t.Run("whole", func(t *testing.T) {
		cmd, output := startDemo(t, "5s")
		if err := cmd.Wait(); err != nil {
			t.Fatalf("%v\n%s", err, output)
		}
		told := output.String()
		device := regexp.MustCompile(`on (eth\d), whose end`).FindStringSubmatch(told)
		_, findings, _ := strings.Cut(told, "FINDINGS\n")
		top, _, _ := strings.Cut(findings, "\n")
		if device == nil || !regexp.MustCompile(`^! 9\d(\.\d)?% of \S*web's time to \S*api is .qdisc @ `+device[1]+` of \S*web.$`).MatchString(top) {
			t.Errorf("the first finding is %q\n%s", top, told)
		}
	})
	t.Run("interrupted", func(t *testing.T) {
		cmd, output := startDemo(t, "5m")
		lab.Eventually(t, "it traces", func() bool { return strings.Contains(output.String(), "\ntracing ") })
		time.Sleep(time.Second)
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // its exit code is not promised
		if told := output.String(); !strings.Contains(told, "FINDINGS") {
			t.Errorf("no breakdown:\n%s", told)
		}
	})
	if after := engineHas(t); after != before {
		t.Errorf("left behind: the engine has\n%s\nand had\n%s", after, before)
	}
}

// engineHas lists the demo's containers and networks.
func engineHas(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, args := range [][]string{
		{"ps", "-a", "--filter", "name=^/(client|web|api|db)$", "--format", "container {{.Names}}"},
		{"network", "ls", "--filter", "name=^(front|middle|rear)$", "--format", "network {{.Name}}"},
	} {
		out, err := exec.Command("docker", args...).Output()
		if err != nil {
			t.Fatalf("docker %v: %v", args, err)
		}
		all.Write(out)
	}
	return all.String()
}
