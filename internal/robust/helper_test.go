package robust

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/hopscope/hopscope/internal/lab"
)

// helperEnv tells a child what to do to itself before it becomes the program
// under test.
const helperEnv = "HOPSCOPE_ROBUST_HELPER"

// helper is this test program in the place of such a child: the arguments are
// the program and its own.
func helper() (code int, ok bool) {
	do := os.Getenv(helperEnv)
	if do == "" {
		return 0, false
	}
	if do == "no-bpf" {
		if err := refuse(unix.SYS_BPF); err != nil {
			fmt.Fprintln(os.Stderr, "refuse bpf(2):", err)
			return 99, true
		}
	}
	if do == "no-capset" {
		if err := refuse(unix.SYS_CAPSET); err != nil {
			fmt.Fprintln(os.Stderr, "refuse capset(2):", err)
			return 99, true
		}
	}
	if do == "leave" {
		return leave(os.Args[1:]), true
	}
	if do == "no-btf" {
		if err := hide("/sys/kernel/btf"); err != nil {
			fmt.Fprintln(os.Stderr, "hide the type information:", err)
			return 99, true
		}
	}
	if files, ok := strings.CutPrefix(do, "files:"); ok {
		n, err := strconv.ParseUint(files, 10, 64)
		if err == nil {
			err = unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: n, Max: n})
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "limit the files:", err)
			return 99, true
		}
	}
	if group, ok := strings.CutPrefix(do, "cgroup:"); ok {
		if err := os.WriteFile(group+"/cgroup.procs", []byte("0"), 0); err != nil {
			fmt.Fprintln(os.Stderr, "enter the cgroup:", err)
			return 99, true
		}
	}
	_ = os.Unsetenv(helperEnv)
	err := syscall.Exec(os.Args[1], os.Args[1:], os.Environ())
	fmt.Fprintln(os.Stderr, "exec:", err)
	return 99, true
}

// leave starts a program of its own, as a test does, tells its process id, and does
// not end.
func leave(args []string) int {
	lab.Mark()
	_ = os.Unsetenv(helperEnv)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 99
	}
	fmt.Println(cmd.Process.Pid)
	select {} // until it is killed
}

// through runs the program as a child that first does something to itself.
func through(t *testing.T, do string) func(*exec.Cmd) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return func(cmd *exec.Cmd) {
		cmd.Args = append([]string{self}, cmd.Args...)
		cmd.Path = self
		cmd.Env = append(os.Environ(), helperEnv+"="+do)
	}
}

// hide puts an empty directory over one, for this process and what it executes.
func hide(dir string) error {
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return err
	}
	if err := unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	return unix.Mount("tmpfs", dir, "tmpfs", 0, "")
}

// refuse makes a system call fail with EPERM for this thread and what it executes,
// as Docker's default profile does with bpf(2) (seccomp(2)).
func refuse(call uint32) error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	const nr = 0 // offset of the number in struct seccomp_data
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: nr},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: call},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&prog)))
	if errno != 0 {
		return errno
	}
	return nil
}
