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

func newPair(t *testing.T) *pair {
	t.Helper()
	lab.Lock(t)
	shop := lab.NewShop(t)
	p := &pair{shop: shop, net: shop.Network(lab.NetworkSpec{Name: "front", Subnet6: "2001:db8:1::/64"})}
	p.web = shop.Container(lab.ContainerSpec{Name: "web", Networks: []*lab.Network{p.net}, Args: []string{"serve"}})
	p.client = shop.Container(lab.ContainerSpec{Name: "client", Networks: []*lab.Network{p.net}})
	p.at = serverAt(p.web.IP(p.net))
	p.at6 = serverAt(p.web.IP6(p.net))
	p.warmUp(t)
	return p
}

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
