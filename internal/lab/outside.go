package lab

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"github.com/hopscope/hopscope/internal/lab/outcome"
)

const (
	netnsDir      = "/run/netns" // where ip-netns(8) looks too
	hostDevPrefix = "hso"        // of the devices that lead to hosts outside
)

// OutsideSpec describes a host outside. The zero value serves most tests.
type OutsideSpec struct {
	Subnet  netip.Prefix // "": 198.51.100.0/24 (RFC 5737); the host gets .1, the outside .2
	Subnet6 netip.Prefix // "": 2001:db8:51::/64 (RFC 3849), ::1 and ::2
}

// Host is a host outside: a network namespace, joined to the machine by a veth
// pair that Docker knows nothing of, with its default route to the machine.
type Host struct {
	Name      string // of the namespace, for `ip netns exec`
	Netns     string // its path, for InNetns
	Link      Link   // eth0 inside
	Addr      netip.Addr
	Addr6     netip.Addr
	HostAddr  netip.Addr // the machine's address on the pair
	HostAddr6 netip.Addr

	t      TB
	cgroup string // directory of the cgroup v2 that its programs run in, "": the caller's
}

// Outside makes a host outside. It needs the [Lock].
func Outside(t TB, spec OutsideSpec) *Host {
	t.Helper()
	if !spec.Subnet.IsValid() {
		spec.Subnet = netip.MustParsePrefix("198.51.100.0/24")
	}
	if !spec.Subnet6.IsValid() {
		spec.Subnet6 = netip.MustParsePrefix("2001:db8:51::/64")
	}
	id := randomHex()
	h := &Host{Name: prefix + id, Netns: filepath.Join(netnsDir, prefix+id), t: t}
	h.HostAddr = spec.Subnet.Masked().Addr().Next()
	h.Addr = h.HostAddr.Next()
	h.HostAddr6 = spec.Subnet6.Masked().Addr().Next()
	h.Addr6 = h.HostAddr6.Next()

	must(t, makeNamed(h.Name), "make namespace %s", h.Name)
	t.Cleanup(func() {
		if err := netns.DeleteNamed(h.Name); err != nil {
			t.Errorf("remove namespace %s: %v", h.Name, err)
		}
	})
	dev := hostDevPrefix + id
	must(t, h.plug(dev, spec), "join %s to the machine", h.Name)
	t.Cleanup(func() {
		var gone netlink.LinkNotFoundError
		link, err := netlink.LinkByName(dev)
		if err == nil {
			err = netlink.LinkDel(link)
		}
		if err != nil && !errors.As(err, &gone) {
			t.Errorf("remove %s: %v", dev, err)
		}
	})
	links, err := linksOf(h.Netns)
	must(t, err, "links of %s", h.Name)
	h.Link = links[0]
	return h
}

// makeNamed makes a namespace that outlives the thread that made it.
func makeNamed(name string) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		home, err := netns.Get()
		if err != nil {
			done <- err
			return
		}
		defer home.Close()
		made, err := netns.NewNamed(name) // moves the thread into it
		if err == nil {
			err = made.Close()
		}
		if netns.Set(home) == nil {
			runtime.UnlockOSThread()
		}
		done <- err
	}()
	return <-done
}

// plug makes the veth pair and gives both ends their addresses.
func (h *Host) plug(dev string, spec OutsideSpec) error {
	ns, err := netns.GetFromPath(h.Netns)
	if err != nil {
		return err
	}
	defer ns.Close()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = dev
	pair := &netlink.Veth{LinkAttrs: attrs, PeerName: "eth0", PeerNamespace: netlink.NsFd(ns)}
	if err := netlink.LinkAdd(pair); err != nil {
		return fmt.Errorf("add %s: %w", dev, err)
	}
	near := []netip.Prefix{
		netip.PrefixFrom(h.HostAddr, spec.Subnet.Bits()), netip.PrefixFrom(h.HostAddr6, spec.Subnet6.Bits()),
	}
	far := []netip.Prefix{
		netip.PrefixFrom(h.Addr, spec.Subnet.Bits()), netip.PrefixFrom(h.Addr6, spec.Subnet6.Bits()),
	}
	err = withNetlink(HostNetns, func(n *netlink.Handle) error { return bringUp(n, dev, near) })
	if err != nil {
		return err
	}
	return withNetlink(h.Netns, func(n *netlink.Handle) error {
		if err := bringUp(n, "lo", nil); err != nil {
			return err
		}
		if err := bringUp(n, "eth0", far); err != nil {
			return err
		}
		for _, gateway := range []netip.Addr{h.HostAddr, h.HostAddr6} {
			if err := n.RouteAdd(&netlink.Route{Gw: gateway.AsSlice()}); err != nil {
				return fmt.Errorf("default route by %s: %w", gateway, err)
			}
		}
		return nil
	})
}

func bringUp(n *netlink.Handle, dev string, addrs []netip.Prefix) error {
	link, err := n.LinkByName(dev)
	if err != nil {
		return err
	}
	for _, addr := range addrs {
		a, err := netlink.ParseAddr(addr.String())
		if err != nil {
			return err
		}
		// Duplicate address detection (RFC 4862, 5.4) would keep an IPv6
		// address unusable for a second.
		if addr.Addr().Is6() {
			a.Flags = syscall.IFA_F_NODAD
		}
		if err := n.AddrAdd(link, a); err != nil {
			return fmt.Errorf("add %s to %s: %w", addr, dev, err)
		}
	}
	return n.LinkSetUp(link)
}

// Run runs the traffic program outside and waits for its end.
func (h *Host) Run(args ...string) outcome.Result {
	h.t.Helper()
	return h.Start(args...).Wait()
}

// Start is Run without waiting. The program is killed when the test ends. One
// that serves listens when Start returns.
func (h *Host) Start(args ...string) *Load {
	h.t.Helper()
	cmd := exec.Command(TrafficProgram(h.t), args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	// The child is forked by the thread in the namespace and stays in it.
	must(h.t, InNetns(h.Netns, func() error { return startIn(h.cgroup, cmd) }), "start traffic in %s", h.Name)

	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	h.t.Cleanup(func() { _ = cmd.Process.Signal(os.Kill) })
	if port, ok := servedPort(args); ok {
		deadline := time.Now().Add(10 * time.Second)
		for !listens(cmd.Process.Pid, port) {
			if time.Now().After(deadline) {
				h.t.Fatalf("traffic in %s does not listen on port %d", h.Name, port)
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	return &Load{t: h.t, what: fmt.Sprintf("traffic %s in %s", strings.Join(args, " "), h.Name),
		wait: func() (outcome.Result, error) {
			if err := <-ended; err != nil {
				return outcome.Result{}, fmt.Errorf("%w: %s", err, stderr.String())
			}
			return parseResult(stdout.Bytes())
		}}
}
