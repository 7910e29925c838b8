package truth

import (
	"bufio"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/pkg/pipeline"
	"github.com/hopscope/hopscope/pkg/probe"
)

// connectsOf counts the outcomes of connect(2) in a namespace.
func (tr *socketTrace) connectsOf(netns uint32) map[syscall.Errno]int {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	out := make(map[syscall.Errno]int)
	for _, c := range tr.connects {
		if c.Sock.Netns == netns {
			out[syscall.Errno(c.Error)]++
		}
	}
	return out
}

// What connect(2) came to is told once each, as the caller was told.
func TestConnectsAreCountedByOutcome(t *testing.T) {
	p := newPair(t)
	deaf := p.shop.Container(lab.ContainerSpec{Name: "deaf", Networks: []*lab.Network{p.net}, Args: []string{"serve"}})
	hasty := p.shop.Container(lab.ContainerSpec{
		Name: "hasty", Networks: []*lab.Network{p.net},
		Sysctls: map[string]string{"net.ipv4.tcp_syn_retries": "1"},
	})
	// It hears, but cannot answer.
	silence(t, deaf, hasty.IP(p.net))
	nobody := netip.AddrPortFrom(deaf.IP(p.net).Next().Next().Next(), 8000).String()
	closed := netip.AddrPortFrom(p.web.IP(p.net), 8001).String()

	tr := beginSockets(t, probe.Config{})
	for _, c := range []struct {
		name   string
		from   *lab.Container
		at     string
		count  int
		errors uint64
		want   syscall.Errno
	}{
		{"ok", hasty, p.at, 50, 0, 0},
		{"ok over IPv6", hasty, p.at6, 50, 0, 0},
		{"refused", hasty, closed, 20, 20, syscall.ECONNREFUSED},
		{"timeout", hasty, serverAt(deaf.IP(p.net)), 2, 2, syscall.ETIMEDOUT},
		{"unreachable", p.client, nobody, 2, 2, syscall.EHOSTUNREACH},
	} {
		netns := netnsInode(t, c.from.Netns)
		before := tr.connectsOf(netns)
		r := c.from.Run("short", "--wait", "0s", "--count", strconv.Itoa(c.count), c.at)
		if r.Errors != c.errors || r.OK+r.Errors != uint64(c.count) || c.want != 0 && !strings.Contains(r.FirstError, c.want.Error()) {
			t.Fatalf("%s: %d ok, %d errors (%s)", c.name, r.OK, r.Errors, r.FirstError)
		}
		time.Sleep(quiet)
		after := tr.connectsOf(netns)
		// The caller was told the same.
		if n := after[c.want] - before[c.want]; n != c.count || total(after)-total(before) != c.count {
			t.Errorf("%s: %d of %d connects; all: %v", c.name, n, c.count, after)
		}
	}
	// An application with a timeout of its own closes the socket.
	err := lab.InNetns(hasty.Netns, func() error {
		_, err := net.DialTimeout("tcp", serverAt(deaf.IP(p.net)), 200*time.Millisecond)
		return err
	})
	if err == nil {
		t.Fatal("the deaf server answered")
	}
	tr.end()
	if n := tr.connectsOf(netnsInode(t, hasty.Netns))[syscall.ECANCELED]; n != 1 {
		t.Errorf("%d connects that the application gave up, want 1", n)
	}
	tr.wantPlausibleConnects(t, hasty)
}

func total(m map[syscall.Errno]int) (n int) {
	for _, v := range m {
		n += v
	}
	return n
}

func (tr *socketTrace) wantPlausibleConnects(t *testing.T, c *lab.Container) {
	t.Helper()
	netns := netnsInode(t, c.Netns)
	for _, e := range tr.connects {
		if e.Sock.Netns != netns {
			continue
		}
		took := time.Duration(e.EndNs - e.StartNs)
		if e.EndNs <= e.StartNs || e.Sock.Lport == 0 || e.Sock.Rport == 0 || e.Sock.Tgid == 0 || e.Sock.Tid == 0 {
			t.Fatalf("%+v", e)
		}
		// One SYN after a second, and the end two seconds later.
		if syscall.Errno(e.Error) == syscall.ETIMEDOUT && (took < 2900*time.Millisecond || took > 4*time.Second) {
			t.Errorf("a timeout took %v", took)
		}
		if syscall.Errno(e.Error) == syscall.ECANCELED && (took < 200*time.Millisecond || took > time.Second) {
			t.Errorf("a connect was given up after %v", took)
		}
	}
}

// silence makes a container's answers to an address go nowhere.
func silence(t *testing.T, c *lab.Container, to netip.Addr) {
	t.Helper()
	err := lab.InNetns(c.Netns, func() error {
		return netlink.RouteAdd(&netlink.Route{
			Dst:  &net.IPNet{IP: to.AsSlice(), Mask: net.CIDRMask(to.BitLen(), to.BitLen())},
			Type: unix.RTN_BLACKHOLE,
		})
	})
	if err != nil {
		t.Fatal(err)
	}
}

// tcpCounter reads a counter of a container's TCP (proc_net_snmp; RFC 4022).
func tcpCounter(t *testing.T, c *lab.Container, name string) uint64 {
	t.Helper()
	f, err := os.Open(fmt.Sprintf("/proc/%d/net/snmp", c.PID))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var names []string
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if fields[0] != "Tcp:" {
			continue
		}
		if names == nil {
			names = fields
			continue
		}
		for i, n := range names {
			if n == name {
				v, err := strconv.ParseUint(fields[i], 10, 64)
				if err != nil {
					t.Fatal(err)
				}
				return v
			}
		}
	}
	t.Fatalf("no counter %s", name)
	return 0
}

// Resets are counted as the kernel counts them, those that no socket sends
// included.
func TestResetsEqualTheKernels(t *testing.T) {
	p := sharedPair(t)
	closed := netip.AddrPortFrom(p.web.IP(p.net), 8001).String()
	tr := beginSockets(t, probe.Config{})
	sentBefore, clientSentBefore := tcpCounter(t, p.web, "OutRsts"), tcpCounter(t, p.client, "OutRsts")
	resetBefore, refusedBefore := tcpCounter(t, p.web, "EstabResets"), tcpCounter(t, p.client, "AttemptFails")

	p.client.Run("short", "--wait", "0s", "--count", "30", closed)
	const aborts = 20
	for range aborts {
		abort(t, p.client, p.at)
	}
	tr.end()

	var out, in struct{ web, client uint64 }
	resets, err := tr.probe.Resets()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range resets {
		switch r.Netns {
		case netnsInode(t, p.web.Netns):
			out.web += r.Sent
			in.web += r.Received
			if !r.Server || r.Remote != p.client.IP(p.net) || r.Port != 8000 && r.Port != 8001 {
				t.Errorf("%+v", r)
			}
		case netnsInode(t, p.client.Netns):
			out.client += r.Sent
			in.client += r.Received
		}
	}
	for _, c := range []struct {
		name      string
		got, want uint64
		atLeast   uint64
	}{
		{"sent by web (OutRsts)", out.web, tcpCounter(t, p.web, "OutRsts") - sentBefore, 30},
		{"sent by client (OutRsts)", out.client, tcpCounter(t, p.client, "OutRsts") - clientSentBefore, aborts},
		{"received by web (EstabResets)", in.web, tcpCounter(t, p.web, "EstabResets") - resetBefore, aborts},
		{"received by client (AttemptFails)", in.client, tcpCounter(t, p.client, "AttemptFails") - refusedBefore, 30},
	} {
		t.Logf("%s: %d", c.name, c.got)
		if c.got != c.want || c.got < c.atLeast {
			t.Errorf("%s: %d, the kernel counts %d, at least %d", c.name, c.got, c.want, c.atLeast)
		}
	}
}

// abort makes a connection and resets it.
func abort(t *testing.T, from *lab.Container, at string) {
	t.Helper()
	err := lab.InNetns(from.Netns, func() error {
		conn, err := net.DialTimeout("tcp", at, 5*time.Second)
		if err != nil {
			return err
		}
		if err := conn.(*net.TCPConn).SetLinger(0); err != nil {
			return err
		}
		return conn.Close()
	})
	if err != nil {
		t.Fatal(err)
	}
}

// The socket of a SYN-ACK is a request, which has no cgroup of its own.
func TestSynAckBelongsToItsListener(t *testing.T) {
	const connections = 30
	p := sharedPair(t)
	tr := begin(t, pipeline.Options{})
	wantOK(t, p.client.Run("short", "--count", "30", p.at), connections)
	wantOK(t, p.client.Run("short", "--count", "30", p.at6), connections)
	r := tr.end()
	const synAck = 0x12 // RFC 9293, 3.1
	seen := 0
	for _, j := range r.Journeys {
		if j.TCPFlags != synAck || j.Stops[0].Netns != netnsInode(t, p.web.Netns) {
			continue
		}
		seen++
		if c, ok := r.View.ContainerByCgroup(j.CgroupSrc); !ok || c.ID != p.web.ID {
			t.Fatalf("a SYN-ACK of cgroup %d, %s", j.CgroupSrc, c.Name)
		}
	}
	if seen != 2*connections {
		t.Errorf("%d SYN-ACKs on %d connections", seen, 2*connections)
	}
}
