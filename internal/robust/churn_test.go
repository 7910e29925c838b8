package robust

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/internal/lab/program"
)

// Containers come and go while they are traced. Half of them live for a second,
// half for some 50 ms; each makes 10 requests, and is removed as soon as it has
// ended. Namespaces and addresses are used again at once: yet each must have its
// name and its own packets, no more and no less. The long version
// (HOPSCOPE_LONG=1) makes 500.
//
// The engine makes three a second here, whose preparation and removal keep two
// cores busy.
func (p *pair) churnOfTheEngine(t *testing.T) {
	p.churn(t, churned(24), func(n int) (mortals, float64) { return p.comeAndGo(t, n) })
}

// The same at 20 a second, of containers that no engine made: the first 12
// digits of their ids are their names.
func (p *pair) churnWithoutEngine(t *testing.T) {
	p.churn(t, churned(60), func(n int) (mortals, float64) { return p.comeAndGoBare(t, n) })
}

// churned is how many containers come and go, a few in the short version.
func churned(few int) int {
	if os.Getenv("HOPSCOPE_LONG") == "1" {
		return 500
	}
	return few
}

// churn traces n containers that come and go, and compares what it names, and
// all that it counts at the server, with what the server's own kernel counts.
func (p *pair) churn(t *testing.T, n int, comeAndGo func(n int) (mortals, float64)) {
	t.Helper()
	s := program.Start(t, "trace", "--no-save", "--format", "json", "--sample", "1", "-v")
	s.Says(t, "procfs:")
	in, out := p.segments(t)
	stop := p.keepAsking(t)
	ids, rate := comeAndGo(n)
	t.Logf("%d containers, %.1f a second", n, rate)
	stop()
	received, sent := p.settledSegments(t)
	if kb := s.RSS(t); kb > 300<<10 {
		t.Errorf("the program takes %d kB", kb)
	}
	sum := summaryOf(t, s)
	sum.wantSegments(t, p.web.ID, received-in, sent-out)
	ids.wantTheirOwn(t, p.web.ID, sum)
}

// segments are what the server's kernel received and sent so far. OutSegs leaves
// out what is sent again (RFC 4022; __tcp_transmit_skb), which is a packet as well.
func (p *pair) segments(t *testing.T) (in, out uint64) {
	t.Helper()
	count := func(name string) uint64 { return lab.ProtocolCount(t, p.web.PID, "snmp", "Tcp", name) }
	return count("InSegs"), count("OutSegs") + count("RetransSegs")
}

// settledSegments are those when nothing has come for longer than any
// acknowledgement is delayed (200 ms, TCP_DELACK_MAX): the trace goes on meanwhile.
func (p *pair) settledSegments(t *testing.T) (in, out uint64) {
	t.Helper()
	in, out = p.segments(t)
	since := time.Now()
	lab.Eventually(t, "the server is silent", func() bool {
		i, o := p.segments(t)
		if i != in || o != out {
			in, out, since = i, o, time.Now()
		}
		return time.Since(since) > 400*time.Millisecond
	})
	return in, out
}

// wantSegments wants each segment of the server to be in one path, whoever it
// is to or from: what has no name is counted as well. The few that the kernel
// frees unread, such as a duplicate, have counts of their own.
func (s summary) wantSegments(t *testing.T, id string, in, out uint64) {
	t.Helper()
	var received, sent uint64
	for _, path := range s.Paths {
		if path.Proto != "tcp" {
			continue
		}
		if path.To.ContainerID == id {
			received += path.Journeys
		}
		if path.From.ContainerID == id {
			sent += path.Journeys
		}
	}
	var freed uint64
	for _, why := range []string{"freed_unread", "freed_duplicate", "freed_noise"} {
		freed += s.Accounting.Notes[why]
	}
	for _, d := range s.Drops {
		freed += d.Count
	}
	if received > in || received+freed < in || sent > out || sent+freed < out {
		t.Errorf("the server's paths have %d packets in and %d out, %d were freed; its kernel counted %d and %d (%+v)",
			received, sent, freed, in, out, s.Accounting)
	}
}

// keepAsking makes requests between containers that stay, until it is stopped:
// not one of them may fail.
func (p *pair) keepAsking(t *testing.T) (stop func()) {
	t.Helper()
	over, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-over:
				return
			default:
				wantOK(t, p.client.Run("rr", "--count", "100", "--rate", "200", p.at), 100)
			}
		}
	}()
	return func() { close(over); <-done }
}

// mortals are the names of containers by their ids.
type mortals map[string]string

// wantTheirOwn looks for each container among the ends of the paths. One that
// made 10 requests over one connection gets a SYN-ACK, 10 answers, what ends the
// connection, and an acknowledgement or two. One of a hundred may be gone before
// anybody looked: then its packets are nobody's, and not another's.
func (m mortals) wantTheirOwn(t *testing.T, server string, sum summary) {
	t.Helper()
	const least, most = 11, 20
	got := make(map[string]uint64)
	var unnamed uint64
	for _, path := range sum.Paths {
		got[path.To.ContainerID] += path.Journeys
		for _, end := range []pathEnd{path.From, path.To} {
			if name, ours := m[end.ContainerID]; ours && name != end.Name {
				t.Errorf("%s is called %q", name, end.Name)
			}
		}
		if path.From.ContainerID == server && path.To.ContainerID == "" && path.To.Kind != "host" {
			unnamed += path.Journeys
		}
	}
	var missed uint64
	for id, name := range m {
		switch n := got[id]; {
		case n == 0:
			missed++
		case n < least || n > most:
			t.Errorf("%s got %d packets, want %d to %d", name, n, least, most)
		}
	}
	t.Logf("%d of %d containers have their name; %d packets are nobody's", len(m)-int(missed), len(m), unnamed)
	if missed > uint64(len(m))/100 || unnamed < missed*least || unnamed > missed*most {
		t.Errorf("%d containers are not seen, %d packets are nobody's", missed, unnamed)
	}
}

// comeAndGo makes n containers that each make 10 requests and end, eight at a
// time, and removes each as soon as it has ended. It gives the names by id.
func (p *pair) comeAndGo(t *testing.T, n int) (ids mortals, rate float64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	ids = make(mortals)
	var mu sync.Mutex
	var wg sync.WaitGroup
	next := make(chan int)
	begun := time.Now()
	for range 8 {
		wg.Go(func() {
			for i := range next {
				name := p.shop.Name(fmt.Sprintf("churn-%d", i))
				id, err := p.shop.Mortal(ctx, name, p.net, "rr", "--count", "10", "--rate", []string{"10", "200"}[i%2], p.at)
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
				mu.Lock()
				ids[id] = name
				mu.Unlock()
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
	return ids, float64(n) / time.Since(begun).Seconds()
}

// comeAndGoBare starts 20 containers a second, 32 at a time at most.
func (p *pair) comeAndGoBare(t *testing.T, n int) (ids mortals, rate float64) {
	t.Helper()
	bare := p.net.Bare(t)
	free := make(chan netip.Prefix, 32)
	web := p.web.IP(p.net).As4()
	for i := range cap(free) {
		free <- netip.PrefixFrom(netip.AddrFrom4([4]byte{web[0], web[1], web[2], byte(100 + i)}), 24)
	}
	ids = make(mortals)
	var mu sync.Mutex
	var wg sync.WaitGroup
	tick := time.NewTicker(time.Second / 20)
	defer tick.Stop()
	begun := time.Now()
	for i := range n {
		<-tick.C
		at := <-free
		wg.Go(func() {
			id, r, err := bare.Mortal(at, "rr", "--count", "10", "--rate", []string{"100", "400"}[i%2], p.at)
			free <- at
			if err != nil {
				t.Errorf("%.12s: %v", id, err)
			}
			wantOK(t, r, 10)
			mu.Lock()
			defer mu.Unlock()
			ids[id] = id[:12]
		})
	}
	wg.Wait()
	return ids, float64(n) / time.Since(begun).Seconds()
}
