package truth

import (
	"fmt"
	"testing"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/pkg/pipeline"
)

// Bulk is sent again in packets of many segments; requests, one at a time. Both
// ends' sums are their kernels' own, to the segment.
func TestRetransmitsAreTheKernels(t *testing.T) {
	p := newPair(t)
	p.withoutTimers(t)
	lab.BridgeNF(t, true)
	dropped := lab.DropRule(t, lab.HostNetns, "ip", "forward",
		fmt.Sprintf("ip saddr %s tcp dport %d numgen random mod 100 == 0", p.client.IP(p.net), serverPort))
	ends := []*lab.Container{p.client, p.web}
	before := map[string]uint64{}
	for _, c := range ends {
		before[c.Name] = lab.ProtocolCount(t, c.PID, "snmp", "Tcp", "RetransSegs")
	}
	tr := begin(t, pipeline.Options{})
	p.client.Run("bulk", "--bytes", "30000000", p.at)
	p.client.Run("rr", "--count", "300", p.at)
	r := tr.end()
	told := map[string]uint64{}
	for _, side := range r.Snapshot.TCP {
		told[side.From.Name] += side.Retransmits.Total
	}
	for _, c := range ends {
		want := lab.ProtocolCount(t, c.PID, "snmp", "Tcp", "RetransSegs") - before[c.Name]
		t.Logf("%s: RetransSegs %d, told %d; %d packets dropped", c.Name, want, told[c.Name], dropped())
		if told[c.Name] != want {
			t.Errorf("%s sent %d segments again, told %d", c.Name, want, told[c.Name])
		}
	}
	if told[p.client.Name] <= dropped() {
		t.Errorf("%d packets dropped, %d segments sent again: none of many segments was lost", dropped(), told[p.client.Name])
	}
}
