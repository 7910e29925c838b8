package truth

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/internal/lab/outcome"
	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/journey"
	"github.com/hopscope/hopscope/pkg/model"
	"github.com/hopscope/hopscope/pkg/pipeline"
)

// topology is a set of containers and hosts outside, with flows between them.
type topology struct {
	client interface {
		Run(args ...string) outcome.Result
	}
	legs  []leg // devices at which packets begin
	flows []flow
	slow  device // where a delay is put, on the way of the first flow's requests
}

// leg is a device of a container or a host outside.
type leg struct {
	owner string
	netns string
	link  lab.Link
}

// device is one that a qdisc can be put on, and its name in a hop.
type device struct{ netns, name, where string }

// flow is what one client asks of one server, and how it must be told.
type flow struct {
	at         string // address that the client is told; "" where another server asks
	ipv6       bool
	from, to   inventory.Endpoint // kind and name of client and server
	network    string
	nat        string
	published  int // 0: none
	tcpOnly    bool
	there      func(bridgeNF bool) []string // hops of a request, as "hop @ where"
	back       func(bridgeNF bool) []string // and of a response
	serverPort uint16
}

func TestTopologies(t *testing.T) {
	for _, row := range []struct {
		name string
		make func(*testing.T) *topology
	}{
		{"user-defined bridge", userBridge},
		{"docker0", defaultBridge},
		{"container on two networks", twoNetworks},
		{"outside to published port", published},
		{"container to outside", masquerade},
	} {
		t.Run(row.name, func(t *testing.T) {
			lab.Lock(t)
			top := row.make(t)
			top.warmUp(t)
			for _, on := range []bool{true, false} {
				t.Run(map[bool]string{true: "bridge netfilter", false: "no bridge netfilter"}[on], func(t *testing.T) {
					lab.BridgeNF(t, on)
					top.check(t, on)
				})
			}
			t.Run("delay", top.delayed)
		})
	}
}

func (top *topology) warmUp(t *testing.T) {
	t.Helper()
	for _, f := range top.flows {
		if f.at != "" {
			wantOK(t, top.client.Run("rr", "--count", "5", f.at), 5)
			wantOK(t, top.client.Run("udp", "--count", "5", f.at), 5)
		}
	}
	time.Sleep(quiet)
}

// check traces one run of all flows.
func (top *topology) check(t *testing.T, bridgeNF bool) {
	tr := begin(t, pipeline.Options{})
	counters := make([]*lab.PacketCounter, len(top.legs))
	for i, l := range top.legs {
		counters[i] = lab.AFPacketCount(t, l.netns, l.link.Name)
	}
	for _, f := range top.flows {
		if f.at != "" {
			wantOK(t, top.client.Run("rr", "--count", "500", f.at), 500)
			wantOK(t, top.client.Run("short", "--count", "100", f.at), 100)
			wantOK(t, top.client.Run("udp", "--count", "500", f.at), 500)
		}
	}
	tr.Settle()
	sent := make([]lab.Count, len(counters))
	for i, c := range counters {
		sent[i] = c.Stop()
	}
	r := tr.end()
	r.wantSound(t)
	if ended := share(r.Counts.Completed(), r.Counts.Tracked); ended < 0.999 {
		t.Errorf("%.4f of %d journeys have an ending: %v", ended, r.Counts.Tracked, r.Counts.Endings)
	}
	for i, l := range top.legs {
		wantBirths(t, r, l, sent[i])
	}
	for _, f := range top.flows {
		f.check(t, r, bridgeNF)
	}
}

func (f flow) check(t *testing.T, r result, bridgeNF bool) {
	t.Helper()
	for _, proto := range []uint8{journey.ProtoTCP, journey.ProtoUDP} {
		if proto == journey.ProtoUDP && f.tcpOnly {
			continue
		}
		there := f.pathOf(r, proto, "request")
		back := f.pathOf(r, proto, "response")
		if there == nil || back == nil {
			t.Errorf("%s %s -> %s: no path there or back in %s", journey.ProtoName(proto), f.from.Name, f.to.Name, describe(r.Snapshot.Paths))
			continue
		}
		f.checkPath(t, r, *there, proto, f.there(bridgeNF))
		f.checkPath(t, r, *back, proto, f.back(bridgeNF))
	}
}

// pathOf finds the row of one direction.
func (f flow) pathOf(r result, proto uint8, direction string) *model.Path {
	from, to := f.from, f.to
	if direction == "response" {
		from, to = to, from
	}
	i := slices.IndexFunc(r.Snapshot.Paths, func(p model.Path) bool {
		return p.From.Name == from.Name && p.To.Name == to.Name && p.Proto == journey.ProtoName(proto) && p.Direction == direction
	})
	if i < 0 {
		return nil
	}
	p := &r.Snapshot.Paths[i]
	if p.From.Kind != string(from.Kind) || p.To.Kind != string(to.Kind) {
		return nil
	}
	return p
}

func (f flow) checkPath(t *testing.T, r result, p model.Path, proto uint8, hops []string) {
	t.Helper()
	what := p.Proto + " " + p.Direction + " " + p.From.Name + " -> " + p.To.Name
	published := 0
	if p.PublishedPort != nil {
		published = *p.PublishedPort
	}
	if p.NAT != f.nat || p.Port != f.serverPort || published != f.published || p.Network != f.network {
		t.Errorf("%s: NAT %q, port %d, published %d, network %q; want %q, %d, %d, %q",
			what, p.NAT, p.Port, published, p.Network, f.nat, f.serverPort, f.published, f.network)
	}
	sum := 0.0
	for _, h := range p.Hops {
		sum += h.Share
		if name := h.Hop + " @ " + h.Where; !slices.Contains(hops, name) && h.Hop != "sock_lock" {
			t.Errorf("%s: unexpected %s", what, name)
		}
	}
	if math.Abs(sum-1) > 1e-6 {
		t.Errorf("%s: shares sum to %f", what, sum)
	}
	f.checkJourneys(t, r, p, proto, hops, what)
}

// checkJourneys compares the hops of every single packet, in order. Those that
// reach an established TCP socket have one more.
func (f flow) checkJourneys(t *testing.T, r result, p model.Path, proto uint8, hops []string, what string) {
	t.Helper()
	locked := append(slices.Clone(hops), "sock_lock @ "+hops[len(hops)-1][len("stack_rx @ "):])
	var all, withLock, gaps uint64
	for i := range r.Journeys {
		j := &r.Journeys[i]
		from, to := r.ends(j)
		if j.Proto != proto || (j.Family == 6) != f.ipv6 || from.Name != p.From.Name || to.Name != p.To.Name {
			continue
		}
		all++
		got := r.hopsOf(j)
		switch {
		case slices.Equal(got, hops):
		case proto == journey.ProtoTCP && slices.Equal(got, locked):
			withLock++
		case slices.ContainsFunc(got, isGap):
			gaps++
		default:
			t.Fatalf("%s: a packet met\n%q, want\n%q", what, got, hops)
		}
	}
	if all < 500 || gaps > all/1000+1 {
		t.Errorf("%s: %d journeys, %d with a gap", what, all, gaps)
	}
	if proto == journey.ProtoTCP && withLock < 490 {
		t.Errorf("%s: only %d of %d journeys reached an established socket", what, withLock, all)
	}
}

// hopsOf names the hops of one journey as the summary does.
func (r result) hopsOf(j *journey.Journey) []string {
	var names []string
	for _, h := range j.Hops(nil) {
		where, _ := r.View.Where(h.Netns, h.Ifindex)
		if n, ok := r.View.Network(h.Netns, h.Ifindex); ok && h.Kind == journey.HopBridge {
			where = n.Where() // no stop names the bridge itself
		}
		names = append(names, h.Kind.String()+" @ "+where)
	}
	return names
}

func describe(paths []model.Path) (out []string) {
	for _, p := range paths {
		out = append(out, p.Proto+" "+p.Direction+": "+p.From.Kind+" "+p.From.Name+" -> "+p.To.Kind+" "+p.To.Name)
	}
	return out
}
