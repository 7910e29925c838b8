package truth

import (
	"os"
	"slices"
	"testing"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/pkg/journey"
	"github.com/hopscope/hopscope/pkg/pipeline"
)

// clockSlack is the error of comparing the clock of socket timestamps with
// that of BPF, in ns.
const clockSlack = 1000

// manyJourneys is how many the long version (HOPSCOPE_LONG=1) compares.
const manyJourneys = 1_000_000

// Datagrams of one size, bulk, short connections and pure ACKs share a handful
// of skb addresses. Each journey's first stops must enclose the moment at which
// its packet left the sender, and its last the moment at which the same packet
// (by serial number, or by TCP's numbers) reached the receiver.
func TestNoPacketIsJoinedToAnother(t *testing.T) {
	p := sharedPair(t)
	least := uint64(0)
	if os.Getenv("HOPSCOPE_LONG") == "1" {
		least = manyJourneys / 2
	}
	for _, kind := range []struct{ name, at string }{{"IPv4", p.at}, {"IPv6", p.at6}} {
		t.Run(kind.name, func(t *testing.T) {
			var all matches
			for rounds := 0; (rounds == 0 || all.matched < least) && !t.Failed(); rounds++ {
				there, back := p.matchRound(t, kind.at)
				all.count(there)
				all.count(back)
			}
			t.Logf("%d packets, %d journeys compared, %d of them with stops missing", all.sent, all.matched, all.incomplete)
			if got := share(all.matched, all.sent); got < 0.999 || got > 1.001 {
				t.Errorf("%d journeys matched with %d packets", all.matched, all.sent)
			}
			if got := share(all.incomplete, all.matched); got > 0.001 {
				t.Errorf("of %d journeys %d have stops missing", all.matched, all.incomplete)
			}
		})
	}
}

// matchRound compares the journeys of some seconds, both ways.
func (p *pair) matchRound(t *testing.T, at string) (requests, responses matches) {
	t.Helper()
	client, web := newTap(t, p.client.Netns, "eth0"), newTap(t, p.web.Netns, "eth0")
	defer client.close()
	defer web.close()
	tr := begin(t, pipeline.Options{})
	loads := []*lab.Load{
		p.client.Start("udp", "--count", "8000", at),
		p.client.Start("udp", "--count", "4000", "--rate", "2000", at),
		p.client.Start("rr", "--count", "5000", at),
		p.client.Start("short", "--count", "500", at),
		p.client.Start("bulk", "--bytes", "200000000", at),
	}
	for _, l := range loads {
		// A socket that is read too late loses datagrams: after the last stop.
		if r := l.Wait(); r.Errors != 0 {
			t.Logf("%s: %d errors (%s)", r.Mode, r.Errors, r.FirstError)
		}
	}
	r := tr.end()
	r.WantExact(t)
	r.WantNothingLost(t)
	from, to := client.end(), web.end()
	requests = matchJourneys(t, r, netnsInode(t, p.client.Netns), from, to)
	responses = matchJourneys(t, r, netnsInode(t, p.web.Netns), to, from)
	requests.want(t, "client to web")
	responses.want(t, "web to client")
	if responses.acks < 1000 {
		t.Errorf("only %d pure ACKs", responses.acks)
	}
	return requests, responses
}

// matches is what comparing journeys with recordings gave.
type matches struct {
	sent, journeys uint64 // packets recorded at the sender, journeys that began there
	matched        uint64
	incomplete     uint64 // of matched, those that lack a stop; they are compared as a whole
	wrong          []journey.Journey
	acks           uint64  // of matched, TCP without payload
	several        uint64  // more than one packet came into question at one end
	atSender       []int64 // from the timestamp to net_dev_start_xmit, ns
	atReceiver     []int64 // from netif_receive_skb to the timestamp, ns
	totals         []int64
}

func (m *matches) count(o matches) {
	m.sent += o.sent
	m.matched += o.matched
	m.incomplete += o.incomplete
}

func matchJourneys(t *testing.T, r result, netns uint32, sender, receiver []seen) matches {
	t.Helper()
	sent, received := oneWay(sender, true), oneWay(receiver, false)
	m := matches{sent: uint64(len(sent))}
	for _, j := range r.Journeys {
		if j.Stops[0].Netns != netns || (j.Proto != journey.ProtoTCP && j.Proto != journey.ProtoUDP) {
			continue
		}
		m.journeys++
		m.match(&j, sent, received)
	}
	return m
}

// oneWay sorts what left, or what came in.
func oneWay(all []seen, out bool) []seen {
	var some []seen
	for _, s := range all {
		if s.out == out {
			some = append(some, s)
		}
	}
	slices.SortStableFunc(some, func(a, b seen) int { return int(int64(a.at - b.at)) })
	return some
}

// match finds the packet that left between the journey's first two stops, and
// the one that came in around its last netif_receive_skb.
func (m *matches) match(j *journey.Journey, sent, received []seen) {
	at := func(i int) uint64 { return j.Start + uint64(j.Stops[i].At) }
	first, last := 1, lastStop(j, journey.PointReceive)
	begin, end := last-1, last+1
	complete := !slices.ContainsFunc(j.Hops(nil), func(h journey.Hop) bool { return h.Kind == journey.HopUnknown }) &&
		last > 1 && end < len(j.Stops) && j.Stops[first].Point == journey.PointXmit
	if !complete {
		first, last, begin, end = len(j.Stops)-1, len(j.Stops)-1, 0, len(j.Stops)-1
	}
	left := between(sent, at(0), at(first), j)
	came := between(received, at(begin), at(end), j)
	if len(left) > 1 || len(came) > 1 {
		m.several++
	}
	for _, l := range left {
		for _, c := range came {
			if l.samePacket(c) {
				m.matched++
				if !complete {
					m.incomplete++
					return
				}
				if j.Proto == journey.ProtoTCP && l.length == 0 {
					m.acks++
				}
				m.atSender = append(m.atSender, int64(at(1)-l.at))
				m.atReceiver = append(m.atReceiver, int64(c.at-at(last)))
				m.totals = append(m.totals, int64(j.Total()))
				return
			}
		}
	}
	m.wrong = append(m.wrong, *j)
}

func lastStop(j *journey.Journey, p journey.Point) int {
	for i := len(j.Stops) - 1; i >= 0; i-- {
		if j.Stops[i].Point == p {
			return i
		}
	}
	return -1
}

// between finds the packets of the journey's flow in an interval.
func between(packets []seen, from, to uint64, j *journey.Journey) []seen {
	i, _ := slices.BinarySearchFunc(packets, from-clockSlack, func(s seen, at uint64) int { return int(int64(s.at - at)) })
	var found []seen
	for ; i < len(packets) && packets[i].at <= to+clockSlack; i++ {
		if packets[i].proto == j.Proto && packets[i].tuple == j.Last {
			found = append(found, packets[i])
		}
	}
	return found
}

// samePacket: the serial number tells datagrams apart; for TCP, a repeated
// number is a retransmission, which the IPv4 id tells apart.
func (s seen) samePacket(o seen) bool {
	return s.serial == o.serial && s.seq == o.seq && s.ack == o.ack && s.ipID == o.ipID && s.length == o.length
}

func (m *matches) want(t *testing.T, way string) {
	t.Helper()
	t.Logf("%s: %d packets, %d journeys, %d matched (%d pure ACKs, %d with stops missing), %d wrong, %d with several packets in question",
		way, m.sent, m.journeys, m.matched, m.acks, m.incomplete, len(m.wrong), m.several)
	sender, receiver, total := median(m.atSender), median(m.atReceiver), median(m.totals)
	t.Logf("%s: median offsets to the kernel's timestamps: %d ns at the sender, %d ns at the receiver, of %d ns in all",
		way, sender, receiver, total)
	for i, j := range m.wrong {
		t.Errorf("%s: the stops of this journey are those of different packets: %+v", way, j)
		if i == 5 {
			break
		}
	}
	// The sender's timestamp comes just before the tracepoint, the receiver's
	// just after.
	for _, offset := range []int64{sender, receiver} {
		if offset < -clockSlack || offset > int64(stopSlack) {
			t.Errorf("%s: stops are %d ns off the kernel's timestamps", way, offset)
		}
	}
}

func median(v []int64) int64 {
	if len(v) == 0 {
		return 0
	}
	slices.Sort(v)
	return v[len(v)/2]
}
