//go:build matrix

package guest

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hopscope/hopscope/bpf"
	"github.com/hopscope/hopscope/pkg/dns"
	"github.com/hopscope/hopscope/pkg/journey"
	"github.com/hopscope/hopscope/pkg/probe"
)

func itoa(n int) string { return strconv.Itoa(n) }

// recorder is the one probe of a guest: opening it costs seconds here, so that
// all tests of the truth share it, one after the other.
type recorder struct {
	probe  *probe.Probe
	cancel context.CancelFunc
	done   chan error

	mu        sync.Mutex
	journeys  []journey.Journey
	exchanges []bpf.HopscopeHsExchange
	connects  []bpf.HopscopeHsConnect
	accepts   []bpf.HopscopeHsConnect
	broken    error // the first record that could not be decoded
	pairer    *dns.Pairer
	lookups   []dns.Lookup
}

func newRecorder(t *testing.T) *recorder {
	t.Helper()
	start := time.Now()
	// Tables that fit the traffic: an emulator takes its time to make larger ones.
	cfg := probe.Config{RingBytes: 4 << 20, Slots: 2048, Sockets: 2048}
	p, err := probe.Open(cfg)
	if err != nil {
		t.Fatalf("open: %+v\neach program alone: %+v", err, probe.Refusals(cfg))
	}
	t.Logf("opened in %.1fs", time.Since(start).Seconds())
	ctx, cancel := context.WithCancel(context.Background())
	r := &recorder{probe: p, cancel: cancel, done: make(chan error, 1)}
	r.pairer = dns.NewPairer(func(l dns.Lookup) { r.lookups = append(r.lookups, l) })
	go func() {
		r.done <- p.Read(ctx, time.Second, probe.Records{Journey: r.record, Event: r.event, DNS: r.message})
	}()
	t.Cleanup(func() { r.close(t) })
	return r
}

func (r *recorder) record(raw []byte) {
	var j journey.Journey
	err := journey.Decode(raw, &j)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil && r.broken == nil {
		r.broken = err
	}
	r.journeys = append(r.journeys, j)
}

func (r *recorder) message(m *dns.Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pairer.Take(m)
}

// asked ends the queries that wait, and gives all since the call before.
func (r *recorder) asked() []dns.Lookup {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pairer.End()
	out := r.lookups
	r.lookups = nil
	return out
}

func (r *recorder) close(t *testing.T) {
	start := time.Now()
	r.cancel()
	if err := <-r.done; err != nil {
		t.Errorf("read: %v", err)
	}
	if err := r.probe.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	t.Logf("closed in %.1fs", time.Since(start).Seconds())
}

func (r *recorder) soFar() []journey.Journey {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.journeys[:len(r.journeys):len(r.journeys)]
}

func (r *recorder) counts(t *testing.T) probe.Counts {
	t.Helper()
	c, err := r.probe.Counts()
	must(t, err, "read the accounting")
	return c
}

// How long a load's last packet may be apart from the one before.
const (
	atOnce     = 50 * time.Millisecond  // datagrams: what is under way is counted
	delayedACK = 250 * time.Millisecond // TCP's may take 200 ms (TCP_DELACK_MAX)
	lostTwice  = 600 * time.Millisecond // a FIN's third copy comes 400 ms after the second one (TCP_RTO_MIN)
)

// settle waits until no packet is under way, all records are read, and nothing
// came for as long as quiet says; what the sweeper ends takes up to 500 ms. It
// gives the records and the accounting of one moment: a packet of the kernel's
// own, such as neighbour discovery, may come at any time.
func (r *recorder) settle(t *testing.T, quiet time.Duration) ([]journey.Journey, probe.Counts) {
	t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	c, since := r.counts(t), time.Now()
	for {
		time.Sleep(atOnce)
		before, read := c, r.soFar()
		if c = r.counts(t); c.Tracked != before.Tracked {
			since = time.Now()
		}
		calm := c.InFlight == 0 && time.Since(since) >= quiet && uint64(len(read)) == c.Emitted
		if calm || time.Now().After(deadline) {
			return read, c
		}
	}
}

// window is what one load brought about.
type window struct {
	journeys []journey.Journey
	endings  map[string]uint64
	lost     map[string]uint64
	notes    map[string]uint64
	tracked  uint64
}

// during records while f makes its traffic and until it is quiet, and holds the
// accounting to it exactly.
func (r *recorder) during(t *testing.T, quiet time.Duration, f func()) window {
	t.Helper()
	before, from := r.counts(t), len(r.soFar())
	f()
	journeys, after := r.settle(t, quiet)
	wantExact(t, after)
	if r.broken != nil {
		t.Errorf("decode: %v", r.broken)
	}
	if uint64(len(journeys)) != after.Emitted {
		t.Errorf("%d records read, %d emitted", len(journeys), after.Emitted)
	}
	return window{
		journeys: journeys[from:],
		endings:  less(after.Endings, before.Endings),
		lost:     less(after.Lost, before.Lost),
		notes:    less(after.Notes, before.Notes),
		tracked:  after.Tracked - before.Tracked,
	}
}

func wantExact(t *testing.T, c probe.Counts) {
	t.Helper()
	if c.Tracked != c.Completed()+c.InFlight+c.LostTotal() {
		t.Errorf("tracked %d != completed %d + in flight %d + lost %v", c.Tracked, c.Completed(), c.InFlight, c.Lost)
	}
	if c.Completed() != c.Emitted+c.Suppressed+c.Filtered {
		t.Errorf("completed %d != emitted %d + suppressed %d + filtered %d", c.Completed(), c.Emitted, c.Suppressed, c.Filtered)
	}
}

// less subtracts, and leaves zeroes out.
func less(after, before map[string]uint64) map[string]uint64 {
	out := map[string]uint64{}
	for name, n := range after {
		if n != before[name] {
			out[name] = n - before[name]
		}
	}
	return out
}

// pick gives the journeys that fit.
func (w window) pick(fits ...func(*journey.Journey) bool) []journey.Journey {
	var out []journey.Journey
next:
	for i := range w.journeys {
		for _, fit := range fits {
			if !fit(&w.journeys[i]) {
				continue next
			}
		}
		out = append(out, w.journeys[i])
	}
	return out
}

// bornAt fits journeys that began at a device; the parts of a packet that was
// split do not count.
func bornAt(p journey.Place) func(*journey.Journey) bool {
	return func(j *journey.Journey) bool {
		return j.Flags&journey.FlagInherited == 0 && j.Stops[0].Netns == p.Netns && j.Stops[0].Ifindex == p.Ifindex
	}
}

func ended(e journey.Ending) func(*journey.Journey) bool {
	return func(j *journey.Journey) bool { return j.Ending == e }
}

func ofProto(proto uint8) func(*journey.Journey) bool {
	return func(j *journey.Journey) bool { return j.Proto == proto }
}

// ipv4 leaves out what IPv6 neighbours ask each other at times.
func ipv4(j *journey.Journey) bool { return j.Family == 4 }

// way writes a journey's hops: "qdisc @ a/eth0 → xmit @ a/eth0 → …".
func (w *world) way(j *journey.Journey) string {
	var parts []string
	for _, hop := range j.Hops(nil) {
		name, ok := w.names[hop.Place]
		if !ok {
			name = "?" + itoa(int(hop.Netns)) + "/" + itoa(int(hop.Ifindex))
		}
		parts = append(parts, hop.Kind.String()+" @ "+name)
	}
	return strings.Join(parts, arrow)
}

// ways counts the different ones, the most frequent first.
func (w *world) ways(journeys []journey.Journey) (ways []string, share float64) {
	counts := map[string]int{}
	for i := range journeys {
		counts[w.way(&journeys[i])]++
	}
	for way := range counts {
		ways = append(ways, way)
	}
	slices.SortFunc(ways, func(x, y string) int {
		if c := counts[y] - counts[x]; c != 0 {
			return c
		}
		return strings.Compare(x, y)
	})
	if len(ways) == 0 {
		return nil, 0
	}
	return ways, float64(counts[ways[0]]) / float64(len(journeys))
}
