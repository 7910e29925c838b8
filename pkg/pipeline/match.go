package pipeline

import (
	"slices"

	"github.com/hopscope/hopscope/pkg/journey"
)

// Match selects journeys by what does not change on their way. A zero Match
// wants everything; containers are selected in the kernel.
type Match struct {
	Ports   []uint16                         // container or published ports
	Protos  []uint8                          // IP protocol numbers
	Network func(netns, ifindex uint32) bool // whether the device is of a wanted network; nil: any
}

func (m Match) wants(j *journey.Journey) bool {
	if len(m.Protos) > 0 && !slices.Contains(m.Protos, j.Proto) {
		return false
	}
	return m.wantsPort(j) && m.wantsNetwork(j)
}

func (m Match) wantsPort(j *journey.Journey) bool {
	if len(m.Ports) == 0 {
		return true
	}
	if j.Proto != journey.ProtoTCP && j.Proto != journey.ProtoUDP && j.Proto != journey.ProtoSCTP {
		return false
	}
	for _, p := range m.Ports {
		if j.First.Src.Port() == p || j.First.Dst.Port() == p || j.Last.Src.Port() == p || j.Last.Dst.Port() == p {
			return true
		}
	}
	return false
}

func (m Match) wantsNetwork(j *journey.Journey) bool {
	if m.Network == nil {
		return true
	}
	return slices.ContainsFunc(j.Stops, func(s journey.Stop) bool {
		return s.Ifindex != 0 && m.Network(s.Netns, s.Ifindex)
	})
}
