package inventory

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/hopscope/hopscope/pkg/journey"
)

func addrs(list ...string) (out []netip.Addr) {
	for _, s := range list {
		out = append(out, netip.MustParseAddr(s))
	}
	return out
}

// at is a time of the test day.
func at(minute int) time.Time { return time.Date(2026, 1, 2, 3, minute, 0, 0, time.UTC) }

// town is a host with web on two networks, side in web's namespace, db on one,
// and agent in the host's namespace.
func town() Facts {
	veth := func(index uint32, name string, master, peerNS, peer uint32) Device {
		return Device{Netns: hostNS, Ifindex: index, Name: name, Kind: "veth", Master: master, PeerNetns: peerNS, PeerIfindex: peer, Seen: at(0)}
	}
	leg := func(ns, index uint32, name string, peer uint32, ip string) Device {
		return Device{Netns: ns, Ifindex: index, Name: name, Kind: "veth", PeerNetns: hostNS, PeerIfindex: peer, Addrs: addrs(ip), Seen: at(0)}
	}
	container := func(name string, pid int, ns uint32, cg uint64, ips ...string) Container {
		return Container{ID: id(name[:2]), Name: name, State: "running", PID: pid, Netns: ns, CgroupID: cg, Addrs: addrs(ips...), Started: at(0)}
	}
	web := container("aaweb", 70, webNS, 700, "172.18.0.2", "172.19.0.2", "2001:db8::2")
	web.SubCgroups = []uint64{701}
	web.Networks = []Attachment{{Network: "backend", NetworkID: "n2", Interface: "eth1", Ifindex: 22}, {Network: "shop", NetworkID: "n1", Interface: "eth0", Ifindex: 20}}
	return Facts{
		Host: hostNS,
		Containers: []Container{
			web,
			container("ccdb", 72, dbNS, 720, "172.19.0.3"),
			container("ddagent", 73, hostNS, 730),
		},
		Networks: []Network{
			{ID: "n0", Name: "bridge", Driver: "bridge", Bridge: "docker0"},
			{ID: "n1", Name: "shop", Driver: "bridge", Bridge: "br-n1"},
			{ID: "n2", Name: "backend", Driver: "bridge", Bridge: "br-n2"},
		},
		Devices: []Device{
			{Netns: hostNS, Ifindex: 1, Name: "lo", Kind: "loopback", Addrs: addrs("127.0.0.1")},
			{Netns: hostNS, Ifindex: 2, Name: "eth0", Addrs: addrs("203.0.113.9")},
			{Netns: hostNS, Ifindex: 3, Name: "docker0", Kind: "bridge", Addrs: addrs("172.17.0.1")},
			{Netns: hostNS, Ifindex: 4, Name: "br-n1", Kind: "bridge", Addrs: addrs("172.18.0.1")},
			{Netns: hostNS, Ifindex: 5, Name: "br-n2", Kind: "bridge", Addrs: addrs("172.19.0.1")},
			{Netns: hostNS, Ifindex: 6, Name: "br-own", Kind: "bridge"},
			{Netns: hostNS, Ifindex: 7, Name: "vethout", Kind: "veth", PeerNetns: foreignNS, PeerIfindex: 2},
			veth(21, "veth21", 4, webNS, 20),
			veth(23, "veth23", 5, webNS, 22),
			veth(25, "veth25", 5, dbNS, 24),
			leg(webNS, 20, "eth0", 21, "172.18.0.2"),
			leg(webNS, 22, "eth1", 23, "172.19.0.2"),
			leg(dbNS, 24, "eth0", 25, "172.19.0.3"),
			{Netns: foreignNS, Ifindex: 2, Name: "eth0", Kind: "veth", Addrs: addrs("198.51.100.2")},
		},
	}
}

func TestEndpoint(t *testing.T) {
	f := town()
	v := NewView(f)
	ip := netip.MustParseAddr
	web := Endpoint{KindContainer, "aaweb", id("aa")}
	db := Endpoint{KindContainer, "ccdb", id("cc")}
	agent := Endpoint{KindContainer, "ddagent", id("dd")}
	host := Endpoint{Kind: KindHost, Name: "(host)"}
	outside := func(s string) Endpoint { return Endpoint{Kind: KindExternal, Name: s} }
	for name, tc := range map[string]struct {
		raw  RawEndpoint
		want Endpoint
	}{
		"cgroup":                         {RawEndpoint{Cgroup: 700}, web},
		"cgroup that it made":            {RawEndpoint{Cgroup: 701}, web},
		"cgroup before namespace":        {RawEndpoint{Cgroup: 720, Netns: webNS}, db},
		"cgroup in the host's namespace": {RawEndpoint{Cgroup: 730, Netns: hostNS}, agent},
		"cgroup of the host":             {RawEndpoint{Cgroup: 1, Netns: webNS}, web},
		"namespace":                      {RawEndpoint{Netns: dbNS, Addr: ip("8.8.8.8")}, db},
		"host's namespace":               {RawEndpoint{Netns: hostNS, Addr: ip("172.18.0.2")}, host},
		"container's address":            {RawEndpoint{Addr: ip("172.19.0.3")}, db},
		"the same, mapped":               {RawEndpoint{Addr: ip("::ffff:172.19.0.3")}, db},
		"container's IPv6":               {RawEndpoint{Addr: ip("2001:db8::2")}, web},
		"host's address":                 {RawEndpoint{Addr: ip("203.0.113.9")}, host},
		"bridge's address":               {RawEndpoint{Addr: ip("172.18.0.1")}, host},
		"loopback":                       {RawEndpoint{Addr: ip("127.0.0.1")}, host},
		"outside address":                {RawEndpoint{Addr: ip("198.51.100.2")}, outside("198.51.100.2")},
		"foreign namespace":              {RawEndpoint{Netns: foreignNS, Addr: ip("198.51.100.2")}, outside("198.51.100.2")},
		"loopback in a foreign one":      {RawEndpoint{Netns: foreignNS, Addr: ip("127.0.0.1")}, outside("127.0.0.1")},
		"unknown namespace":              {RawEndpoint{Netns: 99, Addr: ip("2001:db8:f::1")}, outside("2001:db8:f::1")},
		"nothing":                        {RawEndpoint{}, outside("(unknown)")},
	} {
		if got := v.Endpoint(tc.raw); got != tc.want {
			t.Errorf("%s: %+v, want %+v", name, got, tc.want)
		}
	}
}

func TestSharedNamespaceNamesBoth(t *testing.T) {
	f := town()
	f.Containers = append(f.Containers, Container{ID: id("bb"), Name: "side", PID: 71, Netns: webNS, CgroupID: 710,
		Addrs: f.Containers[0].Addrs, Started: at(0)})
	v := NewView(f)
	both := Endpoint{Kind: KindContainer, Name: "aaweb+side"}
	for _, raw := range []RawEndpoint{{Netns: webNS}, {Addr: netip.MustParseAddr("172.18.0.2")}} {
		if got := v.Endpoint(raw); got != both {
			t.Errorf("%+v is %+v, want %+v", raw, got, both)
		}
	}
	if got := v.Endpoint(RawEndpoint{Netns: webNS, Cgroup: 710}); got.Name != "side" || got.ContainerID != id("bb") {
		t.Errorf("with its cgroup: %+v", got)
	}
	if _, ok := v.ContainerByAddr(netip.MustParseAddr("172.18.0.2")); ok {
		t.Error("a shared address was given to one of two containers")
	}
	if got, _ := v.Where(hostNS, 21); got != "veth of aaweb+side (shop)" {
		t.Errorf("place %q", got)
	}
}

// Networks of their own may use the same addresses: an address alone does not
// tell then.
func TestSameAddressInTwoNetworks(t *testing.T) {
	f := town()
	f.Containers[1].Addrs = addrs("172.18.0.2")
	got := NewView(f).Endpoint(RawEndpoint{Addr: netip.MustParseAddr("172.18.0.2")})
	if got.Kind != KindExternal || got.Name != "172.18.0.2" {
		t.Errorf("got %+v", got)
	}
}

func TestWhere(t *testing.T) {
	f := town()
	f.Namespaces = []Namespace{{Inode: foreignNS, Name: "blue"}}
	v := NewView(f)
	for _, tc := range []struct {
		ns, index   uint32
		where, name string
	}{
		{hostNS, 0, "host", ""},
		{hostNS, 1, "lo of host", "lo"},
		{hostNS, 2, "eth0 of host", "eth0"},
		{hostNS, 3, "docker0", "docker0"},
		{hostNS, 4, "bridge shop", "br-n1"},
		{hostNS, 6, "bridge br-own", "br-own"},
		{hostNS, 7, "vethout of host", "vethout"},
		{hostNS, 21, "veth of aaweb (shop)", "veth21"},
		{hostNS, 23, "veth of aaweb (backend)", "veth23"},
		{hostNS, 25, "veth of ccdb", "veth25"},
		{hostNS, 99, "dev 99 of host", ""},
		{webNS, 0, "aaweb", ""},
		{webNS, 22, "eth1 of aaweb", "eth1"},
		{webNS, 99, "dev 99 of aaweb", ""},
		{foreignNS, 2, "eth0 in netns blue", "eth0"},
		{4026532999, 12, "dev 12 in ns 4026532999", ""},
		{4026532999, 0, "ns 4026532999", ""},
		{0, 0, "ns 0", ""},
	} {
		if where, name := v.Where(tc.ns, tc.index); where != tc.where || name != tc.name {
			t.Errorf("%d %d: %q %q, want %q %q", tc.ns, tc.index, where, name, tc.where, tc.name)
		}
	}
}

func TestNetworkOfDevice(t *testing.T) {
	v := NewView(town())
	for _, tc := range []struct {
		ns, index uint32
		want      string
	}{
		{hostNS, 4, "shop"}, {hostNS, 21, "shop"}, {hostNS, 23, "backend"}, {webNS, 20, "shop"}, {webNS, 22, "backend"},
		{hostNS, 2, ""}, {hostNS, 6, ""}, {hostNS, 99, ""}, {foreignNS, 2, ""},
	} {
		if n, ok := v.Network(tc.ns, tc.index); n.Name != tc.want || ok != (tc.want != "") {
			t.Errorf("network of %d %d: %q %v, want %q", tc.ns, tc.index, n.Name, ok, tc.want)
		}
	}
}

// The kernel gives the inode of a dead namespace to the next one.
func TestNamespaceUsedAgain(t *testing.T) {
	f := town()
	old := Container{ID: id("ee"), Name: "old", CgroupID: 770, Netns: webNS, Addrs: addrs("172.18.0.2"),
		Started: at(-20), Stopped: at(-1), Gone: at(-1)}
	job := Container{ID: id("ff"), Name: "job", CgroupID: 780, Netns: foreignNS, Started: at(-20), Stopped: at(-1), Gone: at(-1)}
	f.Containers = append(f.Containers, old, job)
	f.Devices = append(f.Devices, Device{Netns: hostNS, Ifindex: 12, Name: "veth12", Kind: "veth", PeerNetns: foreignNS,
		PeerIfindex: 2, Seen: at(0)}) // made after job had the inode
	f.Devices = append(f.Devices, Device{Netns: hostNS, Ifindex: 11, Name: "veth11", Kind: "veth", Master: 4,
		PeerNetns: webNS, PeerIfindex: 10, Seen: at(-20), Gone: at(1)}) // noticed after web had the inode
	v := NewView(f)
	today, past := v.During(at(5), at(6)), v.During(at(-10), at(-9))
	device := func(index uint32) journey.Place { return journey.Place{Netns: hostNS, Ifindex: index} }
	ip := netip.MustParseAddr("172.18.0.2")
	for _, tc := range []struct {
		view *View
		raw  RawEndpoint
		want string
	}{
		{v, RawEndpoint{Netns: webNS}, "(unknown)"},
		{v, RawEndpoint{Addr: ip}, "172.18.0.2"},
		{today, RawEndpoint{Netns: webNS}, "aaweb"},
		{today, RawEndpoint{Addr: ip}, "aaweb"},
		{past, RawEndpoint{Netns: webNS}, "old"},
		{past, RawEndpoint{Addr: ip}, "old"},
		{v, RawEndpoint{Cgroup: 770, Netns: webNS}, "old"},
		{v, RawEndpoint{Netns: webNS, Via: device(11)}, "old"},
		{v, RawEndpoint{Netns: webNS, Via: device(21)}, "aaweb"},
		{v, RawEndpoint{Netns: webNS, Via: device(98), Tenant: 770}, "old"},
		{v, RawEndpoint{Netns: webNS, Via: device(99), Tenant: 700}, "aaweb"},
		{v, RawEndpoint{Netns: webNS, Via: device(99)}, "(unknown)"},
		{today, RawEndpoint{Netns: dbNS, Cgroup: 1}, "ccdb"},
		{v, RawEndpoint{Netns: foreignNS, Cgroup: 1}, "(unknown)"}, // it may be of who had the inode later
		{v, RawEndpoint{Netns: foreignNS, Via: device(99), Tenant: 1}, "(unknown)"},
		{v, RawEndpoint{Netns: foreignNS, Via: device(12)}, "(unknown)"},
		{v, RawEndpoint{Netns: foreignNS}, "job"},
		{past, RawEndpoint{Netns: foreignNS, Cgroup: 1}, "job"},
	} {
		if got := tc.view.Endpoint(tc.raw).Name; got != tc.want {
			t.Errorf("%+v is %q, want %q", tc.raw, got, tc.want)
		}
	}
	if got, _ := v.Where(hostNS, 11); got != "veth of old" {
		t.Errorf("the dead device is %q, want its owner's of that time", got)
	}
	if got, _ := v.Where(hostNS, 21); !strings.HasPrefix(got, "veth of aaweb") {
		t.Errorf("the living device is %q", got)
	}
}

// A name server is asked in the networks of the addresses; on loopback, in those
// of the container that asks.
func TestAsksInNetworks(t *testing.T) {
	f := town()
	f.Containers[0].Networks[0].IP, f.Containers[0].Networks[1].IP = addrs("172.19.0.2"), addrs("172.18.0.2")
	v := NewView(f)
	for _, c := range []struct {
		name            string
		netns           uint32
		local, resolver string
		network         string
		want            bool
	}{
		{"by its address", webNS, "172.18.0.2", "198.51.100.1", "shop", true},
		{"by its other address", webNS, "172.19.0.2", "198.51.100.1", "shop", false},
		{"of a container there", hostNS, "203.0.113.9", "172.18.0.2", "shop", true},
		{"on loopback", webNS, "127.0.0.1", "127.0.0.11", "n2", true},
		{"bound to no address", webNS, "0.0.0.0", "198.51.100.1", "backend", true},
		{"on loopback, in other networks", webNS, "127.0.0.1", "127.0.0.11", "bridge", false},
		{"the host, on loopback", hostNS, "127.0.0.1", "127.0.0.53", "shop", false},
		{"nobody known", 9999, "127.0.0.1", "127.0.0.11", "shop", false},
	} {
		got := v.AsksInNetworks(c.netns, netip.MustParseAddr(c.local), netip.MustParseAddr(c.resolver), []string{c.network})
		if got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
