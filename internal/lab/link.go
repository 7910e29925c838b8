package lab

import (
	"fmt"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Link is a veth pair: one end in a namespace of the lab, one on the host.
type Link struct {
	Name      string // inside, such as eth0
	Index     int
	MAC       string
	HostName  string // the host's end, such as veth12ab34c
	HostIndex int
}

// linksOf lists the veth pairs of a namespace whose peers are on the host: none
// for the host's own.
func linksOf(path string) ([]Link, error) {
	if same, err := sameNetns(path, HostNetns); same || err != nil {
		return nil, err
	}
	inside, err := vethsIn(path)
	if err != nil {
		return nil, err
	}
	if len(inside) == 0 {
		return nil, nil
	}
	outside, err := vethsIn(HostNetns)
	if err != nil {
		return nil, err
	}
	names := make(map[int]string, len(outside))
	for _, v := range outside {
		names[v.Index] = v.Name
	}
	var links []Link
	for _, v := range inside {
		name, ok := names[v.ParentIndex] // IFLA_LINK of a veth is its peer
		if !ok {
			continue
		}
		links = append(links, Link{
			Name: v.Name, Index: v.Index, MAC: v.HardwareAddr.String(), HostName: name, HostIndex: v.ParentIndex,
		})
	}
	return links, nil
}

func sameNetns(a, b string) (bool, error) {
	var stats [2]unix.Stat_t
	for i, path := range []string{a, b} {
		if err := unix.Stat(path, &stats[i]); err != nil {
			return false, fmt.Errorf("stat %s: %w", path, err)
		}
	}
	return stats[0].Ino == stats[1].Ino && stats[0].Dev == stats[1].Dev, nil
}

// vethsIn lists a namespace's veth devices, by index.
func vethsIn(path string) ([]*netlink.LinkAttrs, error) {
	var veths []*netlink.LinkAttrs
	err := withNetlink(path, func(h *netlink.Handle) error {
		links, err := h.LinkList()
		if err != nil {
			return err
		}
		for _, link := range links {
			if link.Type() == "veth" {
				veths = append(veths, link.Attrs())
			}
		}
		return nil
	})
	return veths, err
}

// ReceiveOn has one CPU's softirq take in what a veth of the host's, which goes with
// the test, hands on from its peer (Documentation/networking/scaling.rst, "RPS").
func ReceiveOn(t TB, dev string, cpu int) {
	t.Helper()
	path := fmt.Sprintf("/sys/class/net/%s/queues/rx-0/rps_cpus", dev)
	must(t, os.WriteFile(path, fmt.Appendf(nil, "%x", 1<<cpu), 0), "receive from %s on CPU %d", dev, cpu)
}
