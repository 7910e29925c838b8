package truth

import (
	"net"
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/hopscope/hopscope/internal/lab"
)

// Behind a tunnel's device a packet is queued once more, still its socket's, with another
// header in front than TCP's: what is read there must not pass for TCP's. With the
// checksums left to the device, skb->encapsulation would tell.
func TestSampledExchangesThroughATunnel(t *testing.T) {
	p := newPair(t)
	tunnel(t, p.client, p.web.IP(p.net), "203.0.113.1")
	tunnel(t, p.web, p.client.IP(p.net), "203.0.113.2")
	at := serverAt(netip.MustParseAddr("203.0.113.2"))
	wantOK(t, p.client.Run("rr", "--count", "5", at), 5)
	wantSampledAlike(t, p, at, 4)
}

// tunnel gives a container an address on a vxlan whose other end is at remote.
func tunnel(t *testing.T, c *lab.Container, remote netip.Addr, addr string) {
	t.Helper()
	err := lab.InNetns(c.Netns, func() error {
		attrs := netlink.NewLinkAttrs()
		attrs.Name, attrs.MTU = "vx0", 1400
		if err := netlink.LinkAdd(&netlink.Vxlan{LinkAttrs: attrs, VxlanId: 7, Port: 4789, Group: remote.AsSlice()}); err != nil {
			return err
		}
		link, err := netlink.LinkByName("vx0")
		if err != nil {
			return err
		}
		if err := netlink.AddrAdd(link, &netlink.Addr{IPNet: &net.IPNet{IP: net.ParseIP(addr), Mask: net.CIDRMask(24, 32)}}); err != nil {
			return err
		}
		return netlink.LinkSetUp(link)
	})
	if err != nil {
		t.Fatal(err)
	}
	lab.SetOffload(t, c.Netns, "vx0", "tx", false)
}
