package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"

	"github.com/hopscope/hopscope/internal/lab/outcome"
)

// Load is a run of the traffic program that is under way.
type Load struct {
	t    TB
	what string
	wait func() (outcome.Result, error)
}

// Wait waits for the program's end and gives its result. A program that failed
// ends the test; failed requests do not, they are in the result.
func (l *Load) Wait() outcome.Result {
	l.t.Helper()
	result, err := l.wait()
	must(l.t, err, "%s", l.what)
	return result
}

// Run runs the traffic program inside the container, in its cgroup and
// namespaces, and waits: Run("rr", "--count", "100", "web:8000").
func (c *Container) Run(args ...string) outcome.Result {
	c.shop.t.Helper()
	return c.Start(args...).Wait()
}

// Start is Run without waiting. The program dies with its container.
func (c *Container) Start(args ...string) *Load {
	t := c.shop.t
	t.Helper()
	ctx, engine := context.Background(), c.shop.Client
	made, err := engine.ContainerExecCreate(ctx, c.ID, container.ExecOptions{
		Cmd: append([]string{"/traffic"}, args...), AttachStdout: true, AttachStderr: true,
	})
	must(t, err, "exec in %s", c.Name)
	stream, err := engine.ContainerExecAttach(ctx, made.ID, container.ExecAttachOptions{})
	must(t, err, "exec in %s", c.Name)

	var stdout, stderr bytes.Buffer
	copied := make(chan error, 1)
	go func() {
		_, err := stdcopy.StdCopy(&stdout, &stderr, stream.Reader)
		stream.Close()
		copied <- err
	}()
	return &Load{t: t, what: fmt.Sprintf("traffic %s in %s", strings.Join(args, " "), c.Name),
		wait: func() (outcome.Result, error) {
			if err := <-copied; err != nil {
				return outcome.Result{}, err
			}
			state, err := engine.ContainerExecInspect(ctx, made.ID)
			if err != nil {
				return outcome.Result{}, err
			}
			if state.ExitCode != 0 {
				return outcome.Result{}, fmt.Errorf("exit code %d: %s", state.ExitCode, stderr.String())
			}
			return parseResult(stdout.Bytes())
		}}
}

func parseResult(stdout []byte) (outcome.Result, error) {
	var result outcome.Result
	if err := json.Unmarshal(stdout, &result); err != nil {
		return result, fmt.Errorf("result %q: %w", stdout, err)
	}
	return result, nil
}

// Logs is what the container's own program wrote so far.
func (c *Container) Logs() string {
	c.shop.t.Helper()
	stream, err := c.shop.Client.ContainerLogs(context.Background(), c.ID,
		container.LogsOptions{ShowStdout: true, ShowStderr: true})
	must(c.shop.t, err, "logs of %s", c.Name)
	defer stream.Close()
	var out bytes.Buffer
	if _, err := stdcopy.StdCopy(&out, &out, stream); err != nil && err != io.EOF {
		c.shop.t.Logf("logs of %s: %v", c.Name, err)
	}
	return out.String()
}

// servedPort is the port that a server listens on.
func servedPort(args []string) (int, bool) {
	defaults := map[string]int{"serve": 8000, "nameserver": 53}
	if len(args) == 0 || defaults[args[0]] == 0 {
		return 0, false
	}
	if i := slices.Index(args, "--port"); i >= 0 && i+1 < len(args) {
		port, err := strconv.Atoi(args[i+1])
		return port, err == nil
	}
	return defaults[args[0]], true
}

// waitListening waits up to 10 s for a TCP listener. It looks into /proc and
// sends no packet, so that a test counts only its own.
func (c *Container) waitListening(port int) {
	t := c.shop.t
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !listens(c.PID, port) {
		if time.Now().After(deadline) {
			t.Fatalf("%s does not listen on port %d:\n%s", c.Name, port, c.Logs())
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// listens looks for a socket in state LISTEN (0A) in /proc/PID/net/tcp and
// tcp6 (proc(5), net/tcp_ipv4.c tcp4_seq_show).
func listens(pid, port int) bool {
	suffix := fmt.Sprintf(":%04X", port)
	for _, file := range []string{"tcp", "tcp6"} {
		table, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", pid, file))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(table)) {
			fields := strings.Fields(line)
			if len(fields) > 3 && strings.HasSuffix(fields[1], suffix) && fields[3] == "0A" {
				return true
			}
		}
	}
	return false
}
