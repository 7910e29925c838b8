//go:build !linux

package inventory

import (
	"context"
	"errors"
)

// A capture is read on any machine; what runs now is only known on Linux.

func (cgroupV2) watch(context.Context) (<-chan cgroupBirth, error) { return nil, errors.ErrUnsupported }

func inode(string) (uint64, error) { return 0, errors.ErrUnsupported }

func nsfsInode(string) (uint32, error) { return 0, errors.ErrUnsupported }

type netlinkDevices struct{}

func (netlinkDevices) Devices(_ uint32, all []Namespace) []Scan {
	out := make([]Scan, 0, len(all))
	for _, ns := range all {
		out = append(out, Scan{Netns: ns.Inode, Err: errors.ErrUnsupported})
	}
	return out
}

func (netlinkDevices) Watch(context.Context, Namespace) (<-chan struct{}, error) {
	return nil, errors.ErrUnsupported
}
