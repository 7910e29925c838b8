package hostcounters

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/hopscope/hopscope/pkg/model"
)

// links reads the drops of the devices and qdiscs of a namespace, by
// rtnetlink(7): "" is this process's own. A namespace that went meanwhile, or
// is another one by now, gives nil.
func links(inode uint32, path string) reading {
	h, err := handle(inode, path)
	if err != nil {
		return nil
	}
	defer h.Close()
	return readLinks(inode, h)
}

// lister is what a namespace's devices and qdiscs are read through.
type lister interface {
	LinkList() ([]netlink.Link, error)
	QdiscList(netlink.Link) ([]netlink.Qdisc, error)
}

// readLinks is nil unless it read everything: what is missing in one reading
// would be new in the next one, with all that it counted before.
func readLinks(inode uint32, h lister) reading {
	devices, err := whole(h.LinkList)
	if err != nil {
		return nil
	}
	qdiscs, err := whole(func() ([]netlink.Qdisc, error) { return h.QdiscList(nil) })
	if err != nil {
		return nil
	}
	out := reading{}
	for _, l := range devices {
		a := l.Attrs()
		if a.Statistics == nil {
			continue
		}
		key := model.CounterKey{Netns: inode, Ifindex: uint32(a.Index)}
		key.Kind = model.CountDeviceRxDropped
		out[key] = a.Statistics.RxDropped
		key.Kind = model.CountDeviceTxDropped
		out[key] = a.Statistics.TxDropped
	}
	for _, q := range qdiscs {
		out.qdisc(inode, q)
	}
	return out
}

// dumpTries bounds how often a dump is repeated that a change interrupted.
const dumpTries = 5

// whole repeats a dump until no change interrupted it.
func whole[T any](dump func() (T, error)) (out T, err error) {
	for range dumpTries {
		if out, err = dump(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	return out, err
}

func (r reading) qdisc(inode uint32, q netlink.Qdisc) {
	a := q.Attrs()
	if a.Statistics == nil || a.Statistics.Queue == nil {
		return
	}
	key := model.CounterKey{
		Netns: inode, Ifindex: uint32(a.LinkIndex),
		Qdisc: fmt.Sprintf("%s %s", q.Type(), netlink.HandleStr(a.Handle)),
	}
	if a.Handle == 0 { // the leaves of mq have none of their own
		key.Qdisc = fmt.Sprintf("%s of %s", q.Type(), netlink.HandleStr(a.Parent))
	}
	key.Kind = model.CountQdiscDrops
	r[key] = uint64(a.Statistics.Queue.Drops)
	key.Kind = model.CountQdiscOverlimits
	r[key] = uint64(a.Statistics.Queue.Overlimits)
}

func handle(inode uint32, path string) (*netlink.Handle, error) {
	if path == "" {
		return netlink.NewHandle(unix.NETLINK_ROUTE)
	}
	fd, err := openNamespace(inode, path)
	if err != nil {
		return nil, err
	}
	defer fd.Close()
	return netlink.NewHandleAt(fd, unix.NETLINK_ROUTE)
}

// openNamespace refuses a path that meanwhile leads to another namespace.
func openNamespace(inode uint32, path string) (netns.NsHandle, error) {
	fd, err := netns.GetFromPath(path)
	if err != nil {
		return fd, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(fd), &st); err != nil || uint32(st.Ino) != inode {
		_ = fd.Close()
		return netns.None(), fmt.Errorf("%s leads to another namespace", path)
	}
	return fd, nil
}
