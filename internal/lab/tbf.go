package lab

import (
	"errors"
	"fmt"
	"os"

	"github.com/vishvananda/netlink"
)

// Qdisc is a queueing discipline that the lab put on a device.
type Qdisc struct {
	path, dev string
	t         TB
}

// TBF puts a token bucket filter (tc-tbf(8)) at the root of a device in the
// namespace at path: rate in bits/s, burst and limit in bytes. Packets longer
// than burst are split, or dropped where they cannot be; what does not fit
// into limit is dropped. It is removed when the test ends.
func TBF(t TB, path, dev string, rateBits uint64, burst, limit uint32) *Qdisc {
	t.Helper()
	err := onLink(path, dev, func(h *netlink.Handle, link netlink.Link) error {
		rate := rateBits / 8
		return h.QdiscReplace(&netlink.Tbf{
			QdiscAttrs: rootOf(link),
			Rate:       rate,
			Limit:      limit,
			Buffer:     netlink.Xmittime(rate, burst),
		})
	})
	must(t, err, "put a tbf on %s", dev)
	q := &Qdisc{path: path, dev: dev, t: t}
	t.Cleanup(q.Remove)
	return q
}

func rootOf(link netlink.Link) netlink.QdiscAttrs {
	return netlink.QdiscAttrs{
		LinkIndex: link.Attrs().Index, Handle: netlink.MakeHandle(1, 0), Parent: netlink.HANDLE_ROOT,
	}
}

// Remove takes the qdisc away before the test ends. One that is gone, with its
// device or without, is no error.
func (q *Qdisc) Remove() {
	err := onLink(q.path, q.dev, func(h *netlink.Handle, link netlink.Link) error {
		found, err := find(h, link)
		if err != nil || found == nil {
			return err
		}
		return h.QdiscDel(found)
	})
	var gone netlink.LinkNotFoundError
	if err != nil && !errors.As(err, &gone) && !errors.Is(err, os.ErrNotExist) {
		q.t.Errorf("remove qdisc of %s: %v", q.dev, err)
	}
}

// QdiscCounts is what a qdisc counted since it was made.
type QdiscCounts struct {
	Packets, Bytes    uint64 // sent
	Drops, Overlimits uint64
	QueueLength       uint64 // packets, now
}

// Counts reads the kernel's counters.
func (q *Qdisc) Counts() QdiscCounts {
	q.t.Helper()
	var counts QdiscCounts
	err := onLink(q.path, q.dev, func(h *netlink.Handle, link netlink.Link) error {
		found, err := find(h, link)
		if err != nil {
			return err
		}
		if found == nil || found.Attrs().Statistics == nil {
			return errors.New("it is gone or has no counters")
		}
		s := found.Attrs().Statistics
		counts = QdiscCounts{
			Packets: uint64(s.Basic.Packets), Bytes: s.Basic.Bytes,
			Drops: uint64(s.Queue.Drops), Overlimits: uint64(s.Queue.Overlimits), QueueLength: uint64(s.Queue.Qlen),
		}
		return nil
	})
	must(q.t, err, "counters of the qdisc of %s", q.dev)
	return counts
}

// find gives the lab's qdisc on link, nil when there is none.
func find(h *netlink.Handle, link netlink.Link) (netlink.Qdisc, error) {
	qdiscs, err := h.QdiscList(link)
	if err != nil {
		return nil, err
	}
	for _, q := range qdiscs {
		if q.Attrs().Handle == netlink.MakeHandle(1, 0) {
			return q, nil
		}
	}
	return nil, nil
}

// onLink calls f with a device of the namespace at path.
func onLink(path, dev string, f func(*netlink.Handle, netlink.Link) error) error {
	return withNetlink(path, func(h *netlink.Handle) error {
		link, err := h.LinkByName(dev)
		if err != nil {
			return fmt.Errorf("find %s: %w", dev, err)
		}
		return f(h, link)
	})
}
