package capture

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/hopscope/hopscope/pkg/dns"
	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/journey"
	"github.com/hopscope/hopscope/pkg/model"
)

// secretFacts sets every field of the inventory.
func secretFacts() inventory.Facts {
	f := testFacts()
	f.Containers[0].ID, f.Containers[1].ID = strings.Repeat("aa11", 16), strings.Repeat("bb22", 16)
	web := &f.Containers[1]
	web.NetworkMode, web.Sandbox, web.SubCgroups = "container:"+f.Containers[0].ID, "/run/docker/netns/sandboxsecret", []uint64{1}
	web.Former = []inventory.Run{{PID: 9, Addrs: []netip.Addr{netip.MustParseAddr("203.0.113.77")}}}
	f.Devices[0].MAC, f.Devices[0].Addrs = "02:42:ac:14:00:01", []netip.Addr{netip.MustParseAddr("172.20.0.1"), netip.MustParseAddr("2001:db8::17")}
	f.Former = []inventory.Device{{Name: "enp3secret"}}
	f.Namespaces = append(f.Namespaces, inventory.Namespace{Inode: 5, Name: "blue-secret", Path: "/run/netns/blue-secret"})
	return f
}

func writeSecret(t *testing.T) string {
	t.Helper()
	head := testHead()
	head.Selection, head.Command = []string{"web"}, []string{"/home/alice/hopscope", "-c", "web"}
	w, path := create(t, Options{Head: head, Symbols: kernelNames{}})
	made := newTraffic(4)
	for i := range 1000 {
		j := made.next()
		switch i % 50 {
		case 3:
			j = dropped(j)
		case 7:
			j.Last.Dst = netip.MustParseAddrPort("198.51.100.23:443")
		case 9:
			j.Family = 6
			j.First = journey.Tuple{Src: netip.MustParseAddrPort("[2001:db8::17]:5"), Dst: netip.MustParseAddrPort("[fe80::1234]:6")}
			j.Last = j.First
		}
		ok(t, w.Journey(j, nil))
	}
	ok(t, w.Drops(dropsInForward(3)))
	ok(t, w.Retransmits(retransmitted(4)))
	ok(t, w.Counters([]model.CounterCount{{CounterKey: model.CounterKey{Kind: model.CountThrottled, Container: secretFacts().Containers[0].ID}, N: 5}}))
	for _, e := range oddEvents(rand.New(rand.NewPCG(9, 9)), 200) {
		ok(t, w.Sockets(e))
	}
	ok(t, w.DNS(asked(dns.Answered)))
	ok(t, w.Servers([]Server{{6, netip.MustParseAddrPort("172.20.0.3:8080")}}))
	ok(t, w.Findings([]model.Finding{{Text: "web is slow"}}))
	ok(t, w.Extra(Extra{Kind: "dns", Data: []byte("web.internal")}))
	ok(t, w.Status(testStatus(2)))
	ok(t, w.Inventory(3, secretFacts()))
	ok(t, w.Close(End{Ended: "error", Error: "write /home/alice/x.hop", Status: testStatus(4)}))
	return path
}

// unpacked is all that is in a file, without compression.
func unpacked(t *testing.T, path string) []byte {
	t.Helper()
	f, err := os.Open(path)
	ok(t, err)
	defer f.Close()
	r, _, err := newBlocks(f)
	ok(t, err)
	defer r.close()
	var all []byte
	for {
		b, err := r.read()
		if errors.Is(err, io.EOF) {
			return all
		}
		ok(t, err)
		payload, err := r.unpack(b)
		ok(t, err)
		all = append(all, payload...)
	}
}

func TestRedactedTellsNothing(t *testing.T) {
	path := writeSecret(t)
	copied := filepath.Join(t.TempDir(), "redacted.hop")
	damage, err := Redact(path, copied, false)
	ok(t, err)
	if damage.Any() {
		t.Error(damage)
	}
	before, after := unpacked(t, path), unpacked(t, copied)
	secrets := []string{"web", "api", "shop", "docker-7", "alice", "secret", "aa11aa11", "bb22bb22", "3d80aa11bb22", "/proc/1", "02:42:ac:14",
		"172.20", "203.0.113", "2001:db8", "is slow", "internal"}
	for _, a := range []string{"172.20.0.2", "172.20.0.3", "198.51.100.23", "2001:db8::17", "fe80::1234"} {
		secrets = append(secrets, string(netip.MustParseAddr(a).AsSlice()))
	}
	secrets = append(secrets, string(le.AppendUint64(nil, 0xffffffff81234567)))
	for _, s := range secrets {
		if !bytes.Contains(before, []byte(s)) {
			t.Errorf("the test does not write %q", s)
		}
		if bytes.Contains(after, []byte(s)) {
			t.Errorf("%q is still there", s)
		}
	}
	_, _, head := read(t, copied)
	if !head.Redacted || len(head.Selection) != 1 || !reflect.DeepEqual(head.Command, []string{"hopscope"}) {
		t.Errorf("head %+v", head)
	}
}

// TestRedactedKeepsStructure: but for names, a report says the same.
func TestRedactedKeepsStructure(t *testing.T) {
	path := writeSecret(t)
	copied := filepath.Join(t.TempDir(), "redacted.hop")
	_, err := Redact(path, copied, false)
	ok(t, err)
	report := func(path string) model.Snapshot {
		r, err := Open(path)
		ok(t, err)
		defer r.Close()
		agg := model.New(model.Limits{})
		s, err := Replay(r, agg, Filter{})
		ok(t, err)
		return s.Snapshot(agg)
	}
	want, got := report(path), report(copied)
	if len(got.Paths) != len(want.Paths) || len(got.Drops) != len(want.Drops) ||
		len(got.Exchanges) != len(want.Exchanges) || !reflect.DeepEqual(got.Accounting, want.Accounting) {
		t.Fatalf("%d paths, %d drops, want %d, %d", len(got.Paths), len(got.Drops), len(want.Paths), len(want.Drops))
	}
	container := regexp.MustCompile(`^c-[0-9a-f]{6}$`)
	for i := range got.Paths {
		g, w := got.Paths[i], want.Paths[i]
		if !reflect.DeepEqual(g.Total, w.Total) || g.From.Kind != w.From.Kind || g.Port != w.Port || g.NAT != w.NAT || len(g.Hops) != len(w.Hops) {
			t.Errorf("path %d: %+v, want the numbers of %+v", i, g, w)
		}
		if g.From.Kind == "container" && !container.MatchString(g.From.Name) {
			t.Errorf("a container is called %s", g.From.Name)
		}
		if (w.From.Name == want.Paths[0].From.Name) != (g.From.Name == got.Paths[0].From.Name) {
			t.Errorf("path %d: %s has two names", i, w.From.Name)
		}
	}
	if g, w := got.DNS[0], want.DNS[0]; len(got.DNS) != 1 || !reflect.DeepEqual(g.Latency, w.Latency) ||
		!reflect.DeepEqual(g.Rcode, w.Rcode) || !container.MatchString(g.From.Name) || !container.MatchString(g.To.Name) || g.Resolver == w.Resolver {
		t.Errorf("name server %+v, want the numbers of %+v", g, w)
	}
	if d := got.Drops[0]; d.Location != "nft_do_chain+0x12" || d.Count != want.Drops[0].Count {
		t.Errorf("drop %+v", d)
	}
}

func TestReplacements(t *testing.T) {
	x, err := newReplacer()
	ok(t, err)
	seen := map[netip.Addr]bool{}
	for i := range 20_000 {
		r := x.addr(netip.AddrFrom4([4]byte{192, 168, byte(i >> 8), byte(i)}))
		if b := r.As4(); b[0] != 10 || seen[r] {
			t.Fatalf("%v is no address of its own in 10/8", r)
		}
		seen[r] = true
	}
	for _, a := range []string{"127.0.0.53", "0.0.0.0", "255.255.255.255", "224.0.0.251", "::1", "::", "ff02::1"} {
		if r := x.addr(netip.MustParseAddr(a)); r.String() != a {
			t.Errorf("%s became %v", a, r)
		}
	}
	for a, prefix := range map[string]string{
		"169.254.169.254": "169.254.0.0/16", "239.1.2.3": "239.0.0.0/8", "232.1.2.3": "239.0.0.0/8", "2001:db8::1": "fd00::/64",
		"fe80::1": "fe80::/64", "ff02::1:ff00:17": "ff05::/64", "::ffff:192.0.2.7": "::ffff:0:0/96",
	} {
		r := x.addr(netip.MustParseAddr(a))
		in := netip.MustParsePrefix(prefix)
		if r.Is4In6() {
			in = netip.MustParsePrefix("10.0.0.0/8")
		}
		if r.String() == a || !in.Contains(r.Unmap()) || x.addr(netip.MustParseAddr(a)) != r {
			t.Errorf("%s became %v, want one of %v", a, r, prefix)
		}
	}
	again, err := newReplacer()
	ok(t, err)
	if again.name("c", "web") == x.name("c", "web") {
		t.Error("two files have the same key")
	}
}

func TestRedactOfACutFile(t *testing.T) {
	path := writeSecret(t)
	file, err := os.ReadFile(path)
	ok(t, err)
	ok(t, os.WriteFile(path, file[:len(file)-10], 0o600))
	copied := filepath.Join(t.TempDir(), "redacted.hop")
	damage, err := Redact(path, copied, false)
	ok(t, err)
	c, copiedDamage, _ := read(t, copied)
	if !damage.NoEnd || !copiedDamage.NoEnd || len(c.journeys) != 1000 || len(c.inventories) != 1 {
		t.Errorf("%+v, copy %+v with %d journeys", damage, copiedDamage, len(c.journeys))
	}
}
