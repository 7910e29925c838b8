package lab

import (
	"fmt"
	"runtime"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// HostNetns is the network namespace that the process runs in.
const HostNetns = "/proc/self/ns/net"

// NetnsOf is the path of a process's network namespace.
func NetnsOf(pid int) string { return fmt.Sprintf("/proc/%d/ns/net", pid) }

// InNetns runs f on a thread that is in the network namespace at path
// (setns(2)). Sockets that f opens and processes that it starts belong to that
// namespace for good; goroutines that it starts do not.
func InNetns(path string, f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		restore, err := enterNetns(path)
		if err != nil {
			runtime.UnlockOSThread()
			done <- err
			return
		}
		err = f()
		// A thread that cannot go back stays locked and ends with its goroutine.
		if restore() == nil {
			runtime.UnlockOSThread()
		}
		done <- err
	}()
	return <-done
}

// enterNetns moves the calling thread, which must be locked.
func enterNetns(path string) (restore func() error, err error) {
	home, err := netns.Get()
	if err != nil {
		return nil, fmt.Errorf("get own network namespace: %w", err)
	}
	target, err := netns.GetFromPath(path)
	if err != nil {
		_ = home.Close()
		return nil, fmt.Errorf("open network namespace %s: %w", path, err)
	}
	defer target.Close()
	if err := netns.Set(target); err != nil {
		_ = home.Close()
		return nil, fmt.Errorf("enter network namespace %s: %w", path, err)
	}
	return func() error {
		defer home.Close()
		return netns.Set(home)
	}, nil
}

// withNetlink calls f with a netlink handle that acts in the namespace at path.
func withNetlink(path string, f func(*netlink.Handle) error) error {
	ns, err := netns.GetFromPath(path)
	if err != nil {
		return fmt.Errorf("open network namespace %s: %w", path, err)
	}
	defer ns.Close()
	handle, err := netlink.NewHandleAt(ns)
	if err != nil {
		return fmt.Errorf("netlink in %s: %w", path, err)
	}
	defer handle.Close()
	return f(handle)
}
