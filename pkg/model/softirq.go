package model

import (
	"cmp"
	"slices"

	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/journey"
)

// cpuKey is the packets of one end that one CPU's softirq took up.
type cpuKey struct {
	cpu uint16
	end inventory.RawEndpoint
}

// cpuSum is how many there were and how long they waited for it, as weighted
// estimates.
type cpuSum struct{ packets, ns uint64 }

// maxCPUShares is how many ends are named for a CPU.
const maxCPUShares = 5

// addBacklog counts on which CPUs a packet waited for the softirq, for the one
// who sent it; what came from outside counts for its receiver.
func (a *Aggregator) addBacklog(j *journey.Journey, k *rawKey, hops []journey.Hop, weight uint64) {
	if len(hops) != len(j.Stops)-1 {
		return
	}
	end := k.src
	if j.Flags&journey.FlagReceived != 0 {
		end = k.dst
	}
	for i := range hops {
		if hops[i].Kind == journey.HopBacklog {
			a.addCPU(cpuKey{j.Stops[i+1].CPU, end}, cpuSum{weight, uint64(hops[i].Duration) * weight})
		}
	}
}

func (a *Aggregator) addCPU(k cpuKey, n cpuSum) {
	sum, known := a.cpus[k]
	if !known && len(a.cpus) >= a.limits.Endpoints {
		a.notes.otherEndpoints += n.packets
		return
	}
	a.cpus[k] = cpuSum{sum.packets + n.packets, sum.ns + n.ns}
}

// BacklogStats is what the tracked packets waited for one CPU's softirq.
type BacklogStats struct {
	Packets uint64         `json:"packets"` // weighted estimate, one for each backlog that a packet was in
	MeanNs  int64          `json:"mean_ns"`
	Shares  []BacklogShare `json:"shares"` // the largest first
}

// BacklogShare is one end's part of these packets.
type BacklogShare struct {
	Name  string  `json:"name"`
	Share float64 `json:"share"`
}

// backlogs are by CPU.
func (b *builder) backlogs(a *Aggregator) map[uint32]*BacklogStats {
	sums := map[uint32]cpuSum{}
	ends := map[uint32]map[string]uint64{}
	for k, n := range a.cpus {
		cpu := uint32(k.cpu)
		sums[cpu] = cpuSum{sums[cpu].packets + n.packets, sums[cpu].ns + n.ns}
		if ends[cpu] == nil {
			ends[cpu] = map[string]uint64{}
		}
		ends[cpu][b.endpoint(k.end).Name] += n.packets
	}
	out := map[uint32]*BacklogStats{}
	for cpu, sum := range sums {
		s := &BacklogStats{Packets: sum.packets, MeanNs: int64(sum.ns / sum.packets)}
		for name, n := range ends[cpu] {
			s.Shares = append(s.Shares, BacklogShare{name, float64(n) / float64(sum.packets)})
		}
		slices.SortFunc(s.Shares, func(x, y BacklogShare) int {
			return cmp.Or(cmp.Compare(y.Share, x.Share), cmp.Compare(x.Name, y.Name))
		})
		s.Shares = s.Shares[:min(len(s.Shares), maxCPUShares)]
		out[cpu] = s
	}
	return out
}
