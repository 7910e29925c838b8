//go:build matrix

package guest

import (
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
// qdisc, and each segment that is sent again is counted.
func (s scene) lost(t *testing.T) {
	lab.BridgeNF(t, false)
	for _, c := range []struct {
		class
		quiet time.Duration
	}{
		{class{name: udp.name, args: []string{"udp", "--echo=false", "--count", "200"}}, atOnce}, // no wait for echoes
		{class{name: rr.name, proto: journey.ProtoTCP, args: []string{"rr", "--count", "150"}}, lostTwice},
	} {
		t.Run(c.name, func(t *testing.T) {
			netem(t, s.host, "vethB", netlink.NetemQdiscAttrs{Loss: 6}) // percent
			_, _ = s.probe.Retransmits()
			before := retransmitted(t, s.a) + retransmitted(t, s.b)
			args := append(c.args, at(addrB))
			win := s.during(t, c.quiet, func() { s.a.try(t, args...) })
			want := netemDrops(t, s.host, "vethB")
			wantLost(t, s, win, want)
			segments := retransmitted(t, s.a) + retransmitted(t, s.b) - before
			counted := s.retransmits(t)
			t.Logf("netem dropped %d, journeys: %v; TcpRetransSegs %d, counted %v", want, win.endings, segments, counted)
			var sum uint64
			for _, n := range counted {
				sum += n
			}
			if sum != segments {
				t.Errorf("%d segments counted, the namespaces count %d", sum, segments)
			}
			if c.proto == journey.ProtoTCP && segments == 0 {
				t.Error("no segment was sent again")
			}
		})
	}
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

// retransmitted is TcpRetransSegs of the namespace (/proc/net/snmp): the file
// has a line of names and a line of values for each protocol.
func retransmitted(t *testing.T, ns *namespace) uint64 {
	t.Helper()
	var table []byte
	must(t, lab.InNetns(ns.path, func() (err error) {
		table, err = os.ReadFile("/proc/thread-self/net/snmp")
		return err
	}), "read snmp of %s", ns.name)
	var names []string
	for line := range strings.Lines(string(table)) {
		fields := strings.Fields(line)
		if fields[0] != "Tcp:" {
			continue
		}
		if names == nil {
			names = fields
			continue
		}
		for i, name := range names {
			if name == "RetransSegs" {
				n, err := strconv.ParseUint(fields[i], 10, 64)
				must(t, err, "parse snmp")
				return n
			}
		}
	}
	t.Fatal("no RetransSegs in /proc/net/snmp")
	return 0
}
