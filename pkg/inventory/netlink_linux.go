package inventory

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// netlinkDevices reads devices by rtnetlink (man 7 rtnetlink). Handles and
// namespace files are closed right after a reading: an open one would keep the
// namespace of a dead container, and its veth, alive.
type netlinkDevices struct{}

// opened is a namespace held open during one reading.
type opened struct {
	Namespace
	fd netns.NsHandle
}

func (n netlinkDevices) Devices(host uint32, all []Namespace) []Scan {
	var open []opened
	out := make([]Scan, 0, len(all))
	defer func() {
		for _, o := range open {
			_ = o.fd.Close()
		}
	}()
	for _, ns := range all {
		fd, err := openNamespace(ns)
		if err != nil {
			out = append(out, Scan{Netns: ns.Inode, Err: err})
			continue
		}
		o := opened{ns, fd}
		open = append(open, o)
		if ns.Inode == host { // first: most peers are the host's
			open[0], open[len(open)-1] = o, open[0]
		}
	}
	for _, o := range open {
		devices, err := o.devices(open)
		out = append(out, Scan{Netns: o.Inode, Devices: devices, Err: err})
	}
	return out
}

// openNamespace refuses a path that meanwhile leads to another namespace. Its
// error is fs.ErrNotExist when the path or the namespace is gone.
func openNamespace(ns Namespace) (netns.NsHandle, error) {
	fd, err := netns.GetFromPath(ns.Path)
	if err != nil {
		return fd, fmt.Errorf("open namespace %s: %w", ns.Path, err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(fd), &st); err != nil || uint32(st.Ino) != ns.Inode {
		_ = fd.Close()
		return netns.None(), fmt.Errorf("open namespace %s: it has changed: %w", ns.Path, fs.ErrNotExist)
	}
	return fd, nil
}

// isOwnNetns says whether this process is in a namespace: then there is no need
// to enter it, which takes CAP_SYS_ADMIN (setns(2)).
func isOwnNetns(inode uint32) bool {
	own, err := readNetns("/proc/self/ns/net")
	return err == nil && own == inode
}

// devices reads one namespace; all are candidates for the other end of a link.
func (o opened) devices(all []opened) ([]Device, error) {
	at := o.fd
	if isOwnNetns(o.Inode) {
		at = netns.None()
	}
	h, err := netlink.NewHandleAt(at, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("netlink in namespace %d: %w", o.Inode, err)
	}
	defer h.Close()
	links, err := retryDump(h.LinkList)
	if err != nil {
		return nil, fmt.Errorf("links of namespace %d: %w", o.Inode, err)
	}
	addrs, err := retryDump(func() ([]netlink.Addr, error) { return h.AddrList(nil, netlink.FAMILY_ALL) })
	if err != nil {
		return nil, fmt.Errorf("addresses of namespace %d: %w", o.Inode, err)
	}
	byLink := make(map[int][]netip.Addr)
	for _, a := range addrs {
		if ip, ok := netip.AddrFromSlice(a.IP); ok {
			byLink[a.LinkIndex] = append(byLink[a.LinkIndex], ip.Unmap())
		}
	}
	ids := nsids{handle: h, all: all}
	out := make([]Device, 0, len(links))
	for _, l := range links {
		out = append(out, o.device(l, &ids, byLink[l.Attrs().Index]))
	}
	return out, nil
}

func (o opened) device(l netlink.Link, ids *nsids, addrs []netip.Addr) Device {
	a := l.Attrs()
	d := Device{
		Netns: o.Inode, Ifindex: uint32(a.Index), Name: Clean(a.Name), Kind: kindOf(l),
		Master: uint32(a.MasterIndex), MTU: a.MTU, MAC: a.HardwareAddr.String(), Addrs: addrs,
	}
	// IFLA_LINK is the veth's peer, or the lower device of all other kinds;
	// IFLA_LINK_NETNSID is there when it is in another namespace.
	other, at := uint32(a.ParentIndex), o.Inode
	if v, ok := l.(*netlink.Vxlan); ok && other == 0 {
		other = uint32(v.VtepDevIndex)
	}
	if other == 0 || (other == d.Ifindex && a.NetNsID < 0) { // a NIC may name itself
		return d
	}
	if a.NetNsID >= 0 {
		at = ids.inode(a.NetNsID)
	}
	if d.Kind == "veth" {
		d.PeerIfindex, d.PeerNetns = other, at
	} else {
		d.Parent, d.ParentNetns = other, at
	}
	return d
}

// kindOf is IFLA_INFO_KIND, "loopback" for lo and "" for what has none.
func kindOf(l netlink.Link) string {
	switch {
	case l.Attrs().RawFlags&unix.IFF_LOOPBACK != 0:
		return "loopback"
	case l.Type() == "device":
		return ""
	}
	return Clean(l.Type())
}

// nsids translates the namespace ids of one namespace (man 8 ip-netns) to
// inodes. It asks no more often than needed: a container's peers are nearly
// always in the first candidate, the host's namespace.
type nsids struct {
	handle *netlink.Handle
	all    []opened
	asked  int
	known  map[int]uint32
}

// inode is 0 for a namespace that is not among the candidates.
func (n *nsids) inode(id int) uint32 {
	if n.known == nil {
		n.known = make(map[int]uint32)
	}
	for ; n.asked < len(n.all); n.asked++ {
		if ino, ok := n.known[id]; ok {
			return ino
		}
		o := n.all[n.asked]
		if got, err := n.handle.GetNetNsIdByFd(int(o.fd)); err == nil && got >= 0 {
			n.known[got] = o.Inode
		}
	}
	return n.known[id]
}

// dumpTries bounds how often a dump is repeated that a change interrupted.
const dumpTries = 5

func retryDump[T any](dump func() ([]T, error)) (out []T, err error) {
	for range dumpTries {
		if out, err = dump(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			return out, err
		}
	}
	return out, nil // of the last try: a device may be missing, which the next reading mends
}
