package model

import (
	"net/netip"
	"time"

	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/journey"
)

// Limits bound the aggregator's memory. What is beyond a limit is counted
// under "(other)" and told in the snapshot's notes. A zero field means its
// default.
type Limits struct {
	Paths     int // raw paths, default 8,192; a few samples take about 4 kB each
	Busy      int // raw paths of more samples, default 1,024; 15 hops over three decades take about 75 kB each
	Hops      int // hops of one raw path, default 48
	Drops     int // groups of drops, default 4,096
	Endpoints int // local ends with counters, default 4,096
	Counters  int // of the kernel's own, default 16,384
	Slowest   int // slowest journeys kept, default 20
	Exchanges int // raw pairs of ends with exchanges, default 1,024
}

func (l Limits) withDefaults() Limits {
	for _, f := range []struct {
		n   *int
		def int
	}{{&l.Paths, 8192}, {&l.Busy, 1024}, {&l.Hops, 48}, {&l.Drops, 4096}, {&l.Endpoints, 4096}, {&l.Counters, 16384}, {&l.Slowest, 20}, {&l.Exchanges, 1024}} {
		if *f.n <= 0 {
			*f.n = f.def
		}
	}
	return l
}

// Aggregator adds journeys up. It belongs to one goroutine, Snapshot included;
// the snapshots that it gives belong to anyone.
//
// Delivered, left and consumed journeys make a path's latency. Dropped packets
// have a list of their own, see AddDrops. Segmented, merged and rebuilt ones went on as
// another packet which carries their stops, so that they count only as traffic
// of the containers.
type Aggregator struct {
	limits     Limits
	maps       mappings
	servers    *servers
	gates      *gates  // of the whole trace
	behind     *behind // of those that were passed since the begin of this aggregator
	connectors connectors
	paths      map[rawKey]*rawPath
	busy       int // of the paths, those with more than a few samples
	traffic    map[inventory.RawEndpoint]*traffic
	drops      map[dropKey]dropSum
	tcp        map[tcpKey]*tcpStats
	lost       *lostSegments
	lostAt     map[lostKey]uint64
	cpus       map[cpuKey]cpuSum
	dns        map[dnsKey]*dnsStats
	counters   counters
	slow       slowest
	notes      notes
	sockets    bool // socket events were added: what they did not show is 0, not unknown
	exchanges  map[exchangeKey]*exchangeStats
	once       []journey.Hop // scratch of addPath
	index      []int         // scratch of mergePath
}

// notes counts what a reader has to know beside the numbers themselves.
type notes struct {
	otherPaths     uint64 // journeys in paths beyond the limit
	otherHops      uint64 // hops beyond the limit of their path
	otherDrops     uint64 // dropped packets in groups beyond the limit
	otherEndpoints uint64 // packets of endpoints beyond the limit
	otherTCP       uint64 // retransmissions, connects and resets of TCP sides beyond the limit
	otherCounters  uint64 // readings of kernel counters beyond the limit
	otherExchanges uint64 // exchanges of ends beyond the limit
	otherDNS       uint64 // DNS queries of askers beyond the limit
	hopMismatch    uint64 // journeys whose hops do not sum to their total
	negative       uint64 // journeys left out: a hop of less than 0 ns
	unusable       uint64 // journeys left out: no stop or no ending
}

// New makes an empty aggregator.
func New(l Limits) *Aggregator {
	l = l.withDefaults()
	return &Aggregator{
		limits:     l,
		maps:       mappings{fine: newMapping(RelativeAccuracy), coarse: newMapping(tailAccuracy)},
		servers:    newServers(),
		gates:      newGates(),
		behind:     newBehind(),
		connectors: connectors{},
		paths:      map[rawKey]*rawPath{},
		traffic:    map[inventory.RawEndpoint]*traffic{},
		drops:      map[dropKey]dropSum{},
		tcp:        map[tcpKey]*tcpStats{},
		lost:       newLostSegments(),
		lostAt:     map[lostKey]uint64{},
		cpus:       map[cpuKey]cpuSum{},
		dns:        map[dnsKey]*dnsStats{},
		counters:   counters{},
		slow:       slowest{limit: l.Slowest},
		exchanges:  map[exchangeKey]*exchangeStats{},
	}
}

// LearnServer tells that a local address and port accept connections or
// requests, for flows that are older than the capture. It is a hint: what the
// handshakes show needs no telling.
func (a *Aggregator) LearnServer(proto uint8, addr netip.AddrPort) {
	a.servers.learn(proto, addr)
}

// Add counts a journey with its hops. Both may be reused by the caller.
func (a *Aggregator) Add(j *journey.Journey, hops []journey.Hop) {
	if len(j.Stops) == 0 || j.Ending == journey.EndingNone {
		a.notes.unusable++
		return
	}
	total, ok := sumHops(hops)
	if !ok {
		a.notes.negative++
		return
	}
	if total != j.Total() {
		a.notes.hopMismatch++
	}
	weight := uint64(max(j.Weight, 1))
	k := keyOf(j, a.servers.response(j))
	a.pass(&k.src, gateOut(j.Stops, k.src.Netns))
	a.pass(&k.dst, gateIn(j.Stops, k.dst.Netns))
	a.addTraffic(j, k, weight)
	a.addTCP(j, k, weight)
	a.addBacklog(j, &k, hops, weight)
	switch j.Ending {
	case journey.EndingDelivered, journey.EndingLeft, journey.EndingConsumed:
		a.addPath(j, k, hops, int64(total), weight)
	}
}

func (a *Aggregator) addPath(j *journey.Journey, k rawKey, hops []journey.Hop, total int64, weight uint64) {
	a.slow.offer(j.Start, k, hops, total)
	a.once = coalesce(a.once[:0], hops)
	p := a.path(k, 1, weight, len(a.once))
	a.notes.otherHops += p.add(a.once, total, weight, uint64(j.Bytes), a.limits.Hops, a.maps)
}

// fewSamples is what the paths of a container that lives for a second have.
const fewSamples = 16

// path is where more samples of a raw path go: beyond a limit, to the path that
// stands for all others. weight is how many packets they stand for; a new path
// gets room for so many hops.
func (a *Aggregator) path(k rawKey, samples, weight uint64, hops int) *rawPath {
	p := a.paths[k]
	becomesBusy := p == nil && samples > fewSamples || p != nil && !p.busy && p.total.samples+samples > fewSamples
	if !k.other && (p == nil && len(a.paths) >= a.limits.Paths || becomesBusy && a.busy >= a.limits.Busy) {
		a.notes.otherPaths += weight
		k = rawKey{proto: k.proto, response: k.response, other: true}
		p, becomesBusy = a.paths[k], false
	}
	if p == nil {
		p = newRawPath(a.maps, min(hops, a.limits.Hops))
		a.paths[k] = p
	}
	if becomesBusy && !k.other {
		p.busy = true
		a.busy++
	}
	return p
}

// coalesce adds the parts of a hop together that a journey meets more than once
// at the same place, as the bridge between its netfilter hooks: a sample of a
// hop is what one packet spent there in all, so that means add up.
func coalesce(dst, hops []journey.Hop) []journey.Hop {
next:
	for i := range hops {
		for k := range dst {
			if dst[k].Kind == hops[i].Kind && dst[k].Place == hops[i].Place {
				dst[k].Duration += hops[i].Duration
				continue next
			}
		}
		dst = append(dst, hops[i])
	}
	return dst
}

// sumHops is the journey's time as its hops have it; false if one is negative.
func sumHops(hops []journey.Hop) (time.Duration, bool) {
	var sum time.Duration
	for i := range hops {
		if hops[i].Duration < 0 {
			return 0, false
		}
		sum += hops[i].Duration
	}
	return sum, true
}
