package lab

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"github.com/hopscope/hopscope/internal/lab/outcome"
)

// Bare runs containers that no engine made, as other runtimes and people do:
// each is a cgroup with an id, a network namespace, and a leg to a bridge. They
// cost a tenth of an engine's.
type Bare struct {
	Bridge  string // the host's device
	Index   int    // of each one's device on the host, 0: one that was not used yet
	program string
	cgroups string
}

// Bare needs the [Lock].
func (n *Network) Bare(t TB) *Bare {
	t.Helper()
	mount, err := cgroup2()
	must(t, err, "find cgroup v2")
	return &Bare{Bridge: n.Bridge, program: TrafficProgram(t), cgroups: mount}
}

// Mortal is the whole life of one: made with an address, run with arguments of
// the traffic program to its end, and removed at once. It is for any goroutine,
// an address for one at a time.
func (b *Bare) Mortal(addr netip.Prefix, args ...string) (id string, r outcome.Result, err error) {
	var random [32]byte
	_, _ = rand.Read(random[:]) // never fails (crypto/rand)
	id = hex.EncodeToString(random[:])
	name := prefix + id[:12]
	if err := makeNamed(name); err != nil {
		return id, r, fmt.Errorf("make namespace %s: %w", name, err)
	}
	defer func() {
		if gone := netns.DeleteNamed(name); err == nil {
			err = gone
		}
	}()
	at := filepath.Join(netnsDir, name)
	if err := b.plug(hostDevPrefix+id[:12], at, addr); err != nil {
		return id, r, fmt.Errorf("join %s to %s: %w", name, b.Bridge, err)
	}
	dir := filepath.Join(b.cgroups, prefix+id)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return id, r, err
	}
	defer func() {
		if gone := removeCgroup(dir); err == nil {
			err = gone
		}
	}()
	r, err = b.run(at, dir, args)
	return id, r, err
}

// plug gives a namespace its leg. The address tells the hardware address, as
// with Docker: neighbours keep what they know of it when it is used again.
func (b *Bare) plug(dev, at string, addr netip.Prefix) error {
	ns, err := netns.GetFromPath(at)
	if err != nil {
		return err
	}
	defer ns.Close()
	bridge, err := netlink.LinkByName(b.Bridge)
	if err != nil {
		return err
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MasterIndex, attrs.Index = dev, bridge.Attrs().Index, b.Index
	pair := &netlink.Veth{LinkAttrs: attrs, PeerName: "eth0", PeerNamespace: netlink.NsFd(ns),
		PeerHardwareAddr: append(net.HardwareAddr{0x02, 0x42}, addr.Addr().AsSlice()...)}
	if err := netlink.LinkAdd(pair); err != nil {
		return fmt.Errorf("add %s: %w", dev, err)
	}
	// HostNetns is the first thread's, which may be in another one just now.
	if err := netlink.LinkSetUp(pair); err != nil {
		return fmt.Errorf("bring %s up: %w", dev, err)
	}
	return withNetlink(at, func(n *netlink.Handle) error {
		return bringUp(n, "eth0", []netip.Prefix{addr})
	})
}

func (b *Bare) run(at, cgroup string, args []string) (outcome.Result, error) {
	cmd := exec.Command(b.program, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := InNetns(at, func() error { return startIn(cgroup, cmd) }); err != nil {
		return outcome.Result{}, err
	}
	if err := cmd.Wait(); err != nil {
		return outcome.Result{}, fmt.Errorf("%w: %s", err, stderr.String())
	}
	// Namespaces go late (cleanup_net): what ends the connection is still on its way.
	time.Sleep(10 * time.Millisecond)
	return parseResult(stdout.Bytes())
}
