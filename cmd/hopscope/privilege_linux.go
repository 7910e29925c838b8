package main

import (
	"errors"
	"fmt"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// kept are the capabilities that a running trace still needs.
var kept = []uint{
	unix.CAP_BPF,             // maps: kernels before 5.19 ask for it at each look-up
	unix.CAP_NET_ADMIN,       // buffers of netlink subscriptions that are renewed
	unix.CAP_SYS_ADMIN,       // namespaces of containers that start; the kernel's accounting of program time
	unix.CAP_SYS_PTRACE,      // namespaces of other users' processes
	unix.CAP_DAC_READ_SEARCH, // their files in /proc
	unix.CAP_DAC_OVERRIDE,    // a capture in the directory of the user behind sudo
	unix.CAP_CHOWN,           // and its owner
}

// dropPrivileges gives up, for all threads and for good, what tracing no longer
// needs once everything is attached. The error is errors.ErrUnsupported in a
// program that was built with cgo: its threads are not all the runtime's.
func dropPrivileges() error {
	var keep uint64
	for _, c := range kept {
		keep |= 1 << c
	}
	for c := uint(0); c <= unix.CAP_LAST_CAP; c++ {
		if keep>>c&1 != 0 {
			continue
		}
		// Without CAP_SETPCAP the bounding set stays as it is (EPERM), and without
		// the capability in the kernel there is nothing to drop (EINVAL).
		_, _, errno := syscall.AllThreadsSyscall(syscall.SYS_PRCTL, unix.PR_CAPBSET_DROP, uintptr(c), 0)
		if errno == syscall.ENOTSUP {
			return errors.ErrUnsupported
		}
	}
	if _, _, errno := syscall.AllThreadsSyscall6(syscall.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0); errno != 0 {
		return fmt.Errorf("give up new privileges: %w", errno)
	}
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if err := unix.Capget(&head, &sets[0]); err != nil {
		return fmt.Errorf("read the capabilities: %w", err)
	}
	for i := range sets {
		mask := uint32(keep >> (32 * i))
		sets[i].Effective &= mask
		sets[i].Permitted &= mask
		sets[i].Inheritable &= mask
	}
	_, _, errno := syscall.AllThreadsSyscall(syscall.SYS_CAPSET, uintptr(unsafe.Pointer(&head)), uintptr(unsafe.Pointer(&sets[0])), 0)
	if errno != 0 {
		return fmt.Errorf("drop capabilities: %w", errno)
	}
	return nil
}
