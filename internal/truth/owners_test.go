package truth

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/pkg/journey"
	"github.com/hopscope/hopscope/pkg/model"
	"github.com/hopscope/hopscope/pkg/pipeline"
)

// crossing is a container that is published, one that calls, and a host outside.
type crossing struct {
	*pair
	shown   *lab.Container
	outside *lab.Host
	service string // of shown, for the host outside
}

func newCrossing(t *testing.T) *crossing {
	t.Helper()
	p := sharedPair(t)
	x := &crossing{pair: p, outside: lab.Outside(t, lab.OutsideSpec{})}
	port := fmt.Sprintf("%d/udp", serverPort)
	x.shown = p.shop.Container(lab.ContainerSpec{Name: "shown", Networks: []*lab.Network{p.net}, Publish: []string{port}, Args: []string{"serve"}})
	x.service = netip.AddrPortFrom(x.outside.HostAddr, x.shown.HostPort(port)).String()
	x.outside.Start("serve")
	// Neighbours are known.
	wantOK(t, x.outside.Run("udp", "--count", "3", x.service), 3)
	wantOK(t, p.client.Run("udp", "--count", "3", serverAt(x.outside.Addr)), 3)
	return x
}

func (x *crossing) fromOutside() {
	x.outside.Run("udp", "--echo=false", "--count", "1000", "--rate", "4000", x.service)
}

func (x *crossing) toOutside() {
	x.client.Run("udp", "--echo=false", "--count", "1000", "--rate", "4000", serverAt(x.outside.Addr))
}

// askedFromOutside has each datagram answered.
func (x *crossing) askedFromOutside() {
	x.outside.Run("udp", "--count", "1000", "--rate", "4000", x.service)
}

func (x *crossing) asksOutside() {
	x.client.Run("udp", "--count", "1000", "--rate", "4000", serverAt(x.outside.Addr))
}

// port is where shown is published.
func (x *crossing) port() string {
	_, port, _ := strings.Cut(x.service, ":")
	return port
}

func (x *crossing) between() {
	x.client.Run("udp", "--echo=false", "--count", "1000", "--rate", "4000", x.at)
}

// Where no socket is at hand, a drop still has its owner and both its ends by their
// names, and says how they are known: of packets that are tracked by their journey, of
// others by what the packet, its device or connection tracking tells.
func TestDropsKnowTheirOwner(t *testing.T) {
	x := newCrossing(t)
	lab.BridgeNF(t, false)
	host, half := lab.HostNetns, "numgen inc mod 2 == 0"
	in, out := x.outside.Addr.String(), fmt.Sprintf("udp dport %d ", serverPort)
	for _, c := range []struct {
		name             string
		inject           func(t *testing.T) func() uint64
		send             func()
		reason, hop      string
		from, to, owner  string
		tracked, sampled string // how the owner is known
	}{
		{
			"behind DNAT", ruled(lab.Chain{Netns: host, Hook: "forward"}, "ip saddr "+in+" "+out+half), x.fromOutside,
			"NETFILTER_DROP", "forward", in, x.shown.Name, x.shown.Name, "journey", "address",
		},
		{
			"before SNAT", ruled(lab.Chain{Netns: host, Hook: "forward"}, "ip daddr "+in+" "+out+half), x.toOutside,
			"NETFILTER_DROP", "forward", x.client.Name, in, x.client.Name, "journey", "address",
		},
		{
			"behind SNAT", ruled(lab.Chain{Netns: host, Hook: "postrouting", Priority: 200},
				fmt.Sprintf("ip saddr %s ip daddr %s %s", x.outside.HostAddr, in, out)+half), x.toOutside,
			"NETFILTER_DROP", "postrouting", x.client.Name, in, x.client.Name, "journey", "conntrack",
		},
		{
			"of an answer, behind what undoes DNAT", ruled(lab.Chain{Netns: host, Hook: "postrouting", Priority: 200},
				fmt.Sprintf("ip saddr %s ip daddr %s udp sport %s %s", x.outside.HostAddr, in, x.port(), half)), x.askedFromOutside,
			"NETFILTER_DROP", "postrouting", x.shown.Name, in, x.shown.Name, "journey", "conntrack",
		},
		{
			"of an answer, before what undoes SNAT", ruled(lab.Chain{Netns: host, Hook: "prerouting", Priority: -150},
				fmt.Sprintf("ip saddr %s ip daddr %s udp sport %d %s", in, x.outside.HostAddr, serverPort, half)), x.asksOutside,
			"NETFILTER_DROP", "prerouting", in, x.client.Name, x.client.Name, "journey", "conntrack",
		},
		{
			"in the queue of the way out", x.tbf(lab.HostNetns, x.outside.Link.HostName), x.toOutside,
			"QDISC_DROP", "qdisc", x.client.Name, in, x.client.Name, "journey", "conntrack",
		},
		{
			"in the queue of a veth", x.tbf(lab.HostNetns, x.web.Links[0].HostName), x.between,
			"QDISC_DROP", "qdisc", x.client.Name, x.web.Name, x.client.Name, "journey", "socket", // which a bridge leaves it
		},
		{
			"in a bridge", ruled(lab.Chain{Netns: host, Family: "bridge", Hook: "forward"},
				"ether type ip ip saddr "+x.client.IP(x.net).String()+" "+out+half), x.between,
			"NETFILTER_DROP", "bridge", x.client.Name, x.web.Name, x.client.Name, "journey", "socket",
		},
		{
			"by the reverse path filter", x.wrongWay, x.toOutside,
			"IP_RPFILTER", "routing", x.client.Name, in, x.client.Name, "journey", "",
		},
		{ // its function frees in several hops
			"by the reverse path filter, untracked", x.wrongWay, x.toOutside,
			"IP_RPFILTER", journey.HopUnknown.String(), x.client.Name, in, x.client.Name, "", "address",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			lost := c.inject(t)
			for by, sample := range map[string]uint32{c.tracked: 1, c.sampled: 1 << 20} {
				if by == "" {
					continue
				}
				tr := begin(t, pipeline.Options{Sample: sample})
				witness, unshown, before := lab.WitnessDrops(t, c.reason), lab.Unshown(t), lost()
				c.send()
				want, seen := lost()-before, witness()
				most := unshown(want)
				r := tr.end()
				r.WantExact(t)
				got := wantDropsLike(t, r, c.reason, func(d model.Drop) bool {
					return d.Hop == c.hop && d.From.Name == c.from && d.To.Name == c.to && d.Container != nil && *d.Container == c.owner && d.AttributedBy == by
				})
				t.Logf("by %s: %d lost by the kernel's counter, a witness saw %d, %d told", by, want, seen, got)
				if got != seen || want < leastLost {
					t.Errorf("by %s: %d drops told, a witness saw %d, the kernel counts %d", by, got, seen, want)
				}
				if seen > want || want-seen > most {
					t.Errorf("by %s: a witness saw %d of %d drops, at most %d may be hidden", by, seen, want, most)
				}
			}
		})
	}
}

// wantDropsLike wants all drops for a reason to be alike, and counts them.
func wantDropsLike(t *testing.T, r result, reason string, like func(model.Drop) bool) (sum uint64) {
	t.Helper()
	for _, d := range r.Snapshot.Drops {
		if d.Reason != reason || d.Proto != "udp" {
			continue
		}
		sum += d.Count
		if !like(d) {
			t.Errorf("%d dropped in %s @ %s of %s, %s → %s, known by %s", d.Count, d.Hop, d.Where, text(d.Container), d.From.Name, d.To.Name, d.AttributedBy)
		}
	}
	return sum
}

func ruled(at lab.Chain, match string) func(*testing.T) func() uint64 {
	return func(t *testing.T) func() uint64 { return lab.DropRuleAt(t, at, match) }
}

// tbf has a queue that is too short for what is sent.
func (x *crossing) tbf(netns, dev string) func(*testing.T) func() uint64 {
	return func(t *testing.T) func() uint64 {
		queue := lab.TBF(t, netns, dev, 1_000_000, 3000, 20_000)
		return func() uint64 { return queue.Counts().Drops }
	}
}

// wrongWay has the client send from an address that the host would answer by another
// device than it came from.
func (x *crossing) wrongWay(t *testing.T) func() uint64 {
	t.Helper()
	lab.Sysctl(t, "net/ipv4/conf/"+x.net.Bridge+"/rp_filter", "1")
	alien := x.outside.Addr.Next().AsSlice()
	err := lab.InNetns(x.client.Netns, func() error {
		ways, err := netlink.RouteGet(x.outside.Addr.AsSlice())
		if err != nil {
			return err
		}
		eth0, err := netlink.LinkByIndex(ways[0].LinkIndex)
		if err != nil {
			return err
		}
		addr := &netlink.Addr{IPNet: netlink.NewIPNet(alien)}
		if err := netlink.AddrAdd(eth0, addr); err != nil {
			return err
		}
		// The route goes with the address.
		t.Cleanup(func() { _ = lab.InNetns(x.client.Netns, func() error { return netlink.AddrDel(eth0, addr) }) })
		return netlink.RouteAdd(&netlink.Route{
			Dst: netlink.NewIPNet(x.outside.Addr.AsSlice()), Gw: ways[0].Gw, Src: alien, LinkIndex: ways[0].LinkIndex,
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return func() uint64 { return lab.ProtocolCount(t, unix.Getpid(), "netstat", "TcpExt", "IPReversePathFilter") }
}
