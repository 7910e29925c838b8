//go:build matrix

package guest

import (
	"maps"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/pkg/journey"
)

// netem drops packets on their way to b: each is a journey that ends in the
// qdisc, and each segment that is sent again is counted, by kind. Of each traffic there
// are so many packets that none of them is lost once in ten thousand runs at most.
func (s scene) lost(t *testing.T) {
	lab.BridgeNF(t, false)
	for _, c := range []struct {
		class
		quiet time.Duration
	}{
		{class{name: udp.name, args: []string{"udp", "--echo=false", "--count", "200"}}, atOnce}, // no wait for echoes
		{class{name: rr.name, proto: journey.ProtoTCP, args: []string{"rr", "--count", "150"}}, lostTwice},
		{class{name: bulk.name, proto: journey.ProtoTCP, args: []string{"bulk", "--bytes", "6000000"}}, lostTwice},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Cleanup(netem(t, s.host, "vethB", netlink.NetemQdiscAttrs{Loss: 6})) // percent
			_, _ = s.probe.Retransmits()
			before := s.sentAgain(t)
			args := append(c.args, at(addrB))
			win := s.during(t, c.quiet, func() { s.a.try(t, args...) })
			want := netemDrops(t, s.host, "vethB")
			wantLost(t, s, win, want)
			segments := less(s.sentAgain(t), before)
			counted := s.retransmits(t)
			t.Logf("netem dropped %d, journeys: %v; the kernel's kinds %v, counted %v", want, win.endings, segments, counted)
			if !maps.Equal(counted, segments) {
				t.Errorf("counted %v, the namespaces count %v", counted, segments)
			}
			if c.proto == journey.ProtoTCP && len(segments) == 0 {
				t.Error("no segment was sent again")
			}
		})
	}
}

// sentAgain is what a, the client, and b sent again by the kernel's own count. A
// timer's expiry sends one segment (tcp_retransmit_timer), a SYN where there is no
// connection yet; what follows until all that was lost is acknowledged is slow
// start: both are kind rto. A loss probe may send what is new, so that its kind is
// what remains.
func (s scene) sentAgain(t *testing.T) map[string]uint64 {
	t.Helper()
	a, b := tcpCounters(t, s.a, "netstat", "TcpExt:"), tcpCounters(t, s.b, "netstat", "TcpExt:")
	both := func(name string) uint64 { return a[name] + b[name] }
	out := map[string]uint64{
		"fast":   both("TCPFastRetrans"),
		"rto":    both("TCPTimeouts") + both("TCPSlowStartRetrans") - a["TCPSynRetrans"],
		"syn":    a["TCPSynRetrans"],
		"synack": b["TCPSynRetrans"],
	}
	out["tlp"] = retransmitted(t, s.a) + retransmitted(t, s.b)
	for _, kind := range []string{"fast", "rto", "syn", "synack"} {
		out["tlp"] -= out[kind]
	}
	if probes := both("TCPLossProbes"); out["tlp"] > probes {
		t.Errorf("%d segments sent again have no reason, there were %d loss probes", out["tlp"], probes)
	}
	return out
}

func wantLost(t *testing.T, s scene, win window, want uint64) {
	t.Helper()
	dropped := win.pick(ended(journey.EndingDropped), func(j *journey.Journey) bool {
		hop := j.DiedIn()
		return hop.Kind == journey.HopQdisc && hop.Place == s.host.place(t, "vethB")
	})
	if uint64(len(dropped)) != want || want == 0 {
		t.Errorf("%d journeys end in qdisc @ host/vethB, netem dropped %d: %v", len(dropped), want, s.drops(win))
	}
}

// retransmits sums up what the probe counted, by kind.
func (s scene) retransmits(t *testing.T) map[string]uint64 {
	t.Helper()
	list, err := s.probe.Retransmits()
	must(t, err, "retransmissions")
	out := map[string]uint64{}
	for _, r := range list {
		for kind, n := range r.Segments {
			if n > 0 {
				out[kind] += n
			}
		}
	}
	return out
}

// netemDrops reads the qdisc's own counter (tc -s qdisc).
func netemDrops(t *testing.T, ns *namespace, dev string) uint64 {
	t.Helper()
	list, err := ns.QdiscList(ns.link(t, dev))
	must(t, err, "qdiscs of %s", dev)
	for _, q := range list {
		if q.Type() == "netem" && q.Attrs().Statistics != nil {
			return uint64(q.Attrs().Statistics.Queue.Drops)
		}
	}
	t.Fatalf("no netem on %s", dev)
	return 0
}

// retransmitted is TcpRetransSegs of the namespace.
func retransmitted(t *testing.T, ns *namespace) uint64 {
	t.Helper()
	return tcpCounters(t, ns, "snmp", "Tcp:")["RetransSegs"]
}

// tcpCounters reads a file of the namespace's /proc/net, snmp or netstat, which has
// a line of names and a line of values for each protocol.
func tcpCounters(t *testing.T, ns *namespace, file, protocol string) map[string]uint64 {
	t.Helper()
	var table []byte
	must(t, lab.InNetns(ns.path, func() (err error) {
		table, err = os.ReadFile("/proc/thread-self/net/" + file)
		return err
	}), "read %s of %s", file, ns.name)
	var names []string
	counters := map[string]uint64{}
	for line := range strings.Lines(string(table)) {
		fields := strings.Fields(line)
		switch {
		case fields[0] != protocol:
		case names == nil:
			names = fields
		default:
			for i, name := range names[1:] {
				n, err := strconv.ParseInt(fields[i+1], 10, 64) // MaxConn is -1
				must(t, err, "parse %s", file)
				counters[name] = uint64(n)
			}
		}
	}
	if len(counters) == 0 {
		t.Fatalf("no %s in /proc/net/%s", protocol, file)
	}
	return counters
}
