package truth

import (
	"fmt"
	"testing"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/pkg/pipeline"
)

// A service may have a higher port than its clients: what is dropped and sent again, and
// a connection that is older than the trace, is told under the service's port all the same.
func TestServiceOnAHighPort(t *testing.T) {
	const port, requests = 50051, "400"
	p := sharedPair(t)
	server := p.shop.Container(lab.ContainerSpec{Name: "grpc", Networks: []*lab.Network{p.net}, Args: []string{"serve", "--port", "50051"}})
	client := p.shop.Container(lab.ContainerSpec{Name: "caller", Networks: []*lab.Network{p.net},
		Sysctls: map[string]string{"net.ipv4.ip_local_port_range": "20000 40000"}})
	at := fmt.Sprintf("%s:%d", server.IP(p.net), port)
	old := client.Start("rr", "--count", "200", "--rate", "50", at)
	lab.Eventually(t, "the old connection is in use", func() bool { return lab.ProtocolCount(t, server.PID, "snmp", "Tcp", "OutSegs") > 10 })
	tr := begin(t, pipeline.Options{})
	dropped := lab.DropRule(t, server.Netns, "ip", "input", fmt.Sprintf("tcp dport %d numgen inc mod 20 == 0", port))
	client.Run("rr", "--count", requests, "--connections", "20", at)
	wantOK(t, old.Wait(), 200)
	r := tr.end()

	var drops, again uint64
	for _, d := range r.Snapshot.Drops {
		if d.Port != port || d.From.Name != client.Name || d.To.Name != server.Name {
			t.Errorf("drop %+v", d)
		}
		drops += d.Count
	}
	if want := dropped(); drops != want || want < 10 {
		t.Errorf("%d drops, the rule counts %d", drops, want)
	}
	for _, row := range r.Snapshot.TCP {
		if row.From.Name != client.Name && row.From.Name != server.Name {
			continue
		}
		if row.Port != port || (row.Role == "server") != (row.From.Name == server.Name) {
			t.Errorf("%s is the %s at port %d: %+v", row.From.Name, row.Role, row.Port, row.Retransmits)
		}
		again += row.Retransmits.Total
	}
	if again == 0 {
		t.Error("no segment was sent again")
	}
	x := r.exchangesOf(t, client.Name, server.Name)
	t.Logf("%d drops, %d segments sent again, %d exchanges, left out %v", drops, again, x.Count, x.ExcludedBy)
	if x.Port != port || x.Count <= 400 { // the old one's are among them
		t.Errorf("%d exchanges at port %d", x.Count, x.Port)
	}
}
