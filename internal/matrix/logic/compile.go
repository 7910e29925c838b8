// Package logic tests the kernel side's own logic on made-up packets, by
// BPF_PROG_TEST_RUN: on this kernel, and on each one of the matrix.
package logic

import (
	"context"
	"fmt"
	"os/exec"
)

// Compile builds source, logic.bpf.c, with the flags of bpf/generate.go.
func Compile(ctx context.Context, source, object string) error {
	out, err := exec.CommandContext(ctx, "clang-19", "-target", "bpfel", "-O2", "-g", "-Wall", "-Werror", "-mcpu=v2",
		"-I/usr/include/x86_64-linux-gnu", "-c", source, "-o", object).CombinedOutput()
	if err != nil {
		return fmt.Errorf("clang-19: %w: %s (scripts/setup.sh tools installs it)", err, out)
	}
	return nil
}
