package truth

import (
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/internal/lab/outcome"
)

// pair is a client and a server, "web", on one user-defined bridge that has
// both families.
type pair struct {
	shop        *lab.Shop
	net         *lab.Network
	client, web *lab.Container
	at, at6     string // where web answers
}

// newPair is for tests that leave traces at it.
func newPair(t *testing.T) *pair {
	t.Helper()
	lab.Lock(t)
	p := makePair(t, "2001:db8:1::/64")
	p.warmUp(t)
	return p
}

// onePair is what tests share that only send through it.
var onePair lab.Kept[*pair]

func sharedPair(t *testing.T) *pair {
	t.Helper()
	lab.Lock(t)
	// A subnet that no other fixture takes: this one may be there all the time.
	p := onePair.Get(t, func(t lab.TB) *pair { return makePair(t, "2001:db8:2::/64") })
	p.warmUp(t)
	return p
}

func makePair(t lab.TB, subnet6 string) *pair {
	t.Helper()
	shop := lab.NewShop(t)
	p := &pair{shop: shop, net: shop.Network(lab.NetworkSpec{Name: "front", Subnet6: subnet6})}
	// What TCP met on a slow or lossy way is not for the next test.
	forgetful := map[string]string{"net.ipv4.tcp_no_metrics_save": "1"}
	p.web = shop.Container(lab.ContainerSpec{Name: "web", Networks: []*lab.Network{p.net}, Args: []string{"serve"}, Sysctls: forgetful})
	p.client = shop.Container(lab.ContainerSpec{Name: "client", Networks: []*lab.Network{p.net}, Sysctls: forgetful})
	p.at = serverAt(p.web.IP(p.net))
	p.at6 = serverAt(p.web.IP6(p.net))
	return p
}

// Use is for [lab.Kept].
func (p *pair) Use(t lab.TB) { p.shop.Use(t) }

// warmUp resolves the neighbours and lets the new devices' own chatter
// (duplicate address detection, multicast reports) pass.
func (p *pair) warmUp(t *testing.T) {
	t.Helper()
	for _, at := range []string{p.at, p.at6} {
		wantOK(t, p.client.Run("rr", "--count", "5", at), 5)
		wantOK(t, p.client.Run("udp", "--count", "5", at), 5)
	}
	time.Sleep(quiet)
}

// during starts the client's load, and waits until it is under way: until so many
// of its requests are answered, whatever the engine took to start it.
func (p *pair) during(t *testing.T, answered uint64, args ...string) *lab.Load {
	t.Helper()
	sent := func() uint64 { return lab.ProtocolCount(t, p.web.PID, "snmp", "Tcp", "OutSegs") }
	want := sent() + answered
	load := p.client.Start(args...)
	lab.Eventually(t, "its requests are answered", func() bool { return sent() >= want })
	return load
}

// withoutTimers: what a timer or an interrupt sets off runs under whichever task
// is current, and under some, such as the supervisor of a sandbox, a kernel may
// run no tracing program. What arrives, and with it what is sent again, is left
// to threads. The client's TCP does without timers that it can do without: no
// pacing, which BBR would do, and no tail-loss probes.
func (p *pair) withoutTimers(t *testing.T) {
	t.Helper()
	for _, c := range []*lab.Container{p.client, p.web} {
		lab.PollByThread(t, c.Netns, "eth0", c.Links[0].HostName)
	}
	lab.SetTCP(t, p.client.Netns, "congestion_control", "reno")
	lab.SetTCP(t, p.client.Netns, "early_retrans", "0")
}

func serverAt(ip netip.Addr) string { return netip.AddrPortFrom(ip, 8000).String() }

// wantOK fails unless all n operations succeeded.
func wantOK(t *testing.T, r outcome.Result, n uint64) {
	t.Helper()
	if r.OK != n || r.Errors != 0 {
		t.Errorf("%s: %d ok, %d errors (%s), want %d and none", r.Mode, r.OK, r.Errors, r.FirstError, n)
	}
}

// netnsInode is how stops name a network namespace.
func netnsInode(t *testing.T, path string) uint32 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return uint32(info.Sys().(*syscall.Stat_t).Ino)
}

// share is part of whole, 0 of nothing.
func share(part, whole uint64) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}
