package model

import (
	"testing"
	"time"

	"github.com/hopscope/hopscope/pkg/journey"
)

// A request and its answer: each side sends its own segments, and measures the
// round trip when it receives.
func TestTCPSides(t *testing.T) {
	a := New(Limits{})
	request := packet(bridged())
	request.Segments, request.Weight, request.SRTT = 3, 2, 40*time.Microsecond
	a.Add(request, bridged())
	answer := reply(packet(bridged()))
	answer.SRTT = 90 * time.Microsecond
	a.Add(answer, bridged())
	a.AddRetransmits(RetransmitCount{
		Netns: webNS, Local: webAddr, Remote: apiAddr, Port: 8080, Segments: RetransmitKinds{RTO: 2, Fast: 5},
	})
	s := a.Snapshot(shop(), Meta{})
	if len(s.TCP) != 2 {
		t.Fatalf("%d sides, want the client's and the server's: %+v", len(s.TCP), s.TCP)
	}
	client, server := s.TCP[0], s.TCP[1]
	if client.Role != "client" || client.From.Name != "web" || client.Port != 8080 {
		t.Errorf("first row is %+v, want web as the client of port 8080", client)
	}
	if client.SegmentsSent != 6 || client.Retransmits.Total != 7 || client.Retransmits.Fast != 5 || *client.RTT.MaxNs != 90_000 {
		t.Errorf("client sent %d segments, again %+v, rtt %+v", client.SegmentsSent, client.Retransmits, client.RTT)
	}
	if server.Role != "server" || server.From.Name != "api" || server.SegmentsSent != 1 || *server.RTT.MaxNs != 40_000 ||
		server.RTT.Count != 2 {
		t.Errorf("second row is %+v, want api as the server", server)
	}
}

func TestUDPHasNoTCPSide(t *testing.T) {
	a := New(Limits{})
	j := packet(bridged())
	j.Proto = journey.ProtoUDP
	a.Add(j, bridged())
	if s := a.Snapshot(shop(), Meta{}); len(s.TCP) != 0 {
		t.Errorf("%+v", s.TCP)
	}
}
