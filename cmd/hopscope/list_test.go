package main

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/hopscope/hopscope/pkg/inventory"
)

func addrs(list ...string) (out []netip.Addr) {
	for _, s := range list {
		out = append(out, netip.MustParseAddr(s))
	}
	return out
}

func listed() *inventory.View {
	id := func(c string) string { return strings.Repeat(c, 64) }
	web := inventory.Container{ID: id("a"), Name: "web", State: "running", PID: 1, NetworkMode: "shop", Service: "front", Project: "shop",
		Networks: []inventory.Attachment{
			{Network: "lan", NetworkID: "n2", Driver: "macvlan", Interface: "eth1", IP: addrs("203.0.113.9")},
			{Network: "shop", NetworkID: "n1", Driver: "bridge", Interface: "eth0", HostInterface: "veth1", IP: addrs("172.18.0.2", "2001:db8::2")},
		},
		Ports: []inventory.Port{
			{Proto: "tcp", Container: 80, HostIP: addrs("0.0.0.0")[0], Host: 8080, HowServed: "dnat+proxy"},
			{Proto: "tcp", Container: 80, HostIP: addrs("::")[0], Host: 8080},
			{Proto: "udp", Container: 53, HostIP: addrs("127.0.0.1")[0], Host: 5353, HowServed: "dnat"},
			{Proto: "tcp", Container: 9000},
		}}
	return inventory.NewView(inventory.Facts{
		Containers: []inventory.Container{
			web,
			{ID: id("b"), Name: "side", State: "running", PID: 2, NetworkMode: "container:" + web.ID, Networks: web.Networks},
			{ID: id("c"), Name: "agent", State: "running", PID: 3, NetworkMode: "host"},
			{ID: id("d"), Name: "box", State: "exited", NetworkMode: "none"},
			{ID: id("e"), Name: "gone", Gone: time.Unix(1, 0)},
		},
		Networks: []inventory.Network{
			{ID: "n1", Name: "shop", Driver: "bridge", Bridge: "br-n1", Subnets: []netip.Prefix{netip.MustParsePrefix("172.18.0.0/16")}},
			{ID: "n2", Name: "lan", Driver: "macvlan"},
			{ID: "n3", Name: "host", Driver: "host"},
			{ID: "n4", Name: "old", Driver: "bridge", Gone: time.Unix(1, 0)},
		},
	})
}

func TestListShowsHowEachIsWired(t *testing.T) {
	var out bytes.Buffer
	if err := listContainers(&out, listed()); err != nil {
		t.Fatal(err)
	}
	if err := listNetworks(&out, listed()); err != nil {
		t.Fatal(err)
	}
	var rows []string
	for line := range strings.Lines(out.String()) {
		rows = append(rows, strings.Join(strings.Fields(line), " "))
	}
	want := []string{
		"CONTAINER ID SERVICE STATE MODE NETWORK INTERFACE HOST SIDE ADDRESS PORTS",
		"agent cccccccccccc - running host host the host's - - -",
		"box dddddddddddd - exited none none lo - - -",
		"side bbbbbbbbbbbb - running container:web lan (macvlan) eth1 - 203.0.113.9 -",
		"shop eth0 veth1 172.18.0.2,2001:db8::2 -",
		"web aaaaaaaaaaaa shop/front running shop lan (macvlan) eth1 - 203.0.113.9 " +
			"8080->80/tcp (dnat+proxy), [::]:8080->80/tcp (proxy, perhaps dnat), 127.0.0.1:5353->53/udp (dnat), 9000/tcp",
		"shop eth0 veth1 172.18.0.2,2001:db8::2 -",
		"",
		"NETWORK ID DRIVER BRIDGE SUBNETS CONTAINERS",
		"shop n1 bridge br-n1 172.18.0.0/16 2",
		"lan n2 macvlan - - 2",
	}
	if got := strings.Join(rows, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}
