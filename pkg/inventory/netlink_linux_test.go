package inventory_test

import (
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/pkg/inventory"
)

// Devices that stand on another one know it, also across namespaces.
func TestLowerDevices(t *testing.T) {
	lab.Lock(t)
	shop := lab.NewShop(t)
	box := shop.Container(lab.ContainerSpec{Name: "box", Mode: "none"})
	outside := lab.Outside(t, lab.OutsideSpec{})
	lower := uint32(outside.Link.Index)
	err := lab.InNetns(outside.Netns, func() error {
		into, err := netns.GetFromPath(box.Netns)
		if err != nil {
			return err
		}
		defer into.Close()
		attrs := func(name string) netlink.LinkAttrs {
			a := netlink.NewLinkAttrs()
			a.Name, a.ParentIndex = name, int(lower)
			return a
		}
		away := attrs("mv1")
		away.Namespace = netlink.NsFd(into)
		vxlan := netlink.NewLinkAttrs()
		vxlan.Name = "vx0"
		for _, l := range []netlink.Link{
			&netlink.Macvlan{LinkAttrs: attrs("mv0"), Mode: netlink.MACVLAN_MODE_BRIDGE},
			&netlink.Macvlan{LinkAttrs: away, Mode: netlink.MACVLAN_MODE_BRIDGE},
			&netlink.Vxlan{LinkAttrs: vxlan, VxlanId: 9, VtepDevIndex: int(lower), Port: 4789},
		} {
			if err := netlink.LinkAdd(l); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	inv := open(t, inventory.Options{})
	there, inside := netnsOf(t, outside.Netns), netnsOf(t, box.Netns)
	kinds := map[string]string{"mv0": "macvlan", "mv1": "macvlan", "vx0": "vxlan"}
	for _, d := range inv.View().Devices() {
		kind, made := kinds[d.Name]
		if !made || (d.Netns != there && d.Netns != inside) {
			continue
		}
		delete(kinds, d.Name)
		if d.Kind != kind || d.Parent != lower || d.ParentNetns != there || d.PeerIfindex != 0 {
			t.Errorf("%+v, want a %s on device %d of namespace %d", d, kind, lower, there)
		}
		if (d.Name == "mv1") != (d.Netns == inside) {
			t.Errorf("%s is in namespace %d", d.Name, d.Netns)
		}
	}
	if len(kinds) > 0 {
		t.Errorf("not found: %v", kinds)
	}
}
