package lab

import (
	"context"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/vishvananda/netlink"

	"github.com/hopscope/hopscope/internal/lab/outcome"
)

// wantOK fails unless all n operations succeeded.
func wantOK(t *testing.T, r outcome.Result, n uint64) {
	t.Helper()
	if r.OK != n || r.Errors != 0 {
		t.Errorf("%s: %d ok, %d errors (%s), want %d and none", r.Mode, r.OK, r.Errors, r.FirstError, n)
	}
}

func TestTwoContainersTalkOverBothFamilies(t *testing.T) {
	Lock(t)
	shop := NewShop(t)
	front := shop.Network(NetworkSpec{Name: "front", Subnet6: "2001:db8:1::/64"})
	web := shop.Container(ContainerSpec{Name: "web", Networks: []*Network{front}, Args: []string{"serve"}})
	client := shop.Container(ContainerSpec{Name: "client", Networks: []*Network{front}})

	byName := client.Run("rr", "--count", "200", "web:8000")
	wantOK(t, byName, 200)
	if byName.Latency.Samples != 200 || byName.Latency.MinNs <= 0 || byName.Latency.P50Ns > byName.Latency.P99Ns {
		t.Errorf("latency makes no sense: %+v", byName.Latency)
	}
	for _, ip := range []netip.Addr{web.IP(front), web.IP6(front)} {
		at := netip.AddrPortFrom(ip, 8000).String()
		wantOK(t, client.Run("short", "--count", "50", at), 50)
		wantOK(t, client.Run("udp", "--count", "200", at), 200)
		if bulk := client.Run("bulk", "--bytes", "1000000", at); bulk.BytesSent != 1_000_000 {
			t.Errorf("bulk sent %d bytes, want 1000000", bulk.BytesSent)
		}
	}
	link := client.Link(front)
	if link.Name != "eth0" || !strings.HasPrefix(link.HostName, "veth") {
		t.Errorf("link of client: %+v", link)
	}
}

func TestContainerOnTwoNetworksCallsUpstream(t *testing.T) {
	Lock(t)
	shop := NewShop(t)
	front := shop.Network(NetworkSpec{Name: "front"})
	back := shop.Network(NetworkSpec{Name: "back"})
	shop.Container(ContainerSpec{Name: "db", Networks: []*Network{back},
		Args: []string{"serve", "--port", "5432", "--think", "3ms"}})
	api := shop.Container(ContainerSpec{Name: "api", Networks: []*Network{front, back},
		Args: []string{"serve", "--upstream", "db:5432"}})
	client := shop.Container(ContainerSpec{Name: "client", Networks: []*Network{front}})

	result := client.Run("rr", "--count", "50", "api:8000")
	wantOK(t, result, 50)
	if result.Latency.MinNs < 3e6 {
		t.Errorf("fastest answer after %d ns, but db thinks for 3 ms", result.Latency.MinNs)
	}
	if a, b := api.Link(front), api.Link(back); a.HostName == b.HostName || len(api.Links) != 2 {
		t.Errorf("links of api: %+v", api.Links)
	}
	before := api.PID
	api.Restart()
	if api.PID == before {
		t.Error("same process after a restart")
	}
	wantOK(t, client.Run("rr", "--count", "10", "api:8000"), 10)
}

func TestDefaultBridgeAndModes(t *testing.T) {
	Lock(t)
	shop := NewShop(t)
	server := shop.Container(ContainerSpec{Name: "server", Args: []string{"serve"}})
	client := shop.Container(ContainerSpec{Name: "client"})
	wantOK(t, client.Run("rr", "--count", "50", server.DefaultIP().String()+":8000"), 50)

	sidecar := shop.Container(ContainerSpec{Name: "sidecar", Mode: "container:" + server.ID})
	wantOK(t, sidecar.Run("rr", "--count", "50", "127.0.0.1:8000"), 50)
	if a, b := inode(t, sidecar.Netns), inode(t, server.Netns); a != b {
		t.Errorf("sidecar is in %s, server in %s", a, b)
	}
	onHost := shop.Container(ContainerSpec{Name: "onhost", Mode: "host"})
	if a, b := inode(t, onHost.Netns), inode(t, HostNetns); a != b {
		t.Errorf("host-mode container is in %s, the host in %s", a, b)
	}
}

func inode(t *testing.T, path string) string {
	t.Helper()
	target, err := os.Readlink(path)
	if err != nil {
		t.Fatal(err)
	}
	return target
}

func TestOutsideReachesPublishedPortAndIsReached(t *testing.T) {
	Lock(t)
	shop := NewShop(t)
	front := shop.Network(NetworkSpec{Name: "front"})
	web := shop.Container(ContainerSpec{Name: "web", Networks: []*Network{front},
		Publish: []string{"8000/tcp", "8000/udp"}, Args: []string{"serve"}})
	host := Outside(t, OutsideSpec{})

	tcp := netip.AddrPortFrom(host.HostAddr, web.HostPort("8000/tcp")).String()
	udp := netip.AddrPortFrom(host.HostAddr, web.HostPort("8000/udp")).String()
	wantOK(t, host.Run("rr", "--count", "100", tcp), 100)
	wantOK(t, host.Run("udp", "--count", "100", udp), 100)

	server := host.Start("serve", "--duration", "20s")
	wantOK(t, web.Run("rr", "--count", "100", netip.AddrPortFrom(host.Addr, 8000).String()), 100)
	_ = server // killed at the end
}

func TestRemovesAllThatItMade(t *testing.T) {
	var made *Shop
	var outside *Host
	var webName string
	t.Run("a test that fails in the middle", func(t *testing.T) {
		err := Run("failing", func(_ context.Context, t TB) {
			Lock(t)
			made = NewShop(t)
			front := made.Network(NetworkSpec{Name: "front"})
			webName = made.Container(ContainerSpec{Name: "web", Networks: []*Network{front}, Args: []string{"serve"}}).Name
			outside = Outside(t, OutsideSpec{})
			t.Fatalf("on purpose")
		})
		if err == nil || err.Error() != "on purpose" {
			t.Fatalf("Run = %v", err)
		}
	})
	Lock(t)
	engine := Engine(t)
	ours := filters.NewArgs(filters.Arg("label", label))
	containers, err := engine.ContainerList(context.Background(), container.ListOptions{All: true, Filters: ours})
	if err != nil || len(containers) != 0 {
		t.Errorf("containers left: %v, %v (made %s)", containers, err, webName)
	}
	networks, err := engine.NetworkList(context.Background(), network.ListOptions{Filters: ours})
	if err != nil || len(networks) != 0 {
		t.Errorf("networks left: %v, %v", networks, err)
	}
	if _, err := os.Stat(outside.Netns); !os.IsNotExist(err) {
		t.Errorf("namespace left: %v", err)
	}
	if _, err := netlink.LinkByName(outside.Link.HostName); err == nil {
		t.Errorf("device left: %s", outside.Link.HostName)
	}
}

// A run that is killed cleans nothing up; the next Lock does.
func TestLockSweepsWhatACrashLeft(t *testing.T) {
	var orphan *Container
	var host *Host
	err := Run("crashing", func(_ context.Context, t TB) {
		Lock(t)
		crashing := &withoutCleanup{TB: t}
		shop := NewShop(t)
		shop.t = crashing
		front := shop.Network(NetworkSpec{Name: "front"})
		orphan = shop.Container(ContainerSpec{Name: "web", Networks: []*Network{front}})
		host = Outside(crashing, OutsideSpec{})
	})
	if err != nil {
		t.Fatal(err)
	}
	// This process would sweep only after another one's turn.
	if err := os.WriteFile(lockFile, []byte("another's"), 0o600); err != nil {
		t.Fatal(err)
	}
	Lock(t)
	if _, err := Engine(t).ContainerInspect(context.Background(), orphan.ID); err == nil {
		t.Errorf("container %s is left", orphan.Name)
	}
	if _, err := os.Stat(host.Netns); !os.IsNotExist(err) {
		t.Errorf("namespace left: %v", err)
	}
	if _, err := netlink.LinkByName(host.Link.HostName); err == nil {
		t.Errorf("device left: %s", host.Link.HostName)
	}
}

// withoutCleanup forgets what is to be cleaned up.
type withoutCleanup struct{ TB }

func (withoutCleanup) Cleanup(func()) {}
