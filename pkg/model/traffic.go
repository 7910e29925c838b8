package model

import (
	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/journey"
)

// traffic is what one local end sent and received, weighted.
type traffic struct{ tx, rx PacketCount }

// addTraffic counts a journey at the ends that are on this host. Sent is what
// a local socket sent, however it ended: a child of a segmented or rebuilt
// packet was not sent once more. Received is what arrived, including what GRO
// merged into another packet; where that happened before DNAT, it counts for
// the address which it then carried.
func (a *Aggregator) addTraffic(j *journey.Journey, k rawKey, weight uint64) {
	if j.Flags&(journey.FlagInherited|journey.FlagReceived) == 0 {
		if t := a.endpoint(k.src, weight); t != nil {
			t.tx.add(j, weight)
		}
	}
	switch j.Ending {
	case journey.EndingDelivered, journey.EndingConsumed, journey.EndingMerged:
		if t := a.endpoint(k.dst, weight); t != nil {
			t.rx.add(j, weight)
		}
	}
}

func (c *PacketCount) add(j *journey.Journey, weight uint64) {
	c.Packets += weight
	c.Bytes += uint64(j.Bytes) * weight
}

func (c *PacketCount) merge(o PacketCount) {
	c.Packets += o.Packets
	c.Bytes += o.Bytes
}

// endpoint is nil beyond the limit.
func (a *Aggregator) endpoint(e inventory.RawEndpoint, weight uint64) *traffic {
	t := a.traffic[e]
	if t == nil {
		if len(a.traffic) >= a.limits.Endpoints {
			a.notes.otherEndpoints += weight
			return nil
		}
		t = &traffic{}
		a.traffic[e] = t
	}
	return t
}
