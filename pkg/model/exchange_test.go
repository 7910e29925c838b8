package model

import (
	"encoding/json"
	"math"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/hopscope/hopscope/pkg/exchange"
)

var dbAddr = netip.MustParseAddr("10.0.0.4")

// asked is an exchange of web with api:8080: 1 ms there, 6 ms of api's own,
// waiting for db the given time beside it, 1 ms back.
func asked(waiting uint64) *exchange.Exchange {
	const ms = 1e6
	x := &exchange.Exchange{
		Start: 5, Total: 8*ms + waiting, Port: 8080, Asked: port(apiAddr, 8080), View: exchange.ViewBoth, Weight: 1, RTT: 3e5,
		Client: exchange.Party{Cgroup: 1001, Netns: webNS, Addr: webAddr},
		Server: exchange.Party{Cgroup: 2001, Netns: apiNS, Addr: apiAddr},
		Parts: []exchange.Part{
			{Kind: exchange.PartRequestNetwork, Ns: ms}, {Kind: exchange.PartServerRecv}, {Kind: exchange.PartApp, Ns: 6 * ms},
			{Kind: exchange.PartResponseNetwork, Ns: ms},
		},
		Sides: []exchange.Side{
			{Owner: exchange.Party{Cgroup: 1001, Netns: webNS, Addr: webAddr}, Peer: apiAddr, Port: 8080, SockRecv: 500, App: -1},
			{Owner: exchange.Party{Cgroup: 2001, Netns: apiNS, Addr: apiAddr}, Peer: webAddr, Port: 8080, Server: true, SockRecv: 0, App: int64(6*ms + waiting)},
		},
	}
	if waiting > 0 {
		x.Parts = append(x.Parts, exchange.Part{Kind: exchange.PartWaiting, Ns: waiting, Target: exchange.Party{Addr: dbAddr}, Port: 5432})
	}
	return x
}

func onlyExchange(t *testing.T, s Snapshot) Exchange {
	t.Helper()
	if len(s.Exchanges) != 1 {
		t.Fatalf("%d rows of exchanges: %+v", len(s.Exchanges), s.Exchanges)
	}
	return s.Exchanges[0]
}

func TestExchanges(t *testing.T) {
	a := New(Limits{})
	a.AddExchange(asked(0))
	heavy := asked(12e6)
	heavy.Weight = 3
	a.AddExchange(heavy)
	left := asked(0)
	left.Reason, left.Parts, left.Weight = exchange.ReasonPipelined, nil, 2
	a.AddExchange(left)
	s := a.Snapshot(shop(), Meta{})
	x := onlyExchange(t, s)
	if x.From.Name != "web" || x.To.Name != "api" || x.Port != 8080 || x.View != "both" || x.PublishedPort != nil ||
		x.Count != 4 || x.Excluded != 2 || !reflect.DeepEqual(x.ExcludedBy, map[string]uint64{"pipelined": 2}) {
		t.Errorf("%+v", x)
	}
	var sum uint64
	var shares float64
	var labels []string
	for i := range x.Parts {
		sum += x.Parts[i].Dist.SumNs
		shares += x.Parts[i].Share
		labels = append(labels, x.Parts[i].Label())
	}
	if sum != x.Total.SumNs || sum != 8e6+3*20e6 || math.Abs(shares-1) > 1e-9 {
		t.Errorf("parts sum to %d of %d, shares to %v", sum, x.Total.SumNs, shares)
	}
	want := []string{
		"request_network @ web → api", "sock_recv @ api", "app @ api ~", "waiting on 10.0.0.4:5432 ~", "response_network @ api → web",
	}
	if !reflect.DeepEqual(labels, want) {
		t.Errorf("%q", labels)
	}
	if w := x.Parts[3]; w.Dist.Count != 3 || *w.Dist.MaxNs != 12e6 {
		t.Errorf("%+v", w)
	}
}

func TestExchangeSides(t *testing.T) {
	a := New(Limits{})
	a.AddExchange(asked(0))
	s := a.Snapshot(shop(), Meta{})
	if len(s.TCP) != 2 {
		t.Fatalf("%+v", s.TCP)
	}
	for _, x := range s.TCP {
		switch x.Role {
		case "client":
			if x.From.Name != "web" || x.App != nil || *x.SockRecv.MaxNs != 500 || x.Connects == nil || x.Resets == nil {
				t.Errorf("%+v", x)
			}
		case "server":
			if x.From.Name != "api" || *x.App.MaxNs != 6e6 || *x.SockRecv.MaxNs != 0 || x.Connects != nil || x.Connect != nil || x.AcceptWait != nil {
				t.Errorf("%+v", x)
			}
		}
	}
}

// Without socket events nothing is known of connects: that is null, not 0.
func TestUnknownConnects(t *testing.T) {
	a := New(Limits{})
	a.AddRetransmits(RetransmitCount{Netns: webNS, Local: webAddr, Remote: apiAddr, Port: 8080, Segments: RetransmitKinds{RTO: 1}})
	text, err := json.Marshal(a.Snapshot(shop(), Meta{}).TCP)
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{`"connects":null`, `"resets":null`, `"connect":null`, `"app":null`, `"sock_recv":null`, `"accept_wait":null`} {
		if !strings.Contains(string(text), field) {
			t.Errorf("no %s in %s", field, text)
		}
	}
}

func TestAcceptWait(t *testing.T) {
	a := New(Limits{})
	for i := range 3 {
		a.AddSocket(SocketEvent{Accept: &AcceptCount{At: 9, Netns: apiNS, Local: apiAddr, Remote: webAddr, Port: 8080, Ns: uint64(i) * 1000, Count: 1}})
	}
	rows := a.Snapshot(shop(), Meta{}).TCP
	if len(rows) != 1 || rows[0].Role != "server" || rows[0].From.Name != "api" || rows[0].Connects != nil {
		t.Fatalf("%+v", rows)
	}
	if w := rows[0].AcceptWait; w == nil || w.Samples != 3 || *w.MaxNs != 2000 {
		t.Errorf("%+v", rows[0].AcceptWait)
	}
}

func TestConnects(t *testing.T) {
	a := New(Limits{})
	for errno, n := range map[uint16]uint64{0: 50, 111: 7, 110: 5, 113: 3, 101: 1, 125: 2} {
		a.AddConnect(ConnectCount{At: 9, Netns: webNS, Local: webAddr, Remote: apiAddr, Port: 8080, Ns: 1000, Error: errno, Count: n})
	}
	a.AddResets(ResetCount{Netns: webNS, Local: webAddr, Remote: apiAddr, Port: 8080, Sent: 4, Received: 7})
	s := a.Snapshot(shop(), Meta{})
	if len(s.TCP) != 1 {
		t.Fatalf("%+v", s.TCP)
	}
	x := s.TCP[0]
	if *x.Connects != (Connects{OK: 50, Refused: 7, Timeout: 5, Unreachable: 4, Other: 2}) || *x.Resets != (Resets{4, 7}) || x.Connect.Count != 50 {
		t.Errorf("%+v %+v", x.Connects, x.Resets)
	}
	var texts []string
	for _, f := range s.Findings {
		texts = append(texts, f.Text)
	}
	want := []string{
		"7 of web's 68 connects to 10.0.0.3 tcp/8080 were refused", "5 of web's 68 connects to 10.0.0.3 tcp/8080 were not answered",
	}
	if !reflect.DeepEqual(texts, want) {
		t.Errorf("%q", texts)
	}
}

// By docker-proxy, and a published port.
func TestProxiedExchange(t *testing.T) {
	x := asked(0)
	x.Proxied, x.Asked = true, port(hostAddr, 80)
	x.Proxy = exchange.Proxy{Party: exchange.Party{Netns: hostNS, Cgroup: 9, Addr: hostAddr}, Target: port(apiAddr, 8080)}
	x.Parts[1] = exchange.Part{Kind: exchange.PartProxy}
	x.Parts = append(x.Parts, exchange.Part{Kind: exchange.PartProxyRequest}, exchange.Part{Kind: exchange.PartProxyResponse})
	a := New(Limits{})
	a.AddExchange(x)
	names := shop()
	names.proxies = map[uint64]bool{9: true}
	row := onlyExchange(t, a.Snapshot(names, Meta{}))
	if !row.Proxied || row.PublishedPort == nil || *row.PublishedPort != 80 {
		t.Errorf("%+v", row)
	}
	var labels []string
	for i := range row.Parts {
		labels = append(labels, row.Parts[i].Label())
	}
	want := []string{
		"request_network @ web → docker-proxy", "userland_proxy @ docker-proxy", "request_network @ docker-proxy → api", "app @ api",
		"response_network @ api → docker-proxy", "response_network @ docker-proxy → web",
	}
	if !reflect.DeepEqual(labels, want) {
		t.Errorf("%q", labels)
	}
}

// Clients beyond the limit share a row of their server.
func TestManyClients(t *testing.T) {
	a := New(Limits{Exchanges: 10})
	for i := range 200 {
		x := asked(0)
		x.Client = exchange.Party{Addr: netip.AddrFrom4([4]byte{203, 0, 113, byte(i)})}
		a.AddExchange(x)
	}
	s := a.Snapshot(shop(), Meta{})
	var count uint64
	for _, x := range s.Exchanges {
		count += x.Count
		if x.To.Name != "api" {
			t.Errorf("%+v", x)
		}
	}
	if top := s.Exchanges[0]; len(s.Exchanges) != 11 || count != 200 || top.From.Name != "(other)" || top.Count != 190 || s.Accounting.Notes["other_exchanges"] != 190 {
		t.Errorf("%d rows of %d, first %+v", len(s.Exchanges), count, s.Exchanges[0])
	}
	servers := New(Limits{Exchanges: 10})
	for i := range 200 {
		x := asked(0)
		x.Port = uint16(1 + i)
		servers.AddExchange(x)
	}
	if s := servers.Snapshot(shop(), Meta{}); len(s.Exchanges) != 21 {
		t.Errorf("%d rows", len(s.Exchanges))
	}
}

// What is sealed and merged is what was added.
func TestExchangesMerge(t *testing.T) {
	whole, merged := New(Limits{}), New(Limits{})
	var parts []*Sealed
	for i := range 10 {
		part := New(Limits{})
		for _, to := range []*Aggregator{whole, part} {
			for k := range 20 {
				x := asked(uint64(i*k) * 1e5)
				if k == 7 {
					x.Reason = exchange.ReasonTLS
				}
				to.AddSocket(SocketEvent{Exchange: x})
			}
			to.AddSocket(SocketEvent{Connect: &ConnectCount{At: 9, Netns: webNS, Local: webAddr, Remote: apiAddr, Port: 8080, Ns: uint64(i) * 1000, Count: 1}})
			to.AddSocket(SocketEvent{Accept: &AcceptCount{At: 9, Netns: apiNS, Local: apiAddr, Remote: webAddr, Port: 8080, Ns: uint64(i) * 2000, Count: 1}})
			to.AddSocket(SocketEvent{Resets: &ResetCount{Netns: webNS, Local: webAddr, Remote: apiAddr, Port: 8080, Sent: 2}})
		}
		sealed := part.Seal()
		merged.Merge(sealed)
		parts = append(parts, sealed)
	}
	want := whole.Snapshot(shop(), Meta{Bins: true})
	for name, got := range map[string]Snapshot{
		"merged": merged.Snapshot(shop(), Meta{Bins: true}),
		"summed": Sum(parts, Limits{}, shop(), Meta{Bins: true}, false),
	} {
		if !reflect.DeepEqual(got.Exchanges, want.Exchanges) || !reflect.DeepEqual(got.TCP, want.TCP) {
			t.Errorf("%s:\n got %+v\nwant %+v", name, got.Exchanges, want.Exchanges)
		}
	}
}

// Exchanges come before the journeys of their time, and count in their slice.
func TestExchangeSlices(t *testing.T) {
	a := New(Limits{})
	s := a.Slices()
	for i := range uint64(30) {
		for range i {
			x := asked(0)
			x.Start, x.Total, x.Parts = 1000+i*firstSliceNs, 10, []exchange.Part{{Kind: exchange.PartApp, Ns: 10}}
			s.AddSocket(SocketEvent{Exchange: x})
		}
	}
	s.AddSocket(SocketEvent{Resets: &ResetCount{Sent: 1}})
	for i := range uint64(30) {
		j := packet(bridged())
		j.Start = 1000 + i*firstSliceNs
		s.Add(j, bridged())
	}
	var all uint64
	for i, snap := range s.Snapshots(shop(), Meta{}) {
		n := onlyExchange(t, snap).Count
		all += n
		if want := uint64(2*i + 2*i + 1); i < 12 && n != want { // slices 2i and 2i+1 were merged
			t.Errorf("slice %d has %d exchanges, want %d", i, n, want)
		}
	}
	if all != 29*30/2 {
		t.Errorf("%d exchanges", all)
	}
}

// An exchange whose other end was waited for comes seconds after the journeys of
// its time, as does a lookup that had no answer: both count in their slice.
func TestLateRecordsInSlices(t *testing.T) {
	const late = 100 // slices of the first width: 5 s
	s := New(Limits{}).Slices()
	tell := func(i uint64) {
		x := asked(0)
		x.Start, x.Total, x.Parts = 1000+i*firstSliceNs, 10, []exchange.Part{{Kind: exchange.PartApp, Ns: 10}}
		l := lookup(webCgroup, netip.MustParseAddr("203.0.113.53"))
		l.At = x.Start + x.Total
		for range 1 + i%3 {
			s.AddSocket(SocketEvent{Exchange: x})
			s.AddDNS(l)
		}
	}
	for i := range uint64(480) {
		j := packet(bridged())
		j.Start = 1000 + i*firstSliceNs
		s.Add(j, bridged())
		if i >= late {
			tell(i - late)
		}
	}
	for i := range uint64(late) {
		tell(480 - late + i)
	}
	snaps := s.Snapshots(shop(), Meta{})
	each := uint64(s.width / firstSliceNs)
	if len(snaps) != int(480/each) {
		t.Fatalf("%d slices of %d", len(snaps), each)
	}
	for i, snap := range snaps {
		var want uint64
		for k := range each {
			want += 1 + (uint64(i)*each+k)%3
		}
		if n := onlyExchange(t, snap).Count; n != want || len(snap.DNS) != 1 || snap.DNS[0].Queries != want {
			t.Errorf("slice %d has %d exchanges and %+v, want %d of each", i, n, snap.DNS, want)
		}
		if p := onlyPath(t, snap); p.Journeys != each {
			t.Errorf("slice %d has %d journeys, want %d", i, p.Journeys, each)
		}
	}
}

func verdictOf(t *testing.T, xs ...*exchange.Exchange) []Finding {
	t.Helper()
	a := New(Limits{})
	for range 50 {
		for _, x := range xs {
			a.AddExchange(x)
		}
	}
	return a.Snapshot(shop(), Meta{}).Findings
}

func TestVerdicts(t *testing.T) {
	network := asked(0)
	network.Parts[0].Ns, network.Total = 100e6, 107e6
	quick := asked(0)
	quick.Parts[2].Ns, quick.Total = 10_000, 2_010_000
	quick.Parts[0].Ns, quick.Parts[3].Ns = 500_000, 1_500_000
	sampled := asked(0)
	sampled.Weight = 6
	mostly := asked(0)
	mostly.Reason, mostly.Weight = exchange.ReasonStream, 3
	for name, c := range map[string]struct {
		of   []*exchange.Exchange
		want string
	}{
		"app":      {[]*exchange.Exchange{asked(0)}, "75.0% of api's response time to web is its own application"},
		"sampled":  {[]*exchange.Exchange{sampled}, "75.0% of api's response time to web is its own application, or what that waits for"},
		"upstream": {[]*exchange.Exchange{asked(90e6)}, "91.8% of api's response time to web is api waiting on 10.0.0.4:5432 (an estimate)"},
		"network":  {[]*exchange.Exchange{network}, "94.4% of api's response time to web is the network"},
		"quick":    {[]*exchange.Exchange{quick}, "99.5% of api's response time to web is the network"},
		"left out": {[]*exchange.Exchange{asked(0), mostly}, ""},
	} {
		found := verdictOf(t, c.of...)
		switch {
		case c.want == "" && len(found) > 0:
			t.Errorf("%s: %+v", name, found)
		case c.want != "" && (len(found) != 1 || found[0].Text != c.want || found[0].Evidence == "" || found[0].Mend == ""):
			t.Errorf("%s: %+v", name, found)
		}
	}
}

// The hop that is to blame is named.
func TestVerdictNamesTheHop(t *testing.T) {
	slow := asked(0)
	slow.Parts[0].Ns, slow.Total = 100e6, 107e6
	a := New(Limits{})
	hops := bridged()
	hops[0].Duration = 99e6
	for range 200 {
		a.Add(packet(hops), hops)
		a.AddExchange(slow)
	}
	f := a.Snapshot(shop(), Meta{}).Findings
	if len(f) != 2 || f[0].Kind != "slow_hop" || f[1].Kind != "slow_network" ||
		!strings.HasSuffix(f[1].Text, "is the network: `qdisc @ eth0 of web`") {
		t.Errorf("%+v", f)
	}
}
