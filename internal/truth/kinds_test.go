package truth

import (
	"maps"
	"testing"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/pkg/pipeline"
)

// kernelSent is what a container's TCP sent by the kernel's own counters: again, by
// kind, and "segments" in all. A client's timer sends one segment when it expires
// (tcp_retransmit_timer), a SYN where there is no connection yet; what follows in slow
// start until all that was lost is acknowledged is of kind rto as well. A loss probe
// may send what is new: its kind is what remains. A server's kinds are not told apart,
// since the expiries of its SYN-ACKs' timers count as those of others do.
func kernelSent(t *testing.T, c *lab.Container, server bool) map[string]uint64 {
	t.Helper()
	ext := func(name string) uint64 { return lab.ProtocolCount(t, c.PID, "netstat", "TcpExt", name) }
	tcp := func(name string) uint64 { return lab.ProtocolCount(t, c.PID, "snmp", "Tcp", name) }
	again, handshake := tcp("RetransSegs"), ext("TCPSynRetrans")
	out := map[string]uint64{"segments": tcp("OutSegs") + again}
	if server {
		out["synack"] = handshake
		out["segments"] -= handshake // a SYN-ACK counts as new each time (tcp_make_synack)
		out["others"] = again - handshake
		return out
	}
	out["syn"] = handshake
	out["fast"] = ext("TCPFastRetrans")
	out["rto"] = ext("TCPTimeouts") + ext("TCPSlowStartRetrans") - handshake
	out["tlp"] = again - handshake - out["fast"] - out["rto"]
	return out
}

// toldSent is the same as the summary tells it.
func (r result) toldSent(c *lab.Container, server bool) map[string]uint64 {
	out := map[string]uint64{}
	for _, side := range r.Snapshot.TCP {
		if side.From.Name != c.Name {
			continue
		}
		k := side.Retransmits
		out["segments"] += side.SegmentsSent
		out["syn"] += k.SYN
		out["synack"] += k.SYNACK
		out["other"] += k.Other
		if server {
			out["others"] += k.Fast + k.RTO + k.TLP
			continue
		}
		out["fast"] += k.Fast
		out["rto"] += k.RTO
		out["tlp"] += k.TLP
	}
	maps.DeleteFunc(out, func(_ string, n uint64) bool { return n == 0 })
	return out
}

// Segments are lost so that TCP sends them again for one reason after the other. Each
// is told as the kernels of both ends count it, beside all that they sent.
func TestKindsOfRetransmission(t *testing.T) {
	p := newPair(t)
	p.withoutTimers(t)
	from := "ip saddr " + p.client.IP(p.net).String() + " tcp dport 8000 "
	back := "ip saddr " + p.web.IP(p.net).String() + " tcp sport 8000 "
	for _, c := range []struct {
		kind   string
		at     *lab.Container // where they are lost, as they come in
		match  string
		probes string // tcp_early_retrans: 3 has TCP send tail loss probes
		load   []string
		owner  *lab.Container // who sends again
		least  uint64
	}{
		{"syn", p.web, from + "tcp flags & (syn | ack) == syn numgen inc mod 2 == 0", "0",
			[]string{"short", "--count", "8"}, p.client, 8},
		{"synack", p.client, back + "tcp flags & (syn | ack) == (syn | ack) numgen inc mod 2 == 0", "0",
			[]string{"short", "--count", "8"}, p.web, 4},
		{"fast", p.web, from + "ip length > 1000 numgen random mod 100 == 0", "0",
			[]string{"bulk", "--bytes", "20000000"}, p.client, 50},
		{"rto", p.web, from + "ip length > 400 numgen inc mod 10 == 0", "0",
			[]string{"rr", "--size", "500", "--count", "150"}, p.client, 15},
		{"tlp", p.web, from + "ip length > 400 numgen inc mod 10 == 0", "3",
			[]string{"rr", "--size", "500", "--count", "150"}, p.client, 15},
	} {
		t.Run(c.kind, func(t *testing.T) {
			lab.SetTCP(t, p.client.Netns, "early_retrans", c.probes)
			dropped := lab.DropRule(t, c.at.Netns, "ip", "input", c.match)
			ends := map[*lab.Container]map[string]uint64{p.client: kernelSent(t, p.client, false), p.web: kernelSent(t, p.web, true)}
			tr := begin(t, pipeline.Options{})
			p.client.Run(append(c.load, p.at)...)
			r := tr.end()
			for end, before := range ends {
				want, told := kernelSent(t, end, end == p.web), r.toldSent(end, end == p.web)
				for kind, n := range before {
					want[kind] -= n
				}
				maps.DeleteFunc(want, func(_ string, n uint64) bool { return n == 0 })
				t.Logf("%s: the kernel counts %v, told %v; %d dropped", end.Name, want, told, dropped())
				if !maps.Equal(told, want) {
					t.Errorf("%s sent %v, told %v", end.Name, want, told)
				}
				if end == c.owner && told[c.kind] < c.least {
					t.Errorf("%s sent %d segments again of kind %s, of %d that were dropped", end.Name, told[c.kind], c.kind, dropped())
				}
			}
		})
	}
}
