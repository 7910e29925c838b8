package truth

import (
	"strconv"
	"testing"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/pkg/model"
	"github.com/hopscope/hopscope/pkg/pipeline"
)

// A server that resets a share of its connections is told as such, exactly.
func TestResetsOfAServer(t *testing.T) {
	const connections, each = 99, 3
	p := sharedPair(t)
	moody := p.shop.Container(lab.ContainerSpec{Name: "moody", Networks: []*lab.Network{p.net}, Args: []string{"serve", "--reset", strconv.Itoa(each)}})
	at, count := serverAt(moody.IP(p.net)), strconv.Itoa(connections)
	reset := tcpCounter(t, p.client, "EstabResets")
	tr := begin(t, pipeline.Options{})
	// A client waits for its answer: the reset finds its socket open.
	run := p.client.Run("rr", "--connections", count, "--count", count, at)
	wantOK(t, p.client.Run("rr", "--connections", "20", "--count", "20", p.at), 20)
	r := tr.end()
	reset = tcpCounter(t, p.client, "EstabResets") - reset
	if run.Errors != connections/each || reset != connections/each {
		t.Fatalf("%d errors (%s), %d resets, want %d of each", run.Errors, run.FirstError, reset, connections/each)
	}
	row := r.clientSide(t, p.client.Name, moody.Name)
	if row.Resets == nil || row.Resets.Received != reset || row.Connects == nil || row.Connects.OK != connections {
		t.Errorf("resets %+v, connects %+v; the kernel counts %d of %d", row.Resets, row.Connects, reset, connections)
	}
	r.wantFinding(t, "resets", moody.Name+" resets 33.3% of "+p.client.Name+"'s connections")
	r.wantNoFinding(t, "resets", p.web.Name)
}

// clientSide is the row of a client's sockets.
func (r result) clientSide(t *testing.T, from, to string) model.TCP {
	t.Helper()
	for _, row := range r.Snapshot.TCP {
		if row.Role == "client" && row.From.Name == from && row.To.Name == to {
			return row
		}
	}
	t.Fatalf("no row of %s's sockets to %s: %+v", from, to, r.Snapshot.TCP)
	return model.TCP{}
}
