package robust

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
)

// Devices that are made, renamed, plugged and deleted while traced disturb
// neither the traffic nor the accounting. HOPSCOPE_LONG=1 makes 4,096.
func TestLinkChurn(t *testing.T) {
	p := newPair(t)
	n := 64
	if os.Getenv("HOPSCOPE_LONG") == "1" {
		n = 4096
	}
	s := begin(t, "trace", "--no-save", "--format", "json", "--sample", "1", "--container", p.web.Name)
	s.says(t, "tracing ")
	load := p.client.Start("rr", "--count", "2000", "--rate", "500", p.at)
	begun := time.Now()
	for i := range n {
		churnLink(t, i)
	}
	t.Logf("%d pairs in %s", n, time.Since(begun).Round(time.Millisecond))
	wantOK(t, load.Wait(), 2000)
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	o := s.wait(t)
	o.wantDone(t)
	sum := parse(t, o.stdout)
	sum.wantBalanced(t)
	var there uint64
	for _, path := range sum.Paths {
		if path.From.Name == p.client.Name && path.To.Name == p.web.Name {
			there += path.Journeys
		}
	}
	if there < 2000 {
		t.Errorf("%d journeys from client to web, want at least 2000", there)
	}
	for cause, lost := range sum.Accounting.Lost {
		if lost > 0 {
			t.Errorf("%s: %d lost", cause, lost)
		}
	}
}

// churnLink is the life of one veth pair. The kernel hands out interface
// indexes upwards; asking for one makes it be used again.
func churnLink(t *testing.T, i int) {
	t.Helper()
	name := fmt.Sprintf("hsrob%d", i)
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.Index = name, 60_000
	pair := &netlink.Veth{LinkAttrs: attrs, PeerName: name + "p"}
	if err := netlink.LinkAdd(pair); err != nil {
		t.Fatalf("make %s: %v", name, err)
	}
	defer func() {
		if err := netlink.LinkDel(pair); err != nil {
			t.Errorf("delete %s: %v", name, err)
		}
	}()
	if err := netlink.LinkSetName(pair, name+"x"); err != nil {
		t.Errorf("rename %s: %v", name, err)
	}
	if err := netlink.LinkSetUp(pair); err != nil {
		t.Errorf("set %s up: %v", name, err)
	}
}
