package truth

import (
	"encoding/binary"
	"io"
	"math"
	"net"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/hopscope/hopscope/bpf"
	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/pkg/probe"
)

// newThinker is a pair whose server waits before each answer.
func newThinker(t *testing.T, think time.Duration) *pair {
	t.Helper()
	lab.Lock(t)
	shop := lab.NewShop(t)
	p := &pair{shop: shop, net: shop.Network(lab.NetworkSpec{Name: "front", Subnet6: "2001:db8:1::/64"})}
	p.web = shop.Container(lab.ContainerSpec{Name: "web", Networks: []*lab.Network{p.net}, Args: []string{"serve", "--think", think.String()}})
	p.client = shop.Container(lab.ContainerSpec{Name: "client", Networks: []*lab.Network{p.net}})
	p.at, p.at6 = serverAt(p.web.IP(p.net)), serverAt(p.web.IP6(p.net))
	p.warmUp(t)
	return p
}

// The server thinks for 7 ms: that is in app, and nowhere else. What the client
// measured itself is the sum.
func TestExchangesTellWhatTheServerThinks(t *testing.T) {
	const think, requests = 7 * time.Millisecond, 300
	p := newThinker(t, think)
	for name, at := range map[string]string{"IPv4": p.at, "IPv6": p.at6} {
		t.Run(name, func(t *testing.T) {
			tr := beginSockets(t, probe.Config{})
			run := p.client.Run("rr", "--count", "300", "--size", "200", "--response", "500", at)
			wantOK(t, run, requests)
			tr.end()
			joined := tr.between(p.client, p.web)
			if len(joined) != requests {
				t.Fatalf("%d exchanges of %d requests", len(joined), requests)
			}
			var app, total []time.Duration
			for i, x := range joined {
				x.wantOrder(t)
				if x.client.RequestBytes != 200 || x.client.AnswerBytes != 500 || x.server.RequestBytes != 200 || x.server.AnswerBytes != 500 {
					t.Fatalf("bytes of %+v", x)
				}
				if first := bpf.HopscopeHsEventFlagHS_EF_FIRST; has(&x.client, first) != (i == 0) || has(&x.server, first) != (i == 0) {
					t.Errorf("exchange %d has flags %#x and %#x", i, x.client.Flags, x.server.Flags)
				}
				app = append(app, time.Duration(x.server.AnswerNs-x.server.RequestReadNs))
				total = append(total, time.Duration(x.client.AnswerReadNs-x.client.RequestNs))
			}
			slices.Sort(app)
			slices.Sort(total)
			t.Logf("app p50 %v, total p50 %v, client p50 %v", app[requests/2], total[requests/2], time.Duration(run.Latency.P50Ns))
			if app[0] < think {
				t.Errorf("app from %v on; the server thinks for %v", app[0], think)
			}
			wantThought(t, app[(requests-1)/2], run, think)
			if got, want := total[requests/2], time.Duration(run.Latency.P50Ns); got > want || got < want*97/100 {
				t.Errorf("median total %v, the client measured %v", got, want)
			}
		})
	}
}

// Sampling keeps the same exchanges at both ends, one in eight, each standing
// for eight.
func TestExchangesAreSampledAlikeAtBothEnds(t *testing.T) {
	p := sharedPair(t)
	wantSampledAlike(t, p, p.at, 4)
}

// So many connections do not find a seat each (bpf/seats.h).
func TestExchangesOfManyConnectionsAreSampledAlike(t *testing.T) {
	p := sharedPair(t)
	wantSampledAlike(t, p, p.at, 1000)
}

func wantSampledAlike(t *testing.T, p *pair, at string, connections int) {
	t.Helper()
	const requests, rate = 16000, 8
	shown, mayHide := lab.WitnessArrivals(t, 1<<17), lab.Unshown(t)
	tr := beginSockets(t, probe.Config{Sample: rate})
	wantOK(t, p.client.Run("rr", "--count", "16000", "--connections", strconv.Itoa(connections), at), requests)
	most := mayHide(requests / rate)
	tr.end()
	joined := tr.between(p.client, p.web)
	notes, incomplete, unshown := tr.notes(), uint64(0), uint64(0)
	for _, x := range joined {
		if x.client.Weight != rate || x.server.Weight != rate {
			t.Fatalf("weights %d and %d", x.client.Weight, x.server.Weight)
		}
		switch {
		case x.unshown(shown):
			unshown++
			t.Logf("the kernel showed an arrival to no program: client %+v, server %+v", x.client, x.server)
		case slices.Contains(x.times(), 0):
			incomplete++
			t.Logf("incomplete: client %+v, server %+v", x.client, x.server)
		default:
			x.wantOrder(t)
		}
	}
	sigma := math.Sqrt(requests / rate * (1 - 1.0/rate))
	t.Logf("%d of %d exchanges, %d of them incomplete, runs missed: %v", len(joined), requests, incomplete, missed(t))
	if off := (float64(len(joined)) - requests/rate) / sigma; math.Abs(off) > sigmas {
		t.Errorf("%d of %d exchanges, %.1f sigma off 1/%d", len(joined), requests, off, rate)
	}
	// Others' connections on this machine may add to it. What the kernel missed may be
	// a connection's beginning: its first request is then not counted at the server.
	if left := notes["exchanges_unsampled"]; left+notes["missed_runs"]+unshown < 2*(requests-uint64(len(joined))) {
		t.Errorf("%d left out at two ends, %d of %d kept", left, len(joined), requests)
	}
	if unshown > most {
		t.Errorf("%d arrivals shown to no program, at most %d may be hidden", unshown, most)
	}
	// Of a request whose arrival was not seen, its reading is not seen either.
	if incomplete > notes["missed_runs"] {
		t.Errorf("%d exchanges lack a time, the kernel missed %d runs", incomplete, notes["missed_runs"])
	}
}

// A connection that is older than the trace is followed from its next request
// on; who serves, the ports tell. Its last exchange is told although nothing
// ends it.
func TestExchangesOfAnOldConnection(t *testing.T) {
	const requests = 100
	p := sharedPair(t)
	conn, err := net.Dial("tcp", p.at)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ask(t, conn, 5)
	time.Sleep(quiet)
	tr := beginSockets(t, probe.Config{})
	ask(t, conn, requests)
	tr.end()
	joined := join(t,
		tr.of(netnsInode(t, lab.HostNetns), bpf.HopscopeHsRoleHS_ROLE_CLIENT, 8000),
		tr.of(netnsInode(t, p.web.Netns), bpf.HopscopeHsRoleHS_ROLE_SERVER, 8000))
	if len(joined) != requests {
		t.Errorf("%d exchanges of %d requests", len(joined), requests)
	}
	for _, x := range joined {
		x.wantOrder(t)
		midway := uint8(bpf.HopscopeHsEventFlagHS_EF_MIDWAY)
		if x.client.Flags != midway || x.server.Flags != midway {
			t.Fatalf("flags %#x and %#x", x.client.Flags, x.server.Flags)
		}
	}
}

// ask makes requests of 64 bytes for 64 bytes, one after the other, as the
// traffic program does.
func ask(t *testing.T, conn net.Conn, n int) {
	t.Helper()
	message := make([]byte, 64)
	for range n {
		clear(message)
		message[0] = 'r'
		binary.BigEndian.PutUint32(message[4:], 64)
		binary.BigEndian.PutUint32(message[8:], 64)
		if _, err := conn.Write(message); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(conn, message); err != nil {
			t.Fatal(err)
		}
	}
}

// Connections that last one request each, and end by themselves.
func TestExchangesOfShortConnections(t *testing.T) {
	const connections = 200
	p := sharedPair(t)
	tr := beginSockets(t, probe.Config{})
	wantOK(t, p.client.Run("short", "--count", "200", p.at), connections)
	tr.end()
	joined := tr.between(p.client, p.web)
	if len(joined) != connections {
		t.Errorf("%d exchanges on %d connections", len(joined), connections)
	}
	tr.wantAccepts(t, p.web, 8000, connections)
	for _, x := range joined {
		closed := bpf.HopscopeHsEventFlagHS_EF_CLOSED | bpf.HopscopeHsEventFlagHS_EF_FIRST
		if !has(&x.client, closed) || !has(&x.server, closed) || x.client.AnswerBytes != 0 || x.client.RequestBytes != 1 || x.server.RequestBytes != 1 {
			t.Fatalf("one byte and a close: %+v", x)
		}
	}
}
