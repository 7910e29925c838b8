package truth

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/internal/lab/outcome"
	"github.com/hopscope/hopscope/pkg/dns"
	"github.com/hopscope/hopscope/pkg/journey"
	"github.com/hopscope/hopscope/pkg/model"
	"github.com/hopscope/hopscope/pkg/pipeline"
)

// embedded is where Docker's name server is asked.
var embedded = netip.MustParseAddr("127.0.0.11")

// names is a client that asks the name server of another container.
type names struct {
	t              *testing.T
	shop           *lab.Shop
	net            *lab.Network
	client, server *lab.Container
	at, at6        netip.Addr // of the server
}

func newNames(t *testing.T) *names {
	t.Helper()
	lab.Lock(t)
	shop := lab.NewShop(t)
	n := &names{t: t, shop: shop, net: shop.Network(lab.NetworkSpec{Name: "front", Subnet6: "2001:db8:1::/64"})}
	n.server = shop.Container(lab.ContainerSpec{Name: "ns", Networks: []*lab.Network{n.net}, Args: []string{"nameserver"}})
	n.at, n.at6 = n.server.IP(n.net), n.server.IP6(n.net)
	n.client = n.asker("client")
	time.Sleep(quiet)
	return n
}

// asker is a container whose queries Docker passes on to the name server.
func (n *names) asker(name string) *lab.Container {
	c := n.shop.Container(lab.ContainerSpec{Name: name, Networks: []*lab.Network{n.net}, DNS: []string{n.at.String()}})
	n.reach(c)
	return c
}

// reach resolves the neighbours: what is asked meanwhile may be lost, and is
// asked again until the answers come.
func (n *names) reach(asker interface {
	Run(args ...string) outcome.Result
}) {
	for _, at := range []netip.Addr{n.at, n.at6} {
		lab.Eventually(n.t, "answers from "+at.String(), func() bool {
			return asker.Run("ask", "--count", "3", service(at)).OK == 3
		})
	}
}

func service(at netip.Addr) string { return netip.AddrPortFrom(at, dns.Port).String() }

// endLate ends a session when every query has had its time.
func (tr trace) endLate() result {
	time.Sleep(dns.Timeout + time.Second)
	return tr.end()
}

// asked finds the row of a container and a name server.
func (r result) asked(t *testing.T, from string, resolver netip.Addr) model.DNS {
	t.Helper()
	for _, d := range r.Snapshot.DNS {
		if d.From.Name == from && d.Resolver == resolver.String() && !d.Forwarded {
			return d
		}
	}
	t.Fatalf("no row of %s and %s: %+v", from, resolver, r.Snapshot.DNS)
	return model.DNS{}
}

// wantDNS checks a row's counts; those of want that are nil or 0 must be so.
func wantDNS(t *testing.T, got model.DNS, want model.DNS) {
	t.Helper()
	counts := func(d model.DNS) [7]uint64 {
		return [...]uint64{d.Queries, d.Answered, d.Timeout, d.Superseded, d.Pending, d.Retries, d.Truncated}
	}
	if counts(got) != counts(want) {
		t.Errorf("queries, answered, timeout, superseded, pending, retries, truncated are %d, want %d", counts(got), counts(want))
	}
	if len(got.Rcode) != len(want.Rcode) {
		t.Errorf("rcodes %v, want %v", got.Rcode, want.Rcode)
	}
	for code, n := range want.Rcode {
		if got.Rcode[code] != n {
			t.Errorf("rcodes %v, want %v", got.Rcode, want.Rcode)
		}
	}
	if got.Latency.Samples != want.Answered || got.Latency.Count != want.Answered {
		t.Errorf("latency of %d queries, %d were answered", got.Latency.Samples, want.Answered)
	}
}

// With a network chosen, the lookups of its containers are told, also those that
// they leave to Docker's name server, and no others.
func TestDNSOfANetwork(t *testing.T) {
	n := newNames(t)
	back := n.shop.Network(lab.NetworkSpec{Name: "back"})
	other := n.shop.Container(lab.ContainerSpec{Name: "other", Networks: []*lab.Network{back}})
	tr := begin(t, pipeline.Options{Networks: []string{n.net.Name}})
	wantOK(t, n.client.Run("ask", "--count", "20", service(n.at)), 20)
	wantOK(t, n.client.Run("resolve", "--count", "10", "ns"), 10)
	wantOK(t, other.Run("resolve", "--count", "10", "other"), 10)
	r := tr.end()
	for resolver, want := range map[netip.Addr]uint64{n.at: 20, embedded: 10} {
		if d := r.asked(t, n.client.Name, resolver); d.Answered < want {
			t.Errorf("%s answered %d of %d", resolver, d.Answered, want)
		}
	}
	for _, d := range r.Snapshot.DNS {
		if d.From.Name == other.Name || d.Container != nil && *d.Container == other.Name {
			t.Errorf("of another network: %+v", d)
		}
	}
}

// Every query is counted, whatever the sample rate, with what became of it.
func TestDNSIsCountedExactly(t *testing.T) {
	n := newNames(t)
	tr := begin(t, pipeline.Options{Sample: 64})
	wantOK(t, n.client.Run("ask", "--count", "197", service(n.at)), 197)
	silent := n.client.Run("ask", "--count", "3", "--name", "silent.test", "--timeout", "100ms", service(n.at))
	if silent.Errors != 3 {
		t.Fatalf("%d of 3 queries had no answer", silent.Errors)
	}
	for _, x := range []struct{ count, name string }{{"20", "rcode-3.test"}, {"5", "rcode-2.test"}, {"2", "rcode-5.test"}, {"4", "truncated.test"}} {
		n.client.Run("ask", "--count", x.count, "--name", x.name, service(n.at6))
	}
	n.client.Run("ask", "--count", "10", "--again", "2", "--name", "delay-20ms.test", service(n.at6))
	r := tr.endLate()
	r.WantExact(t)
	wantDNS(t, r.asked(t, n.client.Name, n.at), model.DNS{
		Queries: 200, Answered: 197, Timeout: 3, Rcode: map[string]uint64{"NOERROR": 197},
	})
	wantDNS(t, r.asked(t, n.client.Name, n.at6), model.DNS{
		Queries: 41, Answered: 41, Retries: 20, Truncated: 4,
		Rcode: map[string]uint64{"NOERROR": 14, "NXDOMAIN": 20, "SERVFAIL": 5, "REFUSED": 2},
	})
	row := r.asked(t, n.client.Name, n.at)
	if row.Container == nil || *row.Container != n.client.Name || row.To.Name != n.server.Name || row.To.Kind != "container" {
		t.Errorf("from %+v to %+v", row.From, row.To)
	}
	// Two answers of each query that was sent three times found it answered.
	if got := r.Snapshot.Accounting.Notes["dns_unmatched"]; got != 20 {
		t.Errorf("%d answers to no query, want 20", got)
	}
	if len(r.Snapshot.DNS) != 2 {
		t.Errorf("%d rows, want 2: %+v", len(r.Snapshot.DNS), r.Snapshot.DNS)
	}
}

// What the name server takes is what shows, and the client agrees.
func TestDNSLatency(t *testing.T) {
	n := newNames(t)
	tr := begin(t, pipeline.Options{})
	seen := n.client.Run("ask", "--count", "50", "--name", "delay-20ms.test", service(n.at))
	open := n.client.Run("ask", "--count", "50", "--name", "delay-20ms.test", "--unconnected", service(n.at6))
	wantOK(t, seen, 50)
	wantOK(t, open, 50)
	r := tr.end()
	for _, x := range []struct {
		row  model.DNS
		mean int64
	}{{r.asked(t, n.client.Name, n.at), seen.Latency.MeanNs}, {r.asked(t, n.client.Name, n.at6), open.Latency.MeanNs}} {
		wantDNS(t, x.row, model.DNS{Queries: 50, Answered: 50, Rcode: map[string]uint64{"NOERROR": 50}})
		l := x.row.Latency
		t.Logf("name server: least %d, mean %d ns; client's mean %d ns", *l.MinNs, *l.MeanNs, x.mean)
		if *l.MinNs < 20e6 || *l.MeanNs > x.mean {
			t.Errorf("least %d, mean %d ns; the delay is 20 ms, the client's mean %d ns", *l.MinNs, *l.MeanNs, x.mean)
		}
	}
}

// The engine answers inside of the container's namespace; who asked is the
// container. What the engine asks elsewhere for it is a row of its own.
func TestEmbeddedDNS(t *testing.T) {
	n := newNames(t)
	tr := begin(t, pipeline.Options{})
	wantOK(t, n.client.Run("resolve", "--count", "50", "ns"), 50)
	wantOK(t, n.client.Run("ask", "--count", "30", "--unconnected", "--name", "delay-20ms.test", service(embedded)), 30)
	r := tr.end()
	row := r.asked(t, n.client.Name, embedded)
	wantDNS(t, row, model.DNS{Queries: 80, Answered: 80, Rcode: map[string]uint64{"NOERROR": 80}})
	if row.From.Kind != "container" || row.From.ContainerID == nil || *row.From.ContainerID != n.client.ID {
		t.Errorf("asked by %+v", row.From)
	}
	if row.To != (model.End{Kind: "host", Name: "(docker dns)"}) {
		t.Errorf("answered by %+v", row.To)
	}
	i := slices.IndexFunc(r.Snapshot.DNS, func(d model.DNS) bool { return d.Forwarded })
	if i < 0 || len(r.Snapshot.DNS) != 2 {
		t.Fatalf("rows %+v", r.Snapshot.DNS)
	}
	passed := r.Snapshot.DNS[i]
	wantDNS(t, passed, model.DNS{Queries: 30, Answered: 30, Rcode: map[string]uint64{"NOERROR": 30}})
	if passed.From.Name != n.client.Name || passed.To.Name != n.server.Name || passed.Resolver != n.at.String() {
		t.Errorf("passed on: %+v", passed)
	}
	if *passed.Latency.MinNs < 20e6 || *row.Latency.MaxNs < *passed.Latency.MinNs {
		t.Errorf("passed on in %d ns at least, answered in %d at most", *passed.Latency.MinNs, *row.Latency.MaxNs)
	}
}

// A process of the host is no container: its queries are the host's.
func TestDNSOfTheHost(t *testing.T) {
	n := newNames(t)
	host := lab.Machine(t)
	n.reach(host)
	tr := begin(t, pipeline.Options{})
	wantOK(t, host.Run("ask", "--count", "40", "--name", "rcode-3.test", service(n.at)), 40)
	wantOK(t, host.Run("ask", "--count", "20", "--unconnected", service(n.at6)), 20)
	r := tr.end()
	row := r.asked(t, "(host)", n.at)
	wantDNS(t, row, model.DNS{Queries: 40, Answered: 40, Rcode: map[string]uint64{"NXDOMAIN": 40}})
	wantDNS(t, r.asked(t, "(host)", n.at6), model.DNS{Queries: 20, Answered: 20, Rcode: map[string]uint64{"NOERROR": 20}})
	if row.Container != nil || row.From.Kind != "host" || row.To.Name != n.server.Name {
		t.Errorf("%+v", row)
	}
}

// With --no-dns no header is read: no message is recorded, although the packets
// are.
func TestNoDNS(t *testing.T) {
	n := newNames(t)
	tr := begin(t, pipeline.Options{NoDNS: true})
	wantOK(t, n.client.Run("ask", "--count", "50", service(n.at)), 50)
	r := tr.end()
	r.WantExact(t)
	if r.Snapshot.DNS != nil {
		t.Errorf("rows %+v", r.Snapshot.DNS)
	}
	for _, kind := range []string{"dns_queries", "dns_answers", "dns_unmatched"} {
		if got := r.Snapshot.Accounting.Notes[kind]; got != 0 {
			t.Errorf("%s: %d", kind, got)
		}
	}
	packets := count(r.Journeys, func(j *journey.Journey) bool {
		return j.First.Src.Port() == dns.Port || j.First.Dst.Port() == dns.Port
	})
	if packets != 100 {
		t.Errorf("%d packets of DNS recorded, want 100", packets)
	}
}

// A selected container's queries are recorded, and those to it; no others.
func TestDNSOfSelectedContainers(t *testing.T) {
	n := newNames(t)
	other := n.asker("other")
	for name, x := range map[string]struct {
		selected *lab.Container
		rows     []string
	}{
		"one that asks":        {n.client, []string{n.client.Name}},
		"the one that answers": {n.server, []string{n.client.Name, other.Name}},
	} {
		t.Run(name, func(t *testing.T) {
			tr := begin(t, pipeline.Options{Containers: []string{x.selected.Name}})
			for _, c := range []*lab.Container{n.client, other} {
				wantOK(t, c.Run("ask", "--count", "40", service(n.at)), 40)
			}
			r := tr.end()
			if len(r.Snapshot.DNS) != len(x.rows) {
				t.Errorf("%d rows, want %d: %+v", len(r.Snapshot.DNS), len(x.rows), r.Snapshot.DNS)
			}
			for _, from := range x.rows {
				wantDNS(t, r.asked(t, from, n.at), model.DNS{Queries: 40, Answered: 40, Rcode: map[string]uint64{"NOERROR": 40}})
			}
			if got, want := r.Counts.Notes["dns_queries"], uint64(40*len(x.rows)); got != want {
				t.Errorf("%d queries left the kernel, want %d", got, want)
			}
		})
	}
}
