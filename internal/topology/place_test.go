package topology

import (
	"net"
	"net/netip"
	"os"
	"syscall"

	"github.com/hopscope/hopscope/internal/lab"
)

func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }

func placeOf(netns, dev string) (inode, ifindex uint32, err error) {
	info, err := os.Stat(netns)
	if err != nil {
		return 0, 0, err
	}
	err = lab.InNetns(netns, func() error {
		d, err := net.InterfaceByName(dev)
		if err == nil {
			ifindex = uint32(d.Index)
		}
		return err
	})
	return uint32(info.Sys().(*syscall.Stat_t).Ino), ifindex, err
}
