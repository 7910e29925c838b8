package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/hopscope/hopscope/internal/matrix/logic"
)

// limit is how long one test may take, the wait for the lab included.
const limit = 15 * time.Minute

// scratch is a copy of the sources, in which things may be broken.
type scratch struct{ dir string }

// newCopy copies what git knows of, or would, in the working directory.
func newCopy(ctx context.Context) (scratch, error) {
	list, err := exec.CommandContext(ctx, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		return scratch{}, fmt.Errorf("git ls-files: %w", err)
	}
	dir, err := os.MkdirTemp("", "hopscope-mutants-")
	if err != nil {
		return scratch{}, err
	}
	c := scratch{dir}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(list), "\x00"), "\x00") {
		if err := c.take(name); err != nil {
			c.remove()
			return scratch{}, err
		}
	}
	return c, nil
}

func (c scratch) remove() { _ = os.RemoveAll(c.dir) }

// take copies one file. One that git knows and that is gone stays away.
func (c scratch) take(name string) error {
	info, err := os.Stat(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	content, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	to := filepath.Join(c.dir, name)
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, content, info.Mode().Perm())
}

// sound runs the tests of all mutants on the sources as they are: what fails
// there catches nothing.
func (c scratch) sound(ctx context.Context, list []mutant) error {
	type test struct{ pkg, run string }
	done := map[test]bool{}
	for _, m := range list {
		t := test{m.pkg, m.run}
		if done[t] {
			continue
		}
		done[t] = true
		if out, err := c.test(ctx, m); err != nil {
			return fmt.Errorf("%s %s fails without a mutant: %w\n%s", m.pkg, m.run, err, out)
		}
	}
	return nil
}

// kill is nil where a test noticed the mutant. The copy is whole afterwards.
func (c scratch) kill(ctx context.Context, m mutant) (err error) {
	restore, err := c.apply(m)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, restore()) }()
	if err := c.build(ctx, m); err != nil {
		return fmt.Errorf("it does not even compile: %w", err)
	}
	out, err := c.test(ctx, m)
	var exit *exec.ExitError
	switch {
	case err == nil:
		return fmt.Errorf("%s %s passes", m.pkg, m.run)
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &exit) && bytes.Contains(out, []byte("--- FAIL: ")):
		return nil
	}
	return fmt.Errorf("no test failed, but: %w\n%s", err, out)
}

// apply changes the file and gives what undoes it, generated files included.
func (c scratch) apply(m mutant) (restore func() error, err error) {
	path := filepath.Join(c.dir, m.file)
	before, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	after, err := m.of(string(before))
	if err != nil {
		return nil, err
	}
	restore = func() error {
		err := os.WriteFile(path, before, 0o644)
		if m.generates() {
			for _, generated := range []string{"bpf/hopscope_bpfel.go", "bpf/hopscope_bpfel.o"} {
				err = errors.Join(err, c.take(generated))
			}
		}
		return err
	}
	return restore, os.WriteFile(path, []byte(after), 0o644)
}

// of gives the broken source.
func (m mutant) of(source string) (string, error) {
	if n := strings.Count(source, m.from); n != 1 {
		return "", fmt.Errorf("%q occurs in %s %d times, not once: change internal/mutants/table.go with it", m.from, m.file, n)
	}
	return strings.Replace(source, m.from, m.to, 1), nil
}

// generates says whether the mutant needs the kernel programs compiled.
func (m mutant) generates() bool { return strings.HasPrefix(m.file, "bpf/") && m.pkg != logicTest }

// build fails where the compiler, instead of a test, refuses the mutant.
func (c scratch) build(ctx context.Context, m mutant) error {
	if m.pkg == logicTest {
		source := filepath.Join(c.dir, logicTest, "logic.bpf.c")
		return logic.Compile(ctx, source, filepath.Join(c.dir, "logic.o"))
	}
	if m.generates() {
		if out, err := c.goTool(ctx, "generate", "./bpf"); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
	}
	if out, err := c.goTool(ctx, "vet", "./"+m.pkg); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

func (c scratch) test(ctx context.Context, m mutant) ([]byte, error) {
	return c.goTool(ctx, "test", "-count=1", "-timeout", limit.String(), "-run", "^"+m.run, "./"+m.pkg)
}

func (c scratch) goTool(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = c.dir
	// The test program, too, ends where the run is cut short.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	return cmd.CombinedOutput()
}
