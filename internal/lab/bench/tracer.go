package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/hopscope/hopscope/internal/lab"
)

// patience is how long a tracer may take to begin or to end.
const patience = 20 * time.Second

// tracer is a program that runs beside the traffic.
type tracer struct {
	cmd    *exec.Cmd
	stdout bytes.Buffer
	stderr lab.Output
	exited chan error
}

// startTracer runs a program and returns when ready says that it is at work.
func startTracer(ctx context.Context, ready func(*tracer) bool, name string, args ...string) (*tracer, error) {
	tr := &tracer{cmd: exec.Command(name, args...), exited: make(chan error, 1)}
	tr.cmd.Stdout, tr.cmd.Stderr = &tr.stdout, &tr.stderr
	// The terminal's Ctrl-C is for this program, which then ends the tracer.
	tr.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := tr.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { tr.exited <- tr.cmd.Wait() }()
	deadline := time.After(patience)
	for !ready(tr) {
		select {
		case err := <-tr.exited:
			return nil, fmt.Errorf("%s ended at once: %w\n%s", name, errors.Join(err), tr.stderr.String())
		case <-deadline:
			return nil, errors.Join(fmt.Errorf("%s is not at work after %s", name, patience), tr.stop())
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), tr.stop())
		case <-time.After(20 * time.Millisecond):
		}
	}
	return tr, nil
}

// stop interrupts the tracer and waits until it has said what it has to say.
func (tr *tracer) stop() error {
	if err := tr.cmd.Process.Signal(os.Interrupt); err != nil {
		return fmt.Errorf("interrupt %s: %w", tr.cmd.Path, err)
	}
	select {
	case err := <-tr.exited:
		if err != nil {
			return fmt.Errorf("%s: %w\n%s", tr.cmd.Path, err, tr.stderr.String())
		}
		return nil
	case <-time.After(patience):
		_ = tr.cmd.Process.Kill()
		return fmt.Errorf("%s did not end within %s", tr.cmd.Path, patience)
	}
}
