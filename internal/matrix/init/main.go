// Command init is the first process of a guest of the kernel matrix: it mounts
// what the kernel tells about itself, loads the modules, sets loopback up, runs the
// tests, and ends the machine.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	results = "/dev/ttyS1"
	done    = "hopscope matrix: done"
)

func main() {
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "this is the init of a virtual machine")
		os.Exit(2)
	}
	if err := run(); err != nil {
		fmt.Println("hopscope matrix:", err) // to the console
	}
	unix.Sync()
	if err := unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART); err != nil {
		fmt.Println("hopscope matrix: restart:", err)
	}
}

func run() error {
	if err := sleepLong(); err != nil {
		return err
	}
	if err := mount(); err != nil {
		return err
	}
	if err := loadModules(); err != nil {
		return err
	}
	if err := loopbackUp(); err != nil {
		return err
	}
	out, err := openRaw(results)
	if err != nil {
		return err
	}
	defer out.Close()
	tests, err := filepath.Glob("/tests/*.test")
	if err != nil {
		return err
	}
	for _, test := range tests {
		cmd := exec.Command(test, "-test.v=test2json", "-test.timeout=580s", "-test.run="+pattern())
		cmd.Dir = "/tmp"
		// Collecting garbage takes a good part of an emulated CPU's time.
		cmd.Env = []string{"PATH=/bin", "HOME=/tmp", "GOGC=off", "GOMEMLIMIT=160MiB"}
		cmd.Stdout, cmd.Stderr = out, out
		if err := cmd.Run(); err != nil {
			// The output says which test failed; here only that it did.
			fmt.Println("hopscope matrix:", filepath.Base(test), err)
		}
	}
	_, err = fmt.Fprintln(out, done)
	return err
}

// slack is how much longer than asked for whatever runs here may sleep.
const slack = 4 * time.Millisecond

// sleepLong keeps programs from waking up every 20 µs, as Go's do to watch over
// themselves: that takes a good part of an emulated CPU's time. Timers of the
// kernel, such as those of its queues, stay as they are. What a thread starts
// has its slack (prctl(2)).
func sleepLong() error {
	runtime.LockOSThread()
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(slack.Nanoseconds()), 0, 0, 0); err != nil {
		return fmt.Errorf("set the timer slack: %w", err)
	}
	return nil
}

func mount() error {
	for _, m := range []struct{ kind, at string }{
		{"devtmpfs", "/dev"},
		{"proc", "/proc"},
		{"sysfs", "/sys"},
		{"tmpfs", "/tmp"},
		{"tmpfs", "/run"},
		{"cgroup2", "/sys/fs/cgroup"},
		{"tracefs", "/sys/kernel/tracing"},
	} {
		if err := unix.Mount(m.kind, m.at, m.kind, 0, ""); err != nil && err != unix.EBUSY {
			return fmt.Errorf("mount %s: %w", m.at, err)
		}
	}
	return nil
}

// loopbackUp gives the machine 127.0.0.1 and ::1, which every host has (netdevice(7)).
func loopbackUp() error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return fmt.Errorf("open a socket: %w", err)
	}
	defer unix.Close(socket)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return fmt.Errorf("name lo: %w", err)
	}
	lo.SetUint16(unix.IFF_UP)
	if err := unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, lo); err != nil {
		return fmt.Errorf("set lo up: %w", err)
	}
	return nil
}

// loadModules loads them in the order of their names, which that of their
// dependencies is (finit_module(2)).
func loadModules() error {
	files, err := filepath.Glob("/modules/*.ko")
	if err != nil {
		return err
	}
	for _, path := range files {
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		err = unix.FinitModule(int(file.Fd()), "", 0)
		file.Close()
		if err != nil && err != unix.EEXIST {
			return fmt.Errorf("load module %s: %w", filepath.Base(path), err)
		}
	}
	return nil
}

// openRaw opens a serial port that passes bytes as they are.
func openRaw(path string) (*os.File, error) {
	port, err := os.OpenFile(path, os.O_WRONLY|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	termios, err := unix.IoctlGetTermios(int(port.Fd()), unix.TCGETS)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	termios.Oflag &^= unix.OPOST
	if err := unix.IoctlSetTermios(int(port.Fd()), unix.TCSETS, termios); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return port, nil
}

// pattern is hopscope.run= of the kernel's command line.
func pattern() string {
	line, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return ""
	}
	for field := range strings.FieldsSeq(string(line)) {
		if p, ok := strings.CutPrefix(field, "hopscope.run="); ok {
			return p
		}
	}
	return ""
}
