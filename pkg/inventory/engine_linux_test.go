package inventory_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/pkg/inventory"
)

// These tests are on the machine's own kernel and engine.

func open(t *testing.T, o inventory.Options) *inventory.Inventory {
	t.Helper()
	inv, err := inventory.Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := inv.Close(); err != nil {
			t.Error(err)
		}
	})
	return inv
}

// soon waits for what the inventory notices by itself.
func soon(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("after 5 s still not: %s", what)
}

func netnsOf(t *testing.T, path string) uint32 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		t.Fatal(err)
	}
	return uint32(st.Ino)
}

// kernelCgroupID asks the kernel for the cgroup id of a process: as the file
// handle of its directory (name_to_handle_at(2)), which on cgroup2 is the id.
func kernelCgroupID(t *testing.T, pid int) uint64 {
	t.Helper()
	f, err := os.Open(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for sc := bufio.NewScanner(f); sc.Scan(); {
		path, ok := strings.CutPrefix(sc.Text(), "0::")
		for _, mount := range []string{"/sys/fs/cgroup/unified", "/sys/fs/cgroup"} {
			if !ok {
				continue
			}
			h, _, err := unix.NameToHandleAt(unix.AT_FDCWD, filepath.Join(mount, path), 0)
			if err == nil && h.Size() == 8 {
				return binary.NativeEndian.Uint64(h.Bytes())
			}
		}
	}
	t.Fatalf("process %d is in no cgroup v2", pid)
	return 0
}

func TestNamesOnTheEngine(t *testing.T) {
	lab.Lock(t)
	shop := lab.NewShop(t)
	front := shop.Network(lab.NetworkSpec{Name: "front", Subnet6: "2001:db8:1::/64"})
	back := shop.Network(lab.NetworkSpec{Name: "back"})
	web := shop.Container(lab.ContainerSpec{Name: "web", Networks: []*lab.Network{front, back}, Publish: []string{"8000"},
		Labels: map[string]string{"com.docker.compose.service": "web", "com.docker.compose.project": "shop"}})
	db := shop.Container(lab.ContainerSpec{Name: "db", Networks: []*lab.Network{back}})
	plain := shop.Container(lab.ContainerSpec{Name: "plain"})
	side := shop.Container(lab.ContainerSpec{Name: "side", Mode: "container:" + plain.ID})
	agent := shop.Container(lab.ContainerSpec{Name: "agent", Mode: "host"})
	outside := lab.Outside(t, lab.OutsideSpec{})
	inv := open(t, inventory.Options{})
	if notes := inv.Notes(); len(notes) > 0 {
		t.Errorf("something is missing: %q", notes)
	}
	v := inv.View()
	hostNS := netnsOf(t, lab.HostNetns)
	if v.HostNetns() != hostNS {
		t.Errorf("host's namespace %d, want %d", v.HostNetns(), hostNS)
	}

	for _, c := range []*lab.Container{web, db, plain, side, agent} {
		want := inventory.Endpoint{Kind: inventory.KindContainer, Name: c.Name, ContainerID: c.ID}
		raw := inventory.RawEndpoint{Cgroup: kernelCgroupID(t, c.PID), Netns: netnsOf(t, c.Netns)}
		if got := v.Endpoint(raw); got != want {
			t.Errorf("%+v is %+v, want %+v", raw, got, want)
		}
	}
	shared := slices.Sorted(slices.Values([]string{plain.Name, side.Name}))
	for _, tc := range []struct {
		raw  inventory.RawEndpoint
		kind inventory.EndpointKind
		name string
	}{
		{inventory.RawEndpoint{Netns: netnsOf(t, web.Netns)}, inventory.KindContainer, web.Name},
		{inventory.RawEndpoint{Netns: netnsOf(t, side.Netns)}, inventory.KindContainer, strings.Join(shared, "+")},
		{inventory.RawEndpoint{Netns: hostNS}, inventory.KindHost, "(host)"},
		{inventory.RawEndpoint{Addr: web.IP(back)}, inventory.KindContainer, web.Name},
		{inventory.RawEndpoint{Addr: web.IP6(front)}, inventory.KindContainer, web.Name},
		{inventory.RawEndpoint{Addr: outside.HostAddr}, inventory.KindHost, "(host)"},
		{inventory.RawEndpoint{Addr: outside.Addr}, inventory.KindExternal, outside.Addr.String()},
		{inventory.RawEndpoint{Addr: outside.Addr6, Netns: netnsOf(t, outside.Netns)}, inventory.KindExternal, outside.Addr6.String()},
	} {
		if got := v.Endpoint(tc.raw); got.Kind != tc.kind || got.Name != tc.name {
			t.Errorf("%+v is %+v, want %s %s", tc.raw, got, tc.kind, tc.name)
		}
	}
	checkPlaces(t, v, hostNS, web, db, plain, front, back)
	if joined, _ := v.Container(side.ID); len(joined.Networks) != 1 || joined.Networks[0].Network != "bridge" || joined.Networks[0].Interface != plain.Links[0].Name {
		t.Errorf("who joined another's namespace is in its network: %+v", joined.Networks)
	}

	c, _ := v.Container(web.ID)
	if c.Service != "web" || c.Project != "shop" || c.State != "running" || !strings.HasPrefix(c.Image, "hopscope-lab/traffic") {
		t.Errorf("web: %+v", c)
	}
	i := slices.IndexFunc(c.Networks, func(a inventory.Attachment) bool { return a.Network == front.Name })
	if l := web.Link(front); i < 0 || c.Networks[i].Interface != l.Name || c.Networks[i].HostInterface != l.HostName ||
		c.Networks[i].Driver != "bridge" || !slices.Contains(c.Networks[i].IP, web.IP6(front)) {
		t.Errorf("its leg in front: %+v, want %+v", c.Networks, l)
	}
	i = slices.IndexFunc(c.Ports, func(p inventory.Port) bool { return p.HostIP.Is4() })
	if i < 0 || c.Ports[i].Host != web.HostPort("8000/tcp") || c.Ports[i].Container != 8000 || c.Ports[i].HowServed != "dnat+proxy" {
		t.Errorf("published: %+v, want %d", c.Ports, web.HostPort("8000/tcp"))
	}
}

func checkPlaces(t *testing.T, v *inventory.View, hostNS uint32, web, db, plain *lab.Container, front, back *lab.Network) {
	t.Helper()
	type place struct {
		ns, index    uint32
		where, iface string
	}
	var places []place
	for _, n := range []*lab.Network{front, back} {
		l := web.Link(n)
		places = append(places,
			place{hostNS, uint32(l.HostIndex), "veth of " + web.Name + " (" + n.Name + ")", l.HostName},
			place{netnsOf(t, web.Netns), uint32(l.Index), l.Name + " of " + web.Name, l.Name},
			place{hostNS, index(t, n.Bridge), "bridge " + n.Name, n.Bridge})
	}
	places = append(places,
		place{hostNS, uint32(db.Links[0].HostIndex), "veth of " + db.Name, db.Links[0].HostName},
		place{hostNS, index(t, "docker0"), "docker0", "docker0"},
		place{hostNS, 0, "host", ""})
	for _, p := range places {
		if where, iface := v.Where(p.ns, p.index); where != p.where || iface != p.iface {
			t.Errorf("%d in %d: %q %q, want %q %q", p.index, p.ns, where, iface, p.where, p.iface)
		}
	}
	if n, ok := v.Network(hostNS, uint32(plain.Links[0].HostIndex)); !ok || n.Name != "bridge" {
		t.Errorf("network of plain: %+v", n)
	}
}

func index(t *testing.T, device string) uint32 {
	t.Helper()
	b, err := os.ReadFile("/sys/class/net/" + device + "/ifindex")
	var n uint32
	if err == nil {
		_, err = fmt.Sscan(string(b), &n)
	}
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// An inventory that stays open follows start, rename, restart and removal.
func TestFollowsTheEngine(t *testing.T) {
	lab.Lock(t)
	shop := lab.NewShop(t)
	front := shop.Network(lab.NetworkSpec{Name: "front"})
	inv := open(t, inventory.Options{})
	changes, _ := inv.Changes()
	web := shop.Container(lab.ContainerSpec{Name: "web", Networks: []*lab.Network{front}})
	hostNS := inv.View().HostNetns()
	first, firstCgroup := web.Link(front), kernelCgroupID(t, web.PID)
	where := func(ns, index uint32) string { w, _ := inv.View().Where(ns, index); return w }

	soon(t, "the new container is known", func() bool {
		return where(hostNS, uint32(first.HostIndex)) == "veth of "+web.Name &&
			inv.View().Endpoint(inventory.RawEndpoint{Cgroup: firstCgroup}).Name == web.Name
	})
	select {
	case <-changes:
	case <-time.After(5 * time.Second):
		t.Error("nobody was told of the new container")
	}

	web.Restart()
	second, secondCgroup := web.Link(front), kernelCgroupID(t, web.PID)
	soon(t, "both lives have the name", func() bool {
		return where(hostNS, uint32(second.HostIndex)) == "veth of "+web.Name &&
			where(hostNS, uint32(first.HostIndex)) == "veth of "+web.Name &&
			inv.View().Endpoint(inventory.RawEndpoint{Cgroup: firstCgroup}).Name == web.Name &&
			inv.View().Endpoint(inventory.RawEndpoint{Cgroup: secondCgroup}).Name == web.Name
	})
	soon(t, "only the second life is selected", func() bool {
		s, err := inv.Select([]string{web.Name})
		return err == nil && slices.Equal(s.Cgroups, []uint64{secondCgroup}) && slices.Equal(s.Netns, []uint32{netnsOf(t, web.Netns)}) &&
			slices.Equal(s.Addrs, []netip.Addr{web.IP(front)})
	})

	id, ns := web.ID, netnsOf(t, web.Netns)
	web.Remove()
	soon(t, "its removal is known", func() bool {
		c, _ := inv.View().Container(id)
		d, ok := inv.View().Device(hostNS, uint32(second.HostIndex))
		return !c.Gone.IsZero() && ok && !d.Gone.IsZero()
	})
	for _, i := range []int{first.HostIndex, second.HostIndex} {
		if got := where(hostNS, uint32(i)); got != "veth of "+web.Name {
			t.Errorf("after its removal its veth is %q", got)
		}
	}
	if got := where(ns, uint32(second.Index)); got != "eth0 of "+web.Name {
		t.Errorf("after its removal its device is %q", got)
	}
}

// Without an engine, namespaces, devices and cgroups still tell containers
// apart.
func TestWithoutAnEngine(t *testing.T) {
	lab.Lock(t)
	shop := lab.NewShop(t)
	web := shop.Container(lab.ContainerSpec{Name: "web"})
	inv := open(t, inventory.Options{DockerHost: "unix://" + t.TempDir() + "/docker.sock"})
	short := web.ID[:12]
	if got, _ := inv.View().Where(inv.View().HostNetns(), uint32(web.Links[0].HostIndex)); got != "veth of "+short {
		t.Errorf("its veth is %q, want that of %s", got, short)
	}
	raw := inventory.RawEndpoint{Cgroup: kernelCgroupID(t, web.PID)}
	if got := inv.View().Endpoint(raw); got.Name != short || got.ContainerID != web.ID {
		t.Errorf("its cgroup is %+v", got)
	}
	if got := inv.View().Endpoint(inventory.RawEndpoint{Addr: web.DefaultIP()}); got.Name != short {
		t.Errorf("its address is %+v", got)
	}
	if notes := strings.Join(inv.Notes(), "\n"); !strings.Contains(notes, "Docker engine does not answer") {
		t.Errorf("nothing is said of it: %q", notes)
	}
	if s, err := inv.Select([]string{web.ID[:6]}); err != nil || len(s.Containers) != 1 {
		t.Errorf("by id prefix: %+v, %v", s, err)
	}
}

// An open file of a namespace would keep a dead container's devices alive.
func TestNothingIsHeldOpen(t *testing.T) {
	lab.Lock(t)
	shop := lab.NewShop(t)
	shop.Container(lab.ContainerSpec{Name: "web"})
	files := func() (out []string) {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if l, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil {
				out = append(out, l)
			}
		}
		return out
	}
	before, goroutines := len(files()), runtime.NumGoroutine()
	inv, err := inventory.Open(context.Background(), inventory.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if err := inv.Refresh(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range files() {
		if strings.HasPrefix(f, "net:[") || strings.Contains(f, "/ns/net") {
			t.Errorf("%s is held open", f)
		}
	}
	if err := inv.Close(); err != nil {
		t.Fatal(err)
	}
	soon(t, "files and goroutines are as before", func() bool {
		return len(files()) <= before && runtime.NumGoroutine() <= goroutines
	})
}

// Each published port has a docker-proxy process an address family, which is
// remembered when it goes.
func TestProxiesOnTheEngine(t *testing.T) {
	lab.Lock(t)
	shop := lab.NewShop(t)
	inv := open(t, inventory.Options{})
	before, _ := inv.ProxyMemory()
	web := shop.Container(lab.ContainerSpec{Name: "web", Publish: []string{"8000", "127.0.0.1::8001/udp"}})
	soon(t, "its proxies are known", func() bool {
		n, bytes := inv.ProxyMemory()
		return n >= before+2 && bytes > 100_000
	})
	id, name := web.ID, web.Name
	serves := func() (live, gone int) {
		for _, p := range inv.View().Proxies() {
			switch {
			case p.ContainerID != id:
			case inv.View().Serves(p) != fmt.Sprintf("%s:%d", name, p.ContainerPort):
				t.Errorf("%+v serves %s", p, inv.View().Serves(p))
			case p.Gone.IsZero():
				live++
			default:
				gone++
			}
		}
		return live, gone
	}
	live, _ := serves()
	if live < 2 {
		t.Errorf("%d proxies serve %s: %+v", live, name, inv.View().Proxies())
	}
	web.Remove()
	soon(t, "they are gone, but known", func() bool {
		left, gone := serves()
		return left == 0 && gone == live
	})
}
