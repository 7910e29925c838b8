package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// commandLine: results come over the second serial port, so that no message of
// the kernel falls into them. What slows an emulated CPU down is left out.
const commandLine = "console=ttyS0 quiet panic=-1 mitigations=off nokaslr " +
	"random.trust_cpu=on tsc=reliable no_timer_check init_on_alloc=0 cryptomgr.notests"

// guest runs the tests on one kernel.
func (o options) guest(ctx context.Context, k kernel, common []byte, work string) outcome {
	out := outcome{kernel: k}
	start := time.Now()
	defer func() { out.took = time.Since(start) }()
	out.err = func() error {
		if err := os.MkdirAll(work, 0o755); err != nil {
			return err
		}
		initrd := filepath.Join(work, "initrd")
		own, err := moduleFiles(ctx, k)
		if err != nil {
			return err
		}
		if err := os.WriteFile(initrd, append(bytes.Clone(common), own...), 0o644); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(ctx, o.limit)
		defer cancel()
		out.cpu, err = o.emulate(ctx, k, initrd, work)
		out.console, _ = os.ReadFile(filepath.Join(work, "console"))
		out.result, _ = os.ReadFile(filepath.Join(work, "result"))
		return err
	}()
	out.took = time.Since(start)
	if out.err == nil {
		out.err = out.parse(ctx)
	}
	return out
}

// emulate boots and waits until the guest restarts, which ends the emulator.
// A CPU without cx16: with it, 6.12 double-faults under QEMU 7.2. KVM is not
// asked for: the matrix runs inside virtual machines too, and everywhere alike.
// It tells how much of this machine's CPUs the emulator took.
func (o options) emulate(ctx context.Context, k kernel, initrd, work string) (cpu time.Duration, err error) {
	line := commandLine
	if o.run != "" {
		line += " hopscope.run=" + o.run
	}
	cmd := exec.CommandContext(ctx, "qemu-system-x86_64",
		"-machine", "pc", "-accel", "tcg,thread=multi", "-cpu", "max,-cx16",
		"-m", "512", "-smp", "1", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-qmp", "stdio",
		// Two NICs on one wire.
		"-netdev", "hubport,id=n0,hubid=0", "-device", "virtio-net-pci,netdev=n0,romfile=",
		"-netdev", "hubport,id=n1,hubid=0", "-device", "virtio-net-pci,netdev=n1,romfile=",
		"-kernel", k.vmlinuz(), "-initrd", initrd, "-append", line,
		"-serial", "file:"+filepath.Join(work, "console"),
		"-serial", "file:"+filepath.Join(work, "result"))
	var said bytes.Buffer
	cmd.Stderr = &said
	events, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	commands, err := cmd.StdinPipe()
	if err != nil {
		return 0, err
	}
	if err = cmd.Start(); err == nil {
		wake(events, commands, sleeping)
		err = cmd.Wait()
	}
	if s := cmd.ProcessState; s != nil {
		cpu = s.UserTime() + s.SystemTime()
	}
	if ctx.Err() != nil {
		return cpu, fmt.Errorf("the guest did not end in %v", o.limit)
	}
	if err != nil {
		return cpu, fmt.Errorf("qemu-system-x86_64: %w: %s (scripts/setup.sh matrix installs it)", err, said.String())
	}
	return cpu, nil
}
