package main

import (
	"errors"
	"slices"
)

// Kernel is the cost of the kernel programs, in ns less the floor.
type Kernel struct {
	FloorNs     Spread    `json:"floor_ns"` // an empty program, already taken off below
	Programs    []Program `json:"programs"` // the costliest per packet first
	PacketNs    Spread    `json:"ns_per_packet"`
	SparseNs    Spread    `json:"ns_per_packet_sampled"` // one of 64 tracked
	StopNs      Spread    `json:"ns_per_stop"`           // PacketNs by the stops of a packet
	Stops       float64   `json:"stops_per_packet"`
	RecordBytes float64   `json:"bytes_per_record"`
	Userspace   Userspace `json:"userspace"`
}

// Program is one kernel program.
type Program struct {
	Name          string  `json:"name"`
	RunsPerPacket float64 `json:"runs_per_packet"`
	RunNs         Spread  `json:"ns_per_run"`         // every packet tracked
	SparseRunNs   Spread  `json:"ns_per_run_sampled"` // one of 64
	PacketNs      float64 `json:"ns_per_packet"`      // median
}

// cost is what one metering says.
type cost struct {
	floor     float64
	perPacket float64
	programs  map[string]programCost
}

type programCost struct {
	runsPerPacket, runNs, packetNs float64
}

// cost takes the floor off: that of the same tracepoint, or the mean of all
// where a program hangs on something else (netfilter, cgroup).
func (m metering) cost() (cost, error) {
	var all runs
	for _, r := range m.empty {
		all.count += r.count
		all.time += r.time
	}
	if m.packets == 0 || all.count == 0 {
		return cost{}, errors.New("no packets, or no runs of empty programs")
	}
	c := cost{floor: all.nsPerRun(), programs: make(map[string]programCost, len(m.ours))}
	for name, r := range m.ours {
		floor := c.floor
		if e, ok := m.empty[name]; ok {
			floor = e.nsPerRun()
		}
		pc := programCost{runsPerPacket: float64(r.count) / float64(m.packets), runNs: r.nsPerRun() - floor}
		pc.packetNs = pc.runNs * pc.runsPerPacket
		c.programs[name] = pc
		c.perPacket += pc.packetNs
	}
	return c, nil
}

func costs(meterings []metering) ([]cost, error) {
	var out []cost
	for _, m := range meterings {
		c, err := m.cost()
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

// newKernel sums up the slices with every packet tracked and those with few.
func newKernel(every, few []metering) (Kernel, error) {
	full, err1 := costs(every)
	thin, err2 := costs(few)
	if err := errors.Join(err1, err2); err != nil {
		return Kernel{}, err
	}
	k := Kernel{
		FloorNs:  spreadOver(append(slices.Clone(full), thin...), func(c cost) (float64, bool) { return c.floor, true }),
		PacketNs: spreadOver(full, perPacket),
		SparseNs: spreadOver(thin, perPacket),
	}
	for name := range full[0].programs {
		k.Programs = append(k.Programs, program(name, full, thin))
	}
	slices.SortFunc(k.Programs, func(a, b Program) int {
		if a.PacketNs > b.PacketNs {
			return -1
		}
		return 1
	})
	return k, k.addRecords(every)
}

func program(name string, full, thin []cost) Program {
	of := func(costs []cost, value func(programCost) float64) Spread {
		return spreadOver(costs, func(c cost) (float64, bool) {
			pc, ok := c.programs[name]
			return value(pc), ok
		})
	}
	runNs := func(pc programCost) float64 { return pc.runNs }
	return Program{
		Name:          name,
		RunsPerPacket: of(full, func(pc programCost) float64 { return pc.runsPerPacket }).Median,
		RunNs:         of(full, runNs),
		SparseRunNs:   of(thin, runNs),
		PacketNs:      of(full, func(pc programCost) float64 { return pc.packetNs }).Median,
	}
}

func perPacket(c cost) (float64, bool) { return c.perPacket, true }

// spreadOver is the spread of a value over the slices that have it.
func spreadOver(costs []cost, value func(cost) (float64, bool)) Spread {
	var values []float64
	for _, c := range costs {
		if v, ok := value(c); ok {
			values = append(values, v)
		}
	}
	return spreadOf(values)
}
