package robust

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/internal/lab/program"
)

// Devices, bridges and namespaces that are made, renamed, plugged, moved and
// deleted while traced, one after the other under the same index, disturb neither
// the traffic nor the books.
func (p *pair) linkChurn(t *testing.T) {
	s := program.Start(t, "trace", "--no-save", "--format", "json", "--sample", "1", "--container", p.web.Name)
	s.Tracing(t)
	const requests = 500
	load := p.client.Start("rr", "--count", fmt.Sprint(requests), "--rate", "500", p.at)
	for i := range 24 {
		churnLink(t, i)
	}
	wantOK(t, load.Wait(), requests)
	sum := summaryOf(t, s)
	sum.wantWay(t, p.client.Name, p.web.Name, requests)
	sum.wantNoLoss(t)
}

// wantWay looks for packets from one container to another.
func (s summary) wantWay(t *testing.T, from, to string, least uint64) {
	t.Helper()
	var there uint64
	for _, path := range s.Paths {
		if path.From.Name == from && path.To.Name == to {
			there += path.Journeys
		}
	}
	if there < least {
		t.Errorf("%d journeys from %s to %s, want at least %d: %+v", there, from, to, least, s.Paths)
	}
}

func (s summary) wantNoLoss(t *testing.T) {
	t.Helper()
	for cause, lost := range s.Accounting.Lost {
		if lost > 0 {
			t.Errorf("%s: %d lost", cause, lost)
		}
	}
}

// churnLink is the life of a bridge, a veth pair at it and a namespace into which
// the other end is moved, and with which it goes. The kernel hands out interface
// indexes upwards; asking for one makes it be used again.
func churnLink(t *testing.T, i int) {
	t.Helper()
	bridge := &netlink.Bridge{LinkAttrs: linkAttrs(fmt.Sprintf("hsrobbr%d", i), 0)}
	pair := &netlink.Veth{LinkAttrs: linkAttrs(fmt.Sprintf("hsrob%d", i), 60_000), PeerName: fmt.Sprintf("hsrob%dp", i)}
	space := fmt.Sprintf("hopscope-rob%d", i)
	defer func() { _ = exec.Command("ip", "netns", "delete", space).Run() }() // where something fails
	for _, step := range []struct {
		what string
		do   func() error
	}{
		{"make the bridge", func() error { return netlink.LinkAdd(bridge) }},
		{"make the pair", func() error { return netlink.LinkAdd(pair) }},
		{"rename the bridge", func() error { return netlink.LinkSetName(bridge, bridge.Name+"x") }},
		{"rename the pair", func() error { return netlink.LinkSetName(pair, pair.Name+"x") }},
		{"plug", func() error { return netlink.LinkSetMaster(pair, bridge) }},
		{"up", func() error { return errors.Join(netlink.LinkSetUp(bridge), netlink.LinkSetUp(pair)) }},
		{"make the namespace", func() error { return exec.Command("ip", "netns", "add", space).Run() }},
		{"move", func() error { return moveLink(pair.PeerName, space) }},
		{"rename a device that is up", func() error { return netlink.LinkSetName(pair, pair.Name+"y") }},
		{"delete the namespace", func() error { return exec.Command("ip", "netns", "delete", space).Run() }},
		{"delete the bridge", func() error { return netlink.LinkDel(bridge) }},
	} {
		if err := step.do(); err != nil {
			t.Errorf("%s %d: %v", step.what, i, err)
		}
	}
	// The namespace takes its devices with it, and the pair with them, some time
	// after (cleanup_net); the index must be free.
	err := netlink.LinkDel(pair)
	if gone := new(netlink.LinkNotFoundError); err != nil && !errors.As(err, gone) && !strings.Contains(err.Error(), "no such device") {
		t.Errorf("delete the pair %d: %v", i, err)
	}
}

func linkAttrs(name string, index int) netlink.LinkAttrs {
	a := netlink.NewLinkAttrs()
	a.Name, a.Index = name, index
	return a
}

func moveLink(name, space string) error {
	to, err := netns.GetFromName(space)
	if err != nil {
		return err
	}
	defer to.Close()
	link, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	return netlink.LinkSetNsFd(link, int(to))
}

// A container's devices are renamed under it: they keep their owners, and the
// traffic goes on. Docker's rules name the bridge: where bridged packets pass
// iptables, those of a renamed one meet none of them but FORWARD's policy, DROP.
func (p *pair) renamed(t *testing.T) {
	lab.BridgeNF(t, false)
	s := program.Start(t, "trace", "--no-save", "--format", "json", "--sample", "1", "--container", p.web.Name)
	s.Tracing(t)
	const requests = 500
	load := p.client.Start("rr", "--count", fmt.Sprint(requests), "--rate", "500", p.at)
	time.Sleep(300 * time.Millisecond)
	for from, to := range map[string]string{p.web.Links[0].HostName: "hsrobweb", p.net.Bridge: "hsrobbr"} {
		rename(t, from, to)
		defer rename(t, to, from)
	}
	wantOK(t, load.Wait(), requests)
	sum := summaryOf(t, s)
	sum.wantWay(t, p.client.Name, p.web.Name, requests)
	sum.wantNoLoss(t)
	for _, path := range sum.Paths {
		for _, hop := range path.Hops {
			if strings.Contains(hop.Where, "hsrobweb") || strings.Contains(hop.Where, "unknown") {
				t.Errorf("%s @ %s has lost its owner", hop.Hop, hop.Where)
			}
		}
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	link, err := netlink.LinkByName(from)
	if err == nil {
		err = netlink.LinkSetName(link, to)
	}
	if err != nil {
		t.Errorf("rename %s to %s: %v", from, to, err)
	}
}

// Two containers follow each other under one address and one interface index: each
// has its own packets.
func (p *pair) sameIndex(t *testing.T) {
	s := program.Start(t, "trace", "--no-save", "--format", "json", "--sample", "1", "-v")
	s.Says(t, "procfs:")
	bare := p.net.Bare(t)
	bare.Index = 60_000
	web := p.web.IP(p.net).As4()
	at := netip.PrefixFrom(netip.AddrFrom4([4]byte{web[0], web[1], web[2], 99}), 24)
	ids := make(mortals)
	for range 4 {
		id, r, err := bare.Mortal(at, "rr", "--count", "10", "--rate", "100", p.at)
		if err != nil {
			t.Fatal(err)
		}
		wantOK(t, r, 10)
		ids[id] = id[:12]
		lab.Eventually(t, "its namespace has taken its device with it", func() bool {
			_, err := netlink.LinkByIndex(bare.Index)
			return err != nil
		})
	}
	sum := summaryOf(t, s)
	ids.wantTheirOwn(t, p.web.ID, sum)
	sum.wantNoLoss(t)
}

// Many interfaces at once: the running trace takes them in, a new one starts, and
// neither grows without bounds. HOPSCOPE_LONG=1 makes 4,096.
func (p *pair) manyInterfaces(t *testing.T) {
	pairs := 128
	if os.Getenv("HOPSCOPE_LONG") == "1" {
		pairs = 2048
	}
	s := program.Start(t, "trace", "--no-save", "--format", "json", "--sample", "1", "--container", p.web.Name)
	s.Tracing(t)
	const requests = 500
	load := p.client.Start("rr", "--count", fmt.Sprint(requests), "--rate", "500", p.at)
	begun := time.Now()
	makePairs(t, pairs)
	made := time.Since(begun)
	wantOK(t, load.Wait(), requests)
	wantOK(t, p.client.Run("rr", "--count", fmt.Sprint(requests), p.at), requests)
	kb := s.RSS(t)
	sum := summaryOf(t, s)
	sum.wantWay(t, p.client.Name, p.web.Name, 2*requests)
	sum.wantNoLoss(t)
	o := program.Run(t, "trace", "--no-save", "--duration", "100ms")
	o.WantDone(t)
	t.Logf("%d interfaces made in %s, %d kB; another trace took %s", 2*pairs, made.Round(time.Millisecond), kb, o.Took.Round(time.Millisecond))
	if kb > 200<<10 || o.Took > 30*time.Second {
		t.Errorf("%d kB, another trace took %s", kb, o.Took)
	}
}

// linkGroup is the one of the many, by which they go at once (ip-link(8)).
const linkGroup = 60_000

func makePairs(t *testing.T, n int) {
	t.Helper()
	t.Cleanup(func() {
		if out, err := exec.Command("ip", "link", "delete", "group", fmt.Sprint(linkGroup)).CombinedOutput(); err != nil {
			t.Errorf("delete the pairs: %v: %s", err, out)
		}
	})
	for i := range n {
		attrs := linkAttrs(fmt.Sprintf("hsrob%d", i), 0)
		attrs.Group = linkGroup
		if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: fmt.Sprintf("hsrob%dp", i)}); err != nil {
			t.Fatalf("make pair %d: %v", i, err)
		}
	}
}
