package truth

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/pkg/capture"
	"github.com/hopscope/hopscope/pkg/model"
	"github.com/hopscope/hopscope/pkg/pipeline"
	"github.com/hopscope/hopscope/pkg/record"
)

// exchangesOf is the only row of exchanges between two ends, by name.
func (r result) exchangesOf(t *testing.T, from, to string) *model.Exchange {
	t.Helper()
	var found *model.Exchange
	for i := range r.Snapshot.Exchanges {
		x := &r.Snapshot.Exchanges[i]
		if x.From.Name != from || x.To.Name != to {
			continue
		}
		if found != nil {
			t.Fatalf("two rows from %s to %s: %+v and %+v", from, to, *found, *x)
		}
		found = x
	}
	if found == nil {
		t.Fatalf("no exchanges from %s to %s in %+v", from, to, r.Snapshot.Exchanges)
	}
	return found
}

// wantWhole: the parts are the whole, in time and in share.
func wantWhole(t *testing.T, x *model.Exchange) {
	t.Helper()
	var sum uint64
	var shares float64
	for _, p := range x.Parts {
		sum += p.Dist.SumNs
		shares += p.Share
	}
	if sum != x.Total.SumNs || math.Abs(shares-1) > 1e-9 {
		t.Errorf("parts of %s → %s sum to %d of %d ns, shares to %v", x.From.Name, x.To.Name, sum, x.Total.SumNs, shares)
	}
}

// part is that of a name and, unless where is "", at a place.
func part(t *testing.T, x *model.Exchange, name, where string) model.ExchangePart {
	t.Helper()
	for _, p := range x.Parts {
		if p.Part == name && (where == "" || p.Where == where) {
			return p
		}
	}
	t.Fatalf("no %s @ %s among the parts of %s → %s: %+v", name, where, x.From.Name, x.To.Name, x.Parts)
	return model.ExchangePart{}
}

func (r result) wantFinding(t *testing.T, kind string, words ...string) {
	t.Helper()
	for _, f := range r.Snapshot.Findings {
		has := f.Kind == kind
		for _, w := range words {
			has = has && strings.Contains(f.Text, w)
		}
		if has {
			return
		}
	}
	t.Errorf("no finding %s with %q in %+v", kind, words, r.Snapshot.Findings)
}

// An application that sleeps for 7 ms, and a network as it was before: the time
// is the application's.
func TestResponseTimeIsTheApplications(t *testing.T) {
	const think, requests = 7 * time.Millisecond, 300
	p := newThinker(t, think)
	quick := p.shop.Container(lab.ContainerSpec{Name: "quick", Networks: []*lab.Network{p.net}, Args: []string{"serve"}})
	tr := begin(t, pipeline.Options{})
	run := p.client.Run("rr", "--count", "300", "--rate", "100", p.at)
	wantOK(t, run, requests)
	wantOK(t, p.client.Run("rr", "--count", "300", "--rate", "100", serverAt(quick.IP(p.net))), requests)
	r := tr.end()
	slow, fast := r.exchangesOf(t, p.client.Name, p.web.Name), r.exchangesOf(t, p.client.Name, quick.Name)
	for _, x := range []*model.Exchange{slow, fast} {
		wantWhole(t, x)
		if x.Count != requests || x.Excluded != 0 || x.View != "both" || x.Port != serverPort {
			t.Errorf("%+v", x)
		}
	}
	app := part(t, slow, "app", p.web.Name)
	t.Logf("of %v, client measured %v", time.Duration(*slow.Total.P50Ns), time.Duration(run.Latency.P50Ns))
	wantThought(t, p50(app.Dist), run, think)
	if got, want := float64(*slow.Total.P50Ns), float64(run.Latency.P50Ns); math.Abs(got-want) > 0.03*want {
		t.Errorf("response time %v, the client measured %v", time.Duration(got), time.Duration(want))
	}
	// The network is not slower for it, beyond 3 % of the sleep.
	for _, name := range []string{"request_network", "response_network"} {
		with, without := part(t, slow, name, ""), part(t, fast, name, "")
		if grown := *with.Dist.P50Ns - *without.Dist.P50Ns; grown > int64(think)*3/100 {
			t.Errorf("%s grew by %v", name, time.Duration(grown))
		}
	}
	r.wantFinding(t, "slow_app", p.web.Name+"'s response time to "+p.client.Name, "its own application")
	for _, side := range r.Snapshot.TCP {
		if side.Role == "server" && side.From.Name == p.web.Name && (side.App == nil || side.App.Count != requests) {
			t.Errorf("%+v", side)
		}
	}
}

// A veth slowed by TBF: the time is the network's, at that device.
func TestResponseTimeIsTheNetworks(t *testing.T) {
	const requests = 100
	p := sharedPair(t)
	// 1,066 bytes on the wire take 21 ms at that rate, and eight requests at a
	// time keep a queue of seven: what others do on this machine is small beside.
	lab.TBF(t, lab.HostNetns, p.web.Links[0].HostName, 400_000, 2000, 100_000)
	tr := begin(t, pipeline.Options{})
	wantOK(t, p.client.Run("rr", "--count", "100", "--size", "1000", "--connections", "8", p.at), requests)
	r := tr.end()
	x := r.exchangesOf(t, p.client.Name, p.web.Name)
	wantWhole(t, x)
	there, back, app := part(t, x, "request_network", p.client.Name+" → "+p.web.Name), part(t, x, "response_network", ""), part(t, x, "app", "")
	t.Logf("of %v: %.4f there, %.4f back, %.4f app", time.Duration(*x.Total.P50Ns), there.Share, back.Share, app.Share)
	if x.Count != requests || there.Share < 0.95 || back.Share > 0.01 || app.Share > 0.01 {
		t.Errorf("%d exchanges, %+v", x.Count, x.Parts)
	}
	r.wantFinding(t, "slow_network", p.web.Name+"'s response time", "`qdisc @ veth of "+p.web.Name+"`")
}

// A web that asks a slow api: it waits, and the application is quick.
func TestResponseTimeIsAnothers(t *testing.T) {
	const think, requests = 7 * time.Millisecond, 200
	api := newThinker(t, think)
	web := api.shop.Container(lab.ContainerSpec{Name: "front", Networks: []*lab.Network{api.net}, Args: []string{"serve", "--upstream", api.at}})
	tr := begin(t, pipeline.Options{})
	wantOK(t, api.client.Run("rr", "--count", "200", "--connections", "4", serverAt(web.IP(api.net))), requests)
	r := tr.end()
	outer, inner := r.exchangesOf(t, api.client.Name, web.Name), r.exchangesOf(t, web.Name, api.web.Name)
	for _, x := range []*model.Exchange{outer, inner} {
		wantWhole(t, x)
		if x.Count != requests {
			t.Errorf("%d exchanges from %s to %s", x.Count, x.From.Name, x.To.Name)
		}
	}
	waiting := part(t, outer, "waiting", fmt.Sprintf("%s:%d", api.web.Name, serverPort))
	t.Logf("waiting %.4f, p50 %v; app %.4f", waiting.Share, time.Duration(*waiting.Dist.P50Ns), part(t, outer, "app", "").Share)
	// What it waits for is the whole exchange with api, as web itself sees it.
	if got, want := float64(waiting.Dist.SumNs), float64(inner.Total.SumNs); math.Abs(got-want) > 0.02*want || !waiting.Estimate {
		t.Errorf("waits for %v in all, its own exchanges took %v", time.Duration(got), time.Duration(want))
	}
	r.wantFinding(t, "slow_upstream", fmt.Sprintf("%s waiting on %s:%d", web.Name, api.web.Name, serverPort))
}

// publishedThinker is a server that takes think to answer, with a port of the host's.
func publishedThinker(t *testing.T, think time.Duration) *lab.Container {
	t.Helper()
	lab.Lock(t)
	shop := lab.NewShop(t)
	front := shop.Network(lab.NetworkSpec{Name: "front"})
	return shop.Container(lab.ContainerSpec{Name: "web", Networks: []*lab.Network{front}, Publish: []string{fmt.Sprint(serverPort)},
		Args: []string{"serve", "--think", think.String()}})
}

// By docker-proxy, from the host: one exchange a request, with the proxy's own share,
// and parts that sum to the whole.
func TestResponseTimeThroughTheProxy(t *testing.T) {
	const think, requests = 7 * time.Millisecond, 100
	web := publishedThinker(t, think)
	machine, port := lab.Machine(t), web.HostPort("8000/tcp")
	at := fmt.Sprintf("127.0.0.1:%d", port)
	tr := begin(t, pipeline.Options{})
	run := machine.Run("rr", "--count", "100", "--connections", "4", "--size", "2000", "--response", "3000", at)
	wantOK(t, run, requests)
	r := tr.end()
	x := r.exchangesOf(t, "(host)", web.Name)
	wantWhole(t, x)
	for _, other := range r.Snapshot.Exchanges {
		if strings.Contains(other.From.Name+other.To.Name, "docker-proxy "+web.Name) {
			t.Errorf("docker-proxy has exchanges of its own: %+v", other)
		}
	}
	proxy := part(t, x, "userland_proxy", fmt.Sprintf("docker-proxy %s:8000", web.Name))
	app := part(t, x, "app", web.Name)
	t.Logf("%d exchanges of %v; proxy p50 %v, app p50 %v", x.Count, time.Duration(*x.Total.P50Ns), time.Duration(*proxy.Dist.P50Ns), time.Duration(*app.Dist.P50Ns))
	if x.Count != requests || !x.Proxied || x.View != "both" || x.PublishedPort == nil || *x.PublishedPort != int(port) || x.Port != serverPort {
		t.Errorf("%+v", x)
	}
	if proxy.Dist.Count != requests || *proxy.Dist.MinNs <= 0 {
		t.Errorf("the proxy's own share: %+v", proxy.Dist)
	}
	if *app.Dist.MinNs < int64(think) || app.Share < 0.8 {
		t.Errorf("app is %v at least and %.3f of all, the server sleeps for %v", time.Duration(*app.Dist.MinNs), app.Share, think)
	}
	if got, want := float64(*x.Total.P50Ns), float64(run.Latency.P50Ns); math.Abs(got-want) > 0.03*want {
		t.Errorf("response time %v, the client measured %v", time.Duration(got), time.Duration(want))
	}
	if n := r.Snapshot.Accounting.Notes; n["exchanges_by_proxy"] != requests || n["exchanges_proxy_unpaired"] != 0 {
		t.Errorf("%d by the proxy, %d unpaired", n["exchanges_by_proxy"], n["exchanges_proxy_unpaired"])
	}
}

// With one container selected, its exchanges have both ends: the other one's
// socket is on this host, too.
func TestResponseTimeOfASelectedContainer(t *testing.T) {
	const requests = 100
	lab.Lock(t)
	shop := lab.NewShop(t)
	front := shop.Network(lab.NetworkSpec{Name: "front"})
	web := shop.Container(lab.ContainerSpec{Name: "web", Networks: []*lab.Network{front}, Args: []string{"serve"}})
	client := shop.Container(lab.ContainerSpec{Name: "client", Networks: []*lab.Network{front}})
	tr := begin(t, pipeline.Options{Containers: []string{web.Name}})
	wantOK(t, client.Run("rr", "--count", "100", serverAt(web.IP(front))), requests)
	r := tr.end()
	if x := r.exchangesOf(t, client.Name, web.Name); x.Count != requests || x.View != "both" {
		t.Errorf("%+v", x)
	}
}

// A server that dies with a request in hand: the request is counted as
// unanswered, under the names of both.
func TestPeerVanishesMidExchange(t *testing.T) {
	p := sharedPair(t)
	victim := p.shop.Container(lab.ContainerSpec{Name: "victim", Networks: []*lab.Network{p.net}, Args: []string{"serve", "--think", "1h"}})
	tr := begin(t, pipeline.Options{})
	load := p.client.Start("rr", "--count", "1", serverAt(victim.IP(p.net)))
	lab.Eventually(t, "it has the request", func() bool { // behind SYN and acknowledgement
		return lab.ProtocolCount(t, victim.PID, "snmp", "Tcp", "InSegs") >= 3
	})
	victim.Remove()
	if run := load.Wait(); run.OK != 0 || run.Errors != 1 {
		t.Errorf("%+v", run)
	}
	r := tr.end()
	x := r.exchangesOf(t, p.client.Name, victim.Name)
	if x.Count != 0 || x.ExcludedBy["unanswered"] != 1 || x.Excluded != 1 {
		t.Errorf("%+v", x)
	}
}

// A container that is gone before the trace ends keeps its name, and what its
// sockets saw.
func TestContainerEndsBeforeItsSockets(t *testing.T) {
	const requests = 50
	p := newPair(t)
	tr := begin(t, pipeline.Options{})
	wantOK(t, p.client.Run("rr", "--count", "50", p.at), requests)
	load := p.during(t, 20, "rr", "--count", "100000", "--rate", "20", p.at)
	p.client.Remove()
	_ = load // it died with its container
	time.Sleep(time.Second)
	r := tr.end()
	x := r.exchangesOf(t, p.client.Name, p.web.Name)
	wantWhole(t, x)
	t.Logf("%d exchanges, %d left out: %v", x.Count, x.Excluded, x.ExcludedBy)
	if x.Count < requests+10 || x.Count > requests+40 || x.Excluded > 1 {
		t.Errorf("%d exchanges, %v left out", x.Count, x.ExcludedBy)
	}
}

// The first exchange of a connection to a port that is known for TLS is taken
// for a handshake, and counted beside the others.
func TestHandshakesAreLeftOut(t *testing.T) {
	const connections, requests = 5, 50
	p := sharedPair(t)
	tls := p.shop.Container(lab.ContainerSpec{Name: "tls", Networks: []*lab.Network{p.net}, Args: []string{"serve", "--port", "8443"}})
	tr := begin(t, pipeline.Options{})
	wantOK(t, p.client.Run("rr", "--count", "50", "--connections", "5", fmt.Sprintf("%s:8443", tls.IP(p.net))), requests)
	r := tr.end()
	x := r.exchangesOf(t, p.client.Name, tls.Name)
	if x.Count != requests-connections || x.ExcludedBy["tls_handshake"] != connections || x.Excluded != connections {
		t.Errorf("%d exchanges, left out %v", x.Count, x.ExcludedBy)
	}
}

// Connects that nobody wants are counted to the last one, and told.
func TestRefusedConnectsAreTold(t *testing.T) {
	const attempts = 20
	p := sharedPair(t)
	tr := begin(t, pipeline.Options{})
	for range attempts {
		run := p.client.Start("short", "--count", "1", "--wait", "1ms", fmt.Sprintf("%s:81", p.web.IP(p.net)))
		_ = run.Wait()
	}
	r := tr.end()
	for _, x := range r.Snapshot.TCP {
		if x.From.Name != p.client.Name || x.To.Name != p.web.Name || x.Port != 81 || x.Role != "client" {
			continue
		}
		t.Logf("%+v %+v", *x.Connects, *x.Resets)
		if x.Connects.Refused < attempts || x.Connects.Total() != x.Connects.Refused || x.Resets.Received != x.Connects.Refused {
			t.Errorf("connects %+v, resets %+v", *x.Connects, *x.Resets)
		}
		r.wantFinding(t, "connect_refused", p.client.Name, "tcp/81")
		return
	}
	t.Errorf("no row of the refused connects: %+v", r.Snapshot.TCP)
}

// What a capture tells of exchanges is what the live summary told.
func TestReportOfExchangesIsTheSummary(t *testing.T) {
	api := newThinker(t, 2*time.Millisecond)
	web := api.shop.Container(lab.ContainerSpec{Name: "front", Networks: []*lab.Network{api.net}, Args: []string{"serve", "--upstream", api.at}})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	session, err := pipeline.Open(ctx, pipeline.Options{Sample: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = session.Close() })
	path := filepath.Join(t.TempDir(), "x.hop")
	rec, err := record.Start(session, record.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- session.Run(ctx) }()
	wantOK(t, api.client.Run("rr", "--count", "200", "--connections", "4", serverAt(web.IP(api.net))), 200)
	time.Sleep(quiet)
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	meta, err := session.Meta("duration")
	if err != nil {
		t.Fatal(err)
	}
	live := session.SnapshotAs(meta)
	if err := rec.Finish(meta, nil); err != nil {
		t.Fatal(err)
	}
	file, err := capture.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	agg := model.New(model.Limits{})
	s, err := capture.Replay(file, agg, capture.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	report := s.Snapshot(agg)
	for name, pair := range map[string][2]any{
		"exchanges": {live.Exchanges, report.Exchanges}, "tcp": {live.TCP, report.TCP}, "findings": {live.Findings, report.Findings},
	} {
		if !reflect.DeepEqual(pair[0], pair[1]) {
			t.Errorf("%s:\nlive   %+v\nreport %+v", name, pair[0], pair[1])
		}
	}
	if len(report.Exchanges) < 2 {
		t.Errorf("%+v", report.Exchanges)
	}
}
