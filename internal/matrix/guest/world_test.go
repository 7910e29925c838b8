//go:build matrix

package guest

import (
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/pkg/journey"
)

// namespace stands for a container, a machine outside, or the host itself.
type namespace struct {
	name  string
	path  string // for setns(2)
	inode uint32 // as stops name it
	*netlink.Handle
}

// world is the guest's network:
//
//	a, b     two containers on the bridge br0, 198.51.100.0/24 and 2001:db8:1::/64
//	out      a machine behind a veth of the host, 203.0.113.0/25
//	wire     a machine behind the host's NIC eth0, 203.0.113.128/25: its own NIC,
//	         eth1, is on the same wire
//
// The guest is thrown away: nothing of this is ever removed.
type world struct {
	host, a, b, out, wire *namespace
	names                 map[journey.Place]string
}

// Addresses of the world.
const (
	addrA, addrB       = "198.51.100.2", "198.51.100.3"
	addrA6, addrB6     = "2001:db8:1::2", "2001:db8:1::3"
	gateway, gateway6  = "198.51.100.1", "2001:db8:1::1"
	addrOut, hostOut   = "203.0.113.2", "203.0.113.1"
	addrWire, hostWire = "203.0.113.130", "203.0.113.129"
)

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{names: map[journey.Place]string{}}
	w.host = hostNamespace(t)
	for name, ns := range map[string]**namespace{"a": &w.a, "b": &w.b, "out": &w.out, "wire": &w.wire} {
		*ns = newNamespace(t, name)
	}
	w.bridge(t)
	w.outside(t)
	w.nics(t)
	setSysctl(t, w.host, "net/ipv4/ip_forward", "1")
	setSysctl(t, w.host, "net/ipv6/conf/all/forwarding", "1")
	w.nameDevices(t)
	return w
}

func (w *world) all() []*namespace { return []*namespace{w.host, w.a, w.b, w.out, w.wire} }

func must(t *testing.T, err error, what string, args ...any) {
	t.Helper()
	if err != nil {
		t.Fatalf(what+": %v", append(args, err)...)
	}
}

func hostNamespace(t *testing.T) *namespace {
	t.Helper()
	handle, err := netlink.NewHandle(syscall.NETLINK_ROUTE)
	must(t, err, "netlink")
	return finish(t, &namespace{name: "host", path: lab.HostNetns, Handle: handle})
}

// newNamespace lives as long as its handle.
func newNamespace(t *testing.T, name string) *namespace {
	t.Helper()
	ns, err := unshare()
	must(t, err, "make namespace %s", name)
	handle, err := netlink.NewHandleAt(ns, syscall.NETLINK_ROUTE)
	must(t, err, "netlink in %s", name)
	return finish(t, &namespace{name: name, path: fmt.Sprintf("/proc/self/fd/%d", int(ns)), Handle: handle})
}

// unshare makes a namespace and leaves the thread where it was: should it be
// the process's first, /proc/self/ns would change with it.
func unshare() (netns.NsHandle, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := netns.Get()
	if err != nil {
		return netns.None(), err
	}
	defer home.Close()
	made, err := netns.New()
	if err != nil {
		return made, err
	}
	return made, netns.Set(home)
}

func finish(t *testing.T, ns *namespace) *namespace {
	t.Helper()
	ns.inode = uint32(inode(t, ns.path))
	// Nothing is to be sent that no test asked for.
	for _, which := range []string{"all", "default"} {
		setSysctl(t, ns, "net/ipv6/conf/"+which+"/accept_dad", "0")
		setSysctl(t, ns, "net/ipv6/conf/"+which+"/router_solicitations", "0")
	}
	ns.up(t, "lo")
	return ns
}

func setSysctl(t *testing.T, ns *namespace, name, value string) {
	t.Helper()
	err := lab.InNetns(ns.path, func() error { return os.WriteFile("/proc/sys/"+name, []byte(value), 0) })
	must(t, err, "set %s in %s", name, ns.name)
}

func (ns *namespace) link(t *testing.T, dev string) netlink.Link {
	t.Helper()
	link, err := ns.LinkByName(dev)
	must(t, err, "find %s in %s", dev, ns.name)
	return link
}

func (ns *namespace) up(t *testing.T, dev string) {
	t.Helper()
	must(t, ns.LinkSetUp(ns.link(t, dev)), "set %s up in %s", dev, ns.name)
}

// address gives dev addresses such as 198.51.100.2/24 and sets it up.
func (ns *namespace) address(t *testing.T, dev string, prefixes ...string) {
	t.Helper()
	link := ns.link(t, dev)
	for _, prefix := range prefixes {
		addr, err := netlink.ParseAddr(prefix)
		must(t, err, "parse %s", prefix)
		if addr.IP.To4() == nil {
			addr.Flags = syscall.IFA_F_NODAD
		}
		must(t, ns.AddrAdd(link, addr), "give %s %s in %s", dev, prefix, ns.name)
	}
	ns.up(t, dev)
}

func (ns *namespace) defaultRoute(t *testing.T, via string) {
	t.Helper()
	must(t, ns.RouteAdd(&netlink.Route{Gw: netip.MustParseAddr(via).AsSlice()}), "route %s via %s", ns.name, via)
}

// veth joins host's device to eth0 of ns.
func (w *world) veth(t *testing.T, dev string, ns *namespace) netlink.Link {
	t.Helper()
	inside, err := netns.GetFromPath(ns.path)
	must(t, err, "open namespace %s", ns.name)
	defer inside.Close()
	must(t, w.host.LinkAdd(&netlink.Veth{
		LinkAttrs: netlink.LinkAttrs{Name: dev}, PeerName: "eth0", PeerNamespace: netlink.NsFd(inside),
	}), "make veth %s", dev)
	return w.host.link(t, dev)
}

func (w *world) bridge(t *testing.T) {
	t.Helper()
	must(t, w.host.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br0"}}), "make br0")
	w.host.address(t, "br0", gateway+"/24", gateway6+"/64")
	for _, c := range []struct {
		ns       *namespace
		dev      string
		ip4, ip6 string
	}{{w.a, "vethA", addrA, addrA6}, {w.b, "vethB", addrB, addrB6}} {
		port := w.veth(t, c.dev, c.ns)
		must(t, w.host.LinkSetMaster(port, w.host.link(t, "br0")), "put %s on br0", c.dev)
		w.host.up(t, c.dev)
		c.ns.address(t, "eth0", c.ip4+"/24", c.ip6+"/64")
		c.ns.defaultRoute(t, gateway)
	}
	// ARP would be among what netem drops, and is no journey.
	neighbour(t, w.a, "eth0", addrB, w.b.link(t, "eth0"))
	neighbour(t, w.b, "eth0", addrA, w.a.link(t, "eth0"))
}

func (w *world) outside(t *testing.T) {
	t.Helper()
	w.veth(t, "vethO", w.out)
	w.host.address(t, "vethO", hostOut+"/25")
	w.out.address(t, "eth0", addrOut+"/25")
	w.out.defaultRoute(t, hostOut)
}

// nics gives the second NIC to the machine on the wire. IPv4 only and with
// neighbours that are known from the start, so that the devices' counters hold
// nothing but what the tests send.
func (w *world) nics(t *testing.T) {
	t.Helper()
	setSysctl(t, w.host, "net/ipv6/conf/eth0/disable_ipv6", "1")
	setSysctl(t, w.wire, "net/ipv6/conf/default/disable_ipv6", "1")
	inside, err := netns.GetFromPath(w.wire.path)
	must(t, err, "open namespace wire")
	defer inside.Close()
	must(t, w.host.LinkSetNsFd(w.host.link(t, "eth1"), int(inside)), "move eth1")
	w.host.address(t, "eth0", hostWire+"/25")
	w.wire.address(t, "eth1", addrWire+"/25")
	w.wire.defaultRoute(t, hostWire)
	neighbour(t, w.host, "eth0", addrWire, w.wire.link(t, "eth1"))
	neighbour(t, w.wire, "eth1", hostWire, w.host.link(t, "eth0"))
}

func neighbour(t *testing.T, ns *namespace, dev, ip string, at netlink.Link) {
	t.Helper()
	must(t, ns.NeighSet(&netlink.Neigh{
		LinkIndex: ns.link(t, dev).Attrs().Index, State: netlink.NUD_PERMANENT,
		IP: netip.MustParseAddr(ip).AsSlice(), HardwareAddr: at.Attrs().HardwareAddr,
	}), "neighbour %s in %s", ip, ns.name)
}

// nameDevices learns how stops call each device.
func (w *world) nameDevices(t *testing.T) {
	t.Helper()
	for _, ns := range w.all() {
		w.names[journey.Place{Netns: ns.inode}] = ns.name
		links, err := ns.LinkList()
		must(t, err, "list devices of %s", ns.name)
		for _, link := range links {
			place := journey.Place{Netns: ns.inode, Ifindex: uint32(link.Attrs().Index)}
			w.names[place] = ns.name + "/" + link.Attrs().Name
		}
	}
}

// place is the stop's view of a device.
func (ns *namespace) place(t *testing.T, dev string) journey.Place {
	t.Helper()
	return journey.Place{Netns: ns.inode, Ifindex: uint32(ns.link(t, dev).Attrs().Index)}
}
