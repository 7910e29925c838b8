package truth

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/internal/lab/outcome"
	"github.com/hopscope/hopscope/pkg/journey"
	"github.com/hopscope/hopscope/pkg/pipeline"
)

// loss is a place at which datagrams from client to web are lost.
type loss struct {
	name   string
	port   uint16 // of web
	rate   int    // datagrams a second, 0: as fast as it goes
	inject func(t *testing.T, p *pair) (counter func() uint64)
	// What is to be told of it; the reason is the kernel's word.
	reason, hop string
	where       func(p *pair) string
	unborn      bool // lost before any device: there is no journey
	bridgeNF    bool // bridged packets pass through netfilter
}

const (
	lossCount  = 1000
	leastLost  = 300 // by which a row shows anything
	calm       = 4000
	unreadPort = 8221
	closedPort = 8222
)

// losses, each with the kernel's own counter of them. The tolerance of every row
// is none: each packet lost is a drop in this hop, at this place, for this
// reason, and no other datagram is. Two rows are elsewhere: what a full accept
// queue refuses, and, since it is the host's, a full table of conntrack, which
// the matrix fills in a machine of its own.
var losses = []loss{
	{
		name: "rule in the sender's container", port: serverPort, rate: calm,
		inject: byRule("ip", "output", func(p *pair) string { return p.client.Netns }),
		reason: "NETFILTER_DROP", hop: "output", where: func(p *pair) string { return p.client.Name }, unborn: true,
	},
	{
		name: "queue's limit", port: serverPort,
		inject: func(t *testing.T, p *pair) func() uint64 {
			queue := lab.TBF(t, p.client.Netns, "eth0", 1_000_000, 3000, 20_000)
			return func() uint64 { return queue.Counts().Drops }
		},
		reason: "QDISC_DROP", hop: "qdisc", where: func(p *pair) string { return "eth0 of " + p.client.Name },
	},
	{
		name: "rule of the bridge", port: serverPort, rate: calm,
		inject: byRule("bridge", "forward", func(*pair) string { return lab.HostNetns }),
		reason: "NETFILTER_DROP", hop: "bridge", where: func(p *pair) string { return "bridge " + p.net.Name },
	},
	{
		name: "rule in FORWARD", port: serverPort, rate: calm,
		inject: byRule("ip", "forward", func(*pair) string { return lab.HostNetns }),
		reason: "NETFILTER_DROP", hop: "forward", where: func(*pair) string { return "host" }, bridgeNF: true,
	},
	{
		name: "rule in the receiver's container", port: serverPort, rate: calm,
		inject: byRule("ip", "input", func(p *pair) string { return p.web.Netns }),
		reason: "NETFILTER_DROP", hop: "stack_rx", where: atWeb,
	},
	{
		name: "full socket buffer", port: unreadPort,
		inject: func(t *testing.T, p *pair) func() uint64 {
			neverRead(t, p.web.Netns, unreadPort)
			return udpCount(t, p, "RcvbufErrors")
		},
		reason: "SOCKET_RCVBUFF", hop: "stack_rx", where: atWeb,
	},
	{
		name: "closed port", port: closedPort,
		inject: func(t *testing.T, p *pair) func() uint64 { return udpCount(t, p, "NoPorts") },
		reason: "NO_SOCKET", hop: "stack_rx", where: atWeb,
	},
}

func atWeb(p *pair) string { return "eth0 of " + p.web.Name }

// byRule drops half of the datagrams.
func byRule(family, hook string, netns func(*pair) string) func(*testing.T, *pair) func() uint64 {
	return func(t *testing.T, p *pair) func() uint64 {
		t.Helper()
		from := "ip saddr " + p.client.IP(p.net).String()
		if family == "bridge" {
			from = "ether type ip " + from
		}
		return lab.DropRule(t, netns(p), family, hook, fmt.Sprintf("%s udp dport %d numgen random mod 2 == 0", from, serverPort))
	}
}

// udpCount counts from now on, in web's namespace.
func udpCount(t *testing.T, p *pair, name string) func() uint64 {
	t.Helper()
	before := lab.ProtocolCount(t, p.web.PID, "snmp", "Udp", name)
	return func() uint64 { return lab.ProtocolCount(t, p.web.PID, "snmp", "Udp", name) - before }
}

// neverRead has a socket that takes datagrams until its buffer is full.
func neverRead(t *testing.T, path string, port int) {
	t.Helper()
	var fd int
	err := lab.InNetns(path, func() (err error) {
		if fd, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		return unix.Bind(fd, &unix.SockaddrInet4{Port: port})
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
}

// TestInjectedLoss loses datagrams at each place on their way.
func TestInjectedLoss(t *testing.T) {
	p := sharedPair(t)
	for _, row := range losses {
		t.Run(row.name, func(t *testing.T) {
			lab.BridgeNF(t, row.bridgeNF)
			row.check(t, p)
		})
	}
}

// What is lost without having been tracked dies in the same hop.
func TestInjectedLossUntracked(t *testing.T) {
	p := sharedPair(t)
	for _, row := range losses {
		if row.bridgeNF || row.unborn {
			continue // told by the kernel's stack, see TestNetfilterDrops
		}
		t.Run(row.name, func(t *testing.T) {
			lab.BridgeNF(t, false)
			lost := row.inject(t, p)
			tr := begin(t, pipeline.Options{Sample: 1 << 20})
			row.send(p)
			r := tr.end()
			row.wantTold(t, p, r, lost())
		})
	}
}

func (row loss) to(p *pair) netip.AddrPort { return netip.AddrPortFrom(p.web.IP(p.net), row.port) }

func (row loss) send(p *pair) outcome.Result {
	return p.client.Run("udp", "--echo=false", "--count", fmt.Sprint(lossCount), "--rate", fmt.Sprint(row.rate), row.to(p).String())
}

// wantTold: each datagram that was lost is told, once, and where.
func (row loss) wantTold(t *testing.T, p *pair, r result, want uint64) {
	t.Helper()
	var told uint64
	where := row.where(p)
	for _, d := range r.Snapshot.Drops {
		if d.To.Name != p.web.Name || d.Proto != "udp" {
			continue
		}
		told += d.Count
		if d.Reason != row.reason || d.Hop != row.hop || d.Where != where {
			t.Errorf("%d dropped in %s @ %s: %s (%s); want %s @ %s: %s", d.Count, d.Hop, d.Where, d.Reason, d.Location, row.hop, where, row.reason)
		}
	}
	t.Logf("%d lost by the kernel's counter, %d told", want, told)
	if told != want || want < leastLost {
		t.Errorf("%d lost by the kernel's counter, %d told", want, told)
	}
}

func (row loss) check(t *testing.T, p *pair) {
	lost := row.inject(t, p)
	tr := begin(t, pipeline.Options{})
	sent := row.send(p)
	r := tr.end()
	want := lost()
	r.WantExact(t)
	r.WantNothingLost(t)
	row.wantTold(t, p, r, want)
	died := count(r.Journeys, func(j *journey.Journey) bool {
		return j.Ending == journey.EndingDropped && j.Last.Dst == row.to(p) && strings.HasPrefix(j.DiedIn().Kind.String(), row.hop)
	})
	t.Logf("of %d datagrams %d journeys died in %s", sent.OK, died, row.hop)
	if !row.unborn && died != want {
		t.Errorf("%d journeys ended there of %d", died, want)
	}
}
