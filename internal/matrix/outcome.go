package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"
)

// outcome is what one guest told.
type outcome struct {
	kernel  kernel
	took    time.Duration
	cpu     time.Duration // of this machine's, while it took that
	err     error         // of the emulation itself
	console []byte
	result  []byte
	events  []event
}

// event is a line of `go test -json` (go doc test2json).
type event struct {
	Action string
	Test   string
	Output string
	Key    string // of an attribute, testing.T.Attr
	Value  string
}

// parse turns the guest's output, which is that of test programs run with
// -test.v=test2json, into events.
func (o *outcome) parse(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, "go", "tool", "test2json")
	cmd.Stdin = bytes.NewReader(o.result)
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("go tool test2json: %w", err)
	}
	dec := json.NewDecoder(bytes.NewReader(out))
	for {
		var e event
		err := dec.Decode(&e)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		o.events = append(o.events, e)
	}
}

// done is what /init writes when all test programs have run.
const done = "hopscope matrix: done"

// verdict is nil where every test passed.
func (o outcome) verdict() error {
	if o.err != nil {
		return fmt.Errorf("%w\n--- the kernel's messages\n%s", o.err, o.console)
	}
	if !bytes.Contains(o.result, []byte(done)) {
		return fmt.Errorf("the guest ended early\n--- the kernel's messages\n%s\n--- results\n%s", o.console, o.result)
	}
	var passed, failed []string
	for _, e := range o.events {
		switch {
		case e.Test == "":
		case e.Action == "pass":
			passed = append(passed, e.Test)
		case e.Action == "fail":
			failed = append(failed, e.Test)
		}
	}
	switch {
	case len(failed) > 0:
		return fmt.Errorf("failed: %s", strings.Join(failed, ", "))
	case len(passed) == 0:
		return errors.New("no test ran")
	}
	return nil
}

// print writes the output of tests that failed, or of all.
func (o outcome) print(w io.Writer, all bool) {
	verdict := "ok"
	if o.verdict() != nil {
		verdict = "FAILED"
	}
	fmt.Fprintf(w, "=== Linux %s: %s (%.1fs, %.1fs of CPU)\n", o.kernel.version, verdict, o.took.Seconds(), o.cpu.Seconds())
	failed := map[string]bool{}
	for _, e := range o.events {
		if e.Action == "fail" {
			failed[e.Test] = true
		}
	}
	for _, e := range o.events {
		if e.Action == "output" && (all || failed[e.Test]) {
			fmt.Fprint(w, e.Output)
		}
	}
}
