package truth

import (
	"testing"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/pkg/journey"
	"github.com/hopscope/hopscope/pkg/pipeline"
)

// traffic is one class of packets between a pair.
type traffic struct {
	name  string
	args  []string
	ipv6  bool
	ended float64 // share of tracked journeys that must have an ending
}

func allTraffic() []traffic {
	return []traffic{
		{name: "request/response", args: []string{"rr", "--count", "5000"}, ended: 0.999},
		{name: "short connections", args: []string{"short", "--count", "1000"}, ended: 0.999},
		{name: "udp", args: []string{"udp", "--count", "5000"}, ended: 0.999},
		{name: "bulk", args: []string{"bulk", "--bytes", "1000000000"}, ended: 0.99},
		{name: "request/response over IPv6", args: []string{"rr", "--count", "5000"}, ipv6: true, ended: 0.999},
		{name: "short connections over IPv6", args: []string{"short", "--count", "1000"}, ipv6: true, ended: 0.999},
		{name: "udp over IPv6", args: []string{"udp", "--count", "5000"}, ipv6: true, ended: 0.999},
		{name: "bulk over IPv6", args: []string{"bulk", "--bytes", "1000000000"}, ipv6: true, ended: 0.99},
	}
}

// Every packet that AF_PACKET sees leave a container is a journey, once, and
// the journey has an ending. Nothing is lost, and nothing is called a drop.
func TestEveryPacketIsBornAndEnds(t *testing.T) {
	p := sharedPair(t)
	for _, kind := range allTraffic() {
		t.Run(kind.name, func(t *testing.T) {
			at := p.at
			if kind.ipv6 {
				at = p.at6
			}
			tr := begin(t, pipeline.Options{})
			out, back := lab.AFPacketCount(t, p.client.Netns, "eth0"), lab.AFPacketCount(t, p.web.Netns, "eth0")
			if r := p.client.Run(append(kind.args, at)...); r.Errors != 0 {
				t.Errorf("%d errors: %s", r.Errors, r.FirstError)
			}
			tr.Settle()
			there, here := out.Stop(), back.Stop()
			r := tr.end()
			wantBirths(t, r, legOf(p.client, p.client.Links[0]), there)
			wantBirths(t, r, legOf(p.web, p.web.Links[0]), here)
			r.WantExact(t)
			r.wantNoLoss(t)
			ended := share(r.Counts.Completed(), r.Counts.Tracked)
			t.Logf("%d tracked, %.5f ended: %v; %v", r.Counts.Tracked, ended, r.Counts.Endings, r.Counts.Notes)
			if ended < kind.ended {
				t.Errorf("%.5f of journeys have an ending, want %.3f", ended, kind.ended)
			}
		})
	}
}

// wantBirths compares the journeys that began at a device, while the packets
// that left by it were counted, with those. More would be as wrong as fewer.
// The count ends before the session does: the kernel's own packets, such as
// router solicitations, come at any time.
func wantBirths(t *testing.T, r result, l leg, sent lab.Count) {
	t.Helper()
	here := bornAt(netnsInode(t, l.netns), l.link.Index)
	protos := map[string]int{}
	born := count(r.Journeys, func(j *journey.Journey) bool {
		if !here(j) || j.Start < sent.Since || j.Start > sent.Until {
			return false
		}
		protos[journey.ProtoName(j.Proto)]++
		return true
	})
	ratio := share(born, sent.Packets)
	t.Logf("%s of %s: %d journeys of %d packets (%.5f): %v", l.link.Name, l.owner, born, sent.Packets, ratio, protos)
	if ratio < 0.999 || ratio > 1.001 {
		t.Errorf("%s of %s: %d journeys of %d packets, want 0.999 of them", l.link.Name, l.owner, born, sent.Packets)
	}
}
