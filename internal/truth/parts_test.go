package truth

import (
	"encoding/binary"
	"fmt"
	"math"
	"net"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/internal/lab/outcome"
	"github.com/hopscope/hopscope/pkg/export"
	"github.com/hopscope/hopscope/pkg/model"
	"github.com/hopscope/hopscope/pkg/pipeline"
)

// wantNear: within a share of what it should be.
func wantNear(t *testing.T, what string, got, want time.Duration, within float64) {
	t.Helper()
	t.Logf("%s %v, want %v", what, got, want)
	if math.Abs(float64(got-want)) > within*float64(want) {
		t.Errorf("%s is %v, want %v within %.0f %%", what, got, want, 100*within)
	}
}

// wantThought compares app with what the server itself measured. That is what it was
// told to take, and more where others have the CPU when it wants to go on.
func wantThought(t *testing.T, app time.Duration, run outcome.Result, think time.Duration) {
	t.Helper()
	own := time.Duration(run.Thought.P50Ns)
	wantNear(t, "app", app, own, 0.03)
	if own < think || run.Thought.Samples != run.OK {
		t.Errorf("the server took %v, it was told to take %v: %+v", own, think, run.Thought)
	}
}

func p50(d model.Dist) time.Duration { return time.Duration(*d.P50Ns) }

// A server that answers in two halves: what it takes from the first byte to the last
// one is app_body, and not app.
func TestAnswerInTwoHalves(t *testing.T) {
	const pause, requests = 7 * time.Millisecond, 200
	p := sharedPair(t)
	web := p.shop.Container(lab.ContainerSpec{Name: "halting", Networks: []*lab.Network{p.net}, Args: []string{"serve", "--pause", pause.String()}})
	at := serverAt(web.IP(p.net))
	wantOK(t, p.client.Run("rr", "--count", "5", at), 5)
	tr := begin(t, pipeline.Options{})
	run := p.client.Run("rr", "--count", "200", "--response", "2000", at)
	wantOK(t, run, requests)
	r := tr.end()
	x := r.exchangesOf(t, p.client.Name, web.Name)
	wantWhole(t, x)
	if x.Count != requests || x.Excluded != 0 {
		t.Errorf("%d exchanges, left out %v", x.Count, x.ExcludedBy)
	}
	body, app := part(t, x, "app_body", web.Name), part(t, x, "app", "")
	wantNear(t, "app_body", p50(body.Dist), pause, 0.03)
	wantNear(t, "the response time", p50(x.Total), time.Duration(run.Latency.P50Ns), 0.03)
	if app.Share > 0.05 || body.Share < 0.9 {
		t.Errorf("app has %.3f of the time, app_body %.3f", app.Share, body.Share)
	}
}

// A client of which this host has nothing but its packets: the response time is that
// at the host's edge, and the way outside is told as round trip time.
func TestResponseTimeOfAClientOutside(t *testing.T) {
	const think, away, requests = 20 * time.Millisecond, 30 * time.Millisecond, 60
	web := publishedThinker(t, think)
	outside := lab.NewStranger(t, away)
	tr := begin(t, pipeline.Options{})
	conn := outside.Dial(web.HostPort("8000/tcp"))
	request := make([]byte, 100)
	request[0] = 'r'
	binary.BigEndian.PutUint32(request[4:], uint32(len(request)))
	binary.BigEndian.PutUint32(request[8:], 500)
	var took []time.Duration
	for range requests {
		took = append(took, conn.Ask(request, 500))
	}
	conn.Close()
	r := tr.end()
	x := r.exchangesOf(t, outside.Addr.String(), web.Name)
	wantWhole(t, x)
	if x.View != "server" || x.Count != requests || x.Excluded != 0 || x.RTT == nil {
		t.Fatalf("%+v", x)
	}
	slices.Sort(took)
	wantNear(t, "app", p50(part(t, x, "app", web.Name).Dist), think, 0.03)
	wantNear(t, "the response time at the edge", p50(x.Total), took[requests/2], 0.03)
	wantNear(t, "the round trip time outside", p50(*x.RTT), away, 0.1)
}

// By docker-proxy from outside: one exchange a request, whose parts, docker-proxy's
// among them, sum to what the client measured.
func TestResponseTimeThroughTheProxyFromOutside(t *testing.T) {
	const think, requests = 7 * time.Millisecond, 100
	web := publishedThinker(t, think)
	outside, port := lab.Outside(t, lab.OutsideSpec{}), web.HostPort("8000/tcp")
	pastDNAT(t, outside.Link.HostName, port)
	at := netip.AddrPortFrom(outside.HostAddr, port).String()
	wantOK(t, outside.Run("rr", "--count", "3", at), 3)
	tr := begin(t, pipeline.Options{})
	run := outside.Run("rr", "--count", "100", "--connections", "4", at)
	wantOK(t, run, requests)
	r := tr.end()
	x := r.exchangesOf(t, outside.Addr.String(), web.Name)
	wantWhole(t, x)
	proxy := part(t, x, "userland_proxy", fmt.Sprintf("docker-proxy %s:8000", web.Name))
	if x.Count != requests || !x.Proxied || x.PublishedPort == nil || *x.PublishedPort != int(port) || proxy.Dist.Count != requests || *proxy.Dist.MinNs <= 0 {
		t.Errorf("%+v", x)
	}
	wantNear(t, "the response time", p50(x.Total), time.Duration(run.Latency.P50Ns), 0.03)
	wantThought(t, p50(part(t, x, "app", web.Name).Dist), run, think)
}

// pastDNAT leaves what comes in by a device for a published port to docker-proxy.
func pastDNAT(t *testing.T, dev string, port uint16) {
	t.Helper()
	for _, action := range []string{"-I", "-D"} {
		do := func() {
			args := []string{"-w", "-t", "nat", action, "PREROUTING", "-i", dev, "-p", "tcp", "--dport", fmt.Sprint(port), "-j", "ACCEPT"}
			if out, err := exec.Command(lab.Iptables(), args...).CombinedOutput(); err != nil {
				t.Errorf("iptables %v: %v: %s", args, err, out)
			}
		}
		if action == "-D" {
			t.Cleanup(do)
			continue
		}
		do()
	}
}

// Connections of docker-proxy that are older than the trace: each request is one
// exchange all the same, since nothing else of its bytes is under way in that process.
func TestOldConnectionsThroughTheProxy(t *testing.T) {
	const warm, requests = 5, 60
	web := publishedThinker(t, 0)
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", web.HostPort("8000/tcp")))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ask(t, conn, warm)
	time.Sleep(quiet)
	tr := begin(t, pipeline.Options{})
	ask(t, conn, requests)
	r := tr.end()
	x := r.exchangesOf(t, "(host)", web.Name)
	unpaired := r.Snapshot.Accounting.Notes["exchanges_proxy_unpaired"]
	if x.Count != requests || !x.Proxied || unpaired != 0 {
		t.Errorf("%d of %d requests are whole, %d unpaired: %+v", x.Count, requests, unpaired, r.Snapshot.Exchanges)
	}
}

// talkBetween is a conversation of two containers' namespaces.
func talkBetween(t *testing.T, p *pair, port int) *talk {
	t.Helper()
	var listener net.Listener
	err := lab.InNetns(p.web.Netns, func() (err error) {
		listener, err = net.Listen("tcp4", fmt.Sprintf(":%d", port))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	k := &talk{t: t, netns: p.web.Netns}
	err = lab.InNetns(p.client.Netns, func() error {
		client, err := net.Dial("tcp", netip.AddrPortFrom(p.web.IP(p.net), uint16(port)).String())
		if err == nil {
			k.client = client.(*net.TCPConn)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	k.accept(listener)
	return k
}

// Connections that do not take turns are left out of the summary, by reason, and
// their share stands beside the row; where it is most of it, no verdict is given.
func TestSummaryOfWhatIsNoExchange(t *testing.T) {
	p := sharedPair(t)
	for i, c := range []struct {
		name  string
		talk  func(*talk)
		count uint64
		by    map[string]uint64
	}{
		{"multiplexed", func(k *talk) {
			for range 6 {
				k.interleave()
			}
		}, 0, map[string]uint64{"pipelined": 2, "streaming": 4}},
		{"now and then", func(k *talk) {
			for range 6 {
				k.interleave()
				k.ask(10, 20)
			}
		}, 6, map[string]uint64{"pipelined": 6}},
		{"greeting", func(k *talk) {
			k.say(k.server, 30)
			k.hear(k.client, 30)
			for range 9 {
				k.ask(10, 20)
			}
		}, 9, map[string]uint64{"server_first": 1}},
		{"pushed", func(k *talk) {
			for range 5 {
				k.ask(10, 20)
			}
			time.Sleep(3500 * time.Millisecond)
			k.say(k.server, 30)
			k.hear(k.client, 30)
		}, 5, map[string]uint64{"streaming": 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			port := 8330 + i
			tr := begin(t, pipeline.Options{})
			k := talkBetween(t, p, port)
			c.talk(k)
			k.hangUp()
			r := tr.end()
			x := r.exchangesAt(t, port)
			var excluded uint64
			for _, n := range c.by {
				excluded += n
			}
			t.Logf("%s → %s: %d exchanges, left out %v", x.From.Name, x.To.Name, x.Count, x.ExcludedBy)
			if x.From.Name != p.client.Name || x.To.Name != p.web.Name || x.Count != c.count || x.Excluded != excluded {
				t.Errorf("%s → %s: %d exchanges, %d left out, want %d and %d", x.From.Name, x.To.Name, x.Count, x.Excluded, c.count, excluded)
			}
			for reason, n := range x.ExcludedBy {
				if n != c.by[reason] {
					t.Errorf("%d left out as %s, want %d", n, reason, c.by[reason])
				}
			}
			wantShareTold(t, r, excluded, c.count)
			if excluded > c.count {
				for _, kind := range []string{"slow_app", "slow_network", "slow_upstream"} {
					r.wantNoFinding(t, kind, p.web.Name)
				}
			}
		})
	}
}

// exchangesAt is the only row of a port.
func (r result) exchangesAt(t *testing.T, port int) *model.Exchange {
	t.Helper()
	i := slices.IndexFunc(r.Snapshot.Exchanges, func(x model.Exchange) bool { return int(x.Port) == port })
	if i < 0 {
		t.Fatalf("no exchanges at port %d: %+v", port, r.Snapshot.Exchanges)
	}
	return &r.Snapshot.Exchanges[i]
}

// wantShareTold: the terminal says which share was left out.
func wantShareTold(t *testing.T, r result, excluded, count uint64) {
	t.Helper()
	var out strings.Builder
	if err := export.Table(&out, r.Snapshot, export.Options{Width: 200}); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("%.1f%% left out", 100*share(excluded, excluded+count))
	if excluded == count+excluded {
		want = "100% left out"
	}
	if !strings.Contains(out.String(), want) {
		t.Errorf("no %q in\n%s", want, out.String())
	}
}
