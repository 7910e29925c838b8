package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hopscope/hopscope/internal/matrix/logic"
)

const modulePath = "github.com/hopscope/hopscope"

// moduleRoot is the directory of go.mod.
func moduleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", modulePath).Output()
	if err != nil {
		return "", fmt.Errorf("find the sources: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// packages whose tests run in the guest, in this order.
//
// The last one does to its guest what cannot be undone.
var packages = []string{"pkg/probe", "internal/matrix/logic", "internal/matrix/guest", "internal/matrix/refuse"}

// programs of the guest, and where they lie in it.
var programs = map[string]string{"internal/matrix/init": "init", "internal/lab/traffic": "bin/traffic", "cmd/hopscope": "bin/hopscope"}

// commonFiles builds what every guest has: /init, the tests and nft.
func commonFiles(ctx context.Context, root, work string) ([]byte, error) {
	var c cpio
	for _, dir := range []string{"dev", "proc", "sys", "tmp", "run", "tests", "modules"} {
		c.dir(dir)
	}
	if err := c.copyWithLibraries(ctx, "nft"); err != nil {
		return nil, err
	}
	// Together, so that one program is linked while another one is.
	if err := goBuild(ctx, work, []string{"build"}, slices.Collect(maps.Keys(programs))); err != nil {
		return nil, err
	}
	for pkg, to := range programs {
		if err := c.copyFile(to, filepath.Join(work, path.Base(pkg))); err != nil {
			return nil, err
		}
	}
	if err := goBuild(ctx, work, []string{"test", "-c", "-tags", "matrix"}, packages); err != nil {
		return nil, err
	}
	for i, pkg := range packages {
		if err := c.copyFile(fmt.Sprintf("tests/%d-%s.test", i, path.Base(pkg)), filepath.Join(work, path.Base(pkg)+".test")); err != nil {
			return nil, err
		}
	}
	object := filepath.Join(work, "logic.o")
	if err := logic.Compile(ctx, filepath.Join(root, "internal/matrix/logic/logic.bpf.c"), object); err != nil {
		return nil, err
	}
	if err := c.copyFile("tests/logic.o", object); err != nil {
		return nil, err
	}
	return c.bytes(), nil
}

// goBuild makes static programs, since the guest has no C library of its own.
func goBuild(ctx context.Context, dir string, command, pkgs []string) error {
	args := append(slices.Clip(command), "-trimpath", "-ldflags=-s -w", "-o", dir+"/")
	for _, pkg := range pkgs {
		args = append(args, modulePath+"/"+pkg)
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOARCH=amd64")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

func (c *cpio) copyFile(name, from string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	c.file(name, data)
	return nil
}

// copyWithLibraries puts a program of this machine into /bin, and the shared
// libraries that it needs where its loader looks for them (ldd(1)).
func (c *cpio) copyWithLibraries(ctx context.Context, program string) error {
	from, err := exec.LookPath(program)
	if err != nil {
		return fmt.Errorf("%w: install it with scripts/setup.sh matrix", err)
	}
	c.dir("bin")
	if err := c.copyFile("bin/"+program, from); err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, "ldd", from).Output()
	if err != nil {
		return fmt.Errorf("ldd %s: %w", from, err)
	}
	made := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		for field := range strings.FieldsSeq(line) {
			if !strings.HasPrefix(field, "/") {
				continue
			}
			c.parents(field, made)
			if err := c.copyFile(field[1:], field); err != nil {
				return err
			}
		}
	}
	return nil
}

// parents makes the directories above a file.
func (c *cpio) parents(file string, made map[string]bool) {
	dir := path.Dir(file)
	if dir == "/" || made[dir] {
		return
	}
	c.parents(dir, made)
	made[dir] = true
	c.dir(dir[1:])
}

// moduleFiles builds what one kernel's guest has besides.
func moduleFiles(ctx context.Context, k kernel) ([]byte, error) {
	tree, err := readModuleTree(k)
	if err != nil {
		return nil, err
	}
	list, err := tree.closure(ctx, modules)
	if err != nil {
		return nil, fmt.Errorf("kernel %s: %w", k.version, err)
	}
	var c cpio
	for i, m := range list {
		c.file(fmt.Sprintf("modules/%03d-%s.ko", i, m.name), m.code)
	}
	return c.bytes(), nil
}
