package digest

import (
	"testing"

	"github.com/hopscope/hopscope/pkg/history"
	"github.com/hopscope/hopscope/pkg/model"
)

func ns(v int64) *int64 { return &v }

// to is a path with so many packets.
func to(from, to model.End, packets uint64, p99 int64) model.Path {
	return model.Path{
		From: from, To: to, Proto: "tcp", Port: 80, Direction: "request", Journeys: packets, Bytes: 100 * packets,
		Total: model.Dist{Count: packets, Samples: packets, P50Ns: ns(p99 / 2), P99Ns: ns(p99)},
	}
}

// TestEveryEndHasARow: what is no container has a row, too, and what is many has
// one for all of them.
func TestEveryEndHasARow(t *testing.T) {
	id := "aa"
	web := model.End{Kind: "container", Name: "web", ContainerID: &id}
	d := Of(history.Frame{Snapshot: model.Snapshot{
		DurationNs: 1e9,
		Containers: []model.Container{{ID: id, Name: "web", State: "running", RX: model.PacketCount{Packets: 64}}},
		Paths: []model.Path{
			to(model.End{Kind: "host", Name: "(host)"}, model.End{Kind: "proxy", Name: "docker-proxy web:80"}, 1, 1000),
			to(model.End{Kind: "proxy", Name: "docker-proxy web:80"}, web, 2, 2000),
			to(model.End{Kind: "external", Name: "203.0.113.7"}, web, 4, 3000),
			to(model.End{Kind: "external", Name: "203.0.113.8"}, web, 8, 9000),
			to(model.End{Kind: "container", Name: "(unknown)"}, web, 16, 4000),
			to(model.End{Kind: "external", Name: "(other)"}, web, 32, 5000),
		},
	}})
	want := map[string]struct {
		packets uint64
		p99     int64
	}{"(host)": {1, 1000}, "docker-proxy web:80": {1 + 2, 2000}, "(external)": {4 + 8, 9000}, "(unattributed)": {16 + 32, 5000}, "web": {64, 5000}} // few packets tell no p99, where others tell one
	for i := range d.Rows {
		r := &d.Rows[i]
		if w, ok := want[r.Name]; !ok || r.Packets() != w.packets || r.P99 != w.p99 {
			t.Errorf("%s: %d packets, p99 %d ns; want %+v", r.Name, r.Packets(), r.P99, w)
		}
		delete(want, r.Name)
	}
	if len(want) > 0 {
		t.Errorf("no row for %v", want)
	}
}

func TestLostAt(t *testing.T) {
	r := model.Retransmits{LostAt: []model.LostAt{{Hop: "xmit", Where: "eth0 of web", Count: 3}, {Hop: "stack_rx", Where: "eth0 of db", Count: 20}}}
	if got := LostAt(&r); got != ", 20 lost in stack_rx @ eth0 of db" {
		t.Errorf("got %q", got)
	}
	if got := LostAt(&model.Retransmits{}); got != "" {
		t.Errorf("of nothing known it is %q", got)
	}
}

func TestParts(t *testing.T) {
	x := model.Exchange{Parts: []model.ExchangePart{
		{Part: "request_network", Where: "web → api", Share: 0.5}, {Part: "sock_recv", Where: "api", Share: 0.3},
		{Part: "app", Where: "api", Share: 0.004}, {Part: "waiting", Where: "db:5432", Share: 0.1, Estimate: true},
		{Part: "sock_recv", Where: "web", Share: 0.096},
	}}
	want := "request_network 50.0%, sock_recv @ api 30.0%, waiting on db:5432 10.0% ~, sock_recv @ web 9.6%"
	if got := Parts(&x); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestDiedAt: what died at a container's device counts for it, whoever's packets
// they were.
func TestDiedAt(t *testing.T) {
	web, outside := "web", model.End{Kind: "external", Name: "203.0.113.7"}
	client, server := model.End{Kind: "container", Name: "client"}, model.End{Kind: "container", Name: web}
	for _, c := range []struct {
		d    model.Drop
		want string
	}{
		{model.Drop{Where: "eth0 of web", Container: &client.Name, From: client, To: server}, "web"},
		{model.Drop{Where: "veth of web (front)", Container: &client.Name, From: client, To: server}, "web"},
		{model.Drop{Where: "eth0 of client", Container: &client.Name, From: client, To: server}, "client"},
		{model.Drop{Where: "host", Container: &client.Name, From: client, To: server}, "client"},
		{model.Drop{Where: "host", Container: &web, From: outside, To: server}, "web"},
		{model.Drop{Where: "eth0 of host", From: outside, To: server}, "web"},
		{model.Drop{From: outside, To: server}, "web"},
		{model.Drop{From: client, To: outside}, "client"},
	} {
		if got := DiedAt(&c.d).Name; got != c.want {
			t.Errorf("at %q, of %v: counts for %s, want %s", c.d.Where, c.d.Container, got, c.want)
		}
	}
}

// TestLossesAreOfAllKinds: packets lost sight of, and what belongs to no packet.
func TestLossesAreOfAllKinds(t *testing.T) {
	d := Of(history.Frame{Snapshot: model.Snapshot{Accounting: model.Accounting{
		Lost: map[string]uint64{"evicted": 2, "ring_full": 0}, Notes: map[string]uint64{"events_lost": 5, "events": 9},
	}}})
	if d.Lost != 7 || len(d.Causes) != 2 || d.Causes[0] != (Cause{"events_lost", 5}) || d.Causes[1] != (Cause{"evicted", 2}) {
		t.Errorf("%d lost: %v", d.Lost, d.Causes)
	}
}
