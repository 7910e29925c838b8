package model

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// HostStats is what the kernel's own counters say of the host, over the time of
// the summary. What is null or not in a list could not be read.
type HostStats struct {
	Conntrack *ConntrackStats `json:"conntrack"`
	Softnet   []SoftnetStats  `json:"softnet"`
	Qdisc     []QdiscStats    `json:"qdisc"`
	Devices   []DeviceStats   `json:"devices"`
}

// ConntrackStats is the host's connection tracking table. Count and Max are of
// the end, the others counted.
type ConntrackStats struct {
	Count        uint64 `json:"count"`
	Max          uint64 `json:"max"`
	Drop         uint64 `json:"drop"`          // packets of new connections that found the table full
	InsertFailed uint64 `json:"insert_failed"` // packets whose entry lost a race for its tuple
	EarlyDrop    uint64 `json:"early_drop"`    // entries thrown out to make room
}

// SoftnetStats is one CPU's part in receiving packets.
type SoftnetStats struct {
	CPU         uint32        `json:"cpu"`
	Processed   uint64        `json:"processed"`
	Dropped     uint64        `json:"dropped"`      // its backlog was full
	TimeSqueeze uint64        `json:"time_squeeze"` // rounds that ended with work left
	Backlog     *BacklogStats `json:"backlog"`      // of the tracked packets, null when none waited here
}

// QdiscStats is a queueing discipline that dropped packets or let them wait.
type QdiscStats struct {
	Where      string  `json:"where"`
	Device     *string `json:"device"`
	Kind       string  `json:"kind"`
	Handle     string  `json:"handle"`
	Dropped    uint64  `json:"dropped"`
	Overlimits uint64  `json:"overlimits"`
}

// DeviceStats is a device that dropped packets.
type DeviceStats struct {
	Where     string  `json:"where"`
	Device    *string `json:"device"`
	RxDropped uint64  `json:"rx_dropped"`
	TxDropped uint64  `json:"tx_dropped"`
}

// CPU is what a container lacked of the host's CPUs.
type CPU struct {
	ThrottledNs    *uint64  `json:"throttled_ns"`     // its CPU limit held it back; null without the cgroup's cpu controller
	PSISomePercent *float64 `json:"psi_some_percent"` // of the time some task of it had to wait for a CPU; null without PSI
}

func (b *builder) hostStats(a *Aggregator) HostStats {
	return HostStats{
		Conntrack: conntrackStats(a.counters),
		Softnet:   softnetStats(a.counters, b.backlogs(a)),
		Qdisc:     b.qdiscStats(a.counters),
		Devices:   b.deviceStats(a.counters),
	}
}

type counters map[CounterKey]uint64

func (c counters) sum(kind CounterKind) (n uint64) {
	for k, v := range c {
		if k.Kind == kind {
			n += v
		}
	}
	return n
}

// conntrackStats is nil where the limit is not known: no connection is tracked.
func conntrackStats(c counters) *ConntrackStats {
	var s ConntrackStats
	for k, n := range c {
		switch k.Kind {
		case CountConntrackEntries:
			s.Count = n
		case CountConntrackMax:
			s.Max = n
		case CountConntrackDrop:
			s.Drop += n
		case CountConntrackInsertFailed:
			s.InsertFailed += n
		case CountConntrackEarlyDrop:
			s.EarlyDrop += n
		}
	}
	if s.Max == 0 {
		return nil
	}
	return &s
}

func softnetStats(c counters, backlogs map[uint32]*BacklogStats) []SoftnetStats {
	byCPU := map[uint32]*SoftnetStats{}
	for k, n := range c {
		if !strings.HasPrefix(string(k.Kind), "softnet_") {
			continue
		}
		s := byCPU[k.CPU]
		if s == nil {
			s = &SoftnetStats{CPU: k.CPU, Backlog: backlogs[k.CPU]}
			byCPU[k.CPU] = s
		}
		switch k.Kind {
		case CountSoftnetProcessed:
			s.Processed = n
		case CountSoftnetDropped:
			s.Dropped = n
		case CountSoftnetSqueezed:
			s.TimeSqueeze = n
		}
	}
	return sorted(byCPU, func(x, y SoftnetStats) int { return cmp.Compare(x.CPU, y.CPU) })
}

func (b *builder) qdiscStats(c counters) []QdiscStats {
	type id struct {
		netns, ifindex uint32
		qdisc          string
	}
	byID := map[id]*QdiscStats{}
	for k, n := range c {
		if k.Qdisc == "" || n == 0 {
			continue
		}
		at := id{k.Netns, k.Ifindex, k.Qdisc}
		s := byID[at]
		if s == nil {
			s = &QdiscStats{}
			s.Where, s.Device = b.device(k)
			s.Kind, s.Handle, _ = strings.Cut(k.Qdisc, " ")
			byID[at] = s
		}
		if k.Kind == CountQdiscDrops {
			s.Dropped = n
		} else {
			s.Overlimits = n
		}
	}
	return sorted(byID, func(x, y QdiscStats) int {
		return cmp.Or(cmp.Compare(y.Dropped, x.Dropped), cmp.Compare(y.Overlimits, x.Overlimits),
			cmp.Compare(x.Where, y.Where), cmp.Compare(x.Handle, y.Handle))
	})
}

func (b *builder) deviceStats(c counters) []DeviceStats {
	byID := map[[2]uint32]*DeviceStats{}
	for k, n := range c {
		if (k.Kind != CountDeviceRxDropped && k.Kind != CountDeviceTxDropped) || n == 0 {
			continue
		}
		at := [2]uint32{k.Netns, k.Ifindex}
		s := byID[at]
		if s == nil {
			s = &DeviceStats{}
			s.Where, s.Device = b.device(k)
			byID[at] = s
		}
		if k.Kind == CountDeviceRxDropped {
			s.RxDropped = n
		} else {
			s.TxDropped = n
		}
	}
	return sorted(byID, func(x, y DeviceStats) int {
		return cmp.Or(cmp.Compare(y.RxDropped+y.TxDropped, x.RxDropped+x.TxDropped), cmp.Compare(x.Where, y.Where))
	})
}

func (b *builder) device(k CounterKey) (where string, device *string) {
	where, name := b.names.Where(k.Netns, k.Ifindex)
	return where, known(name)
}

// sorted is never nil: an empty list says that there was nothing.
func sorted[K comparable, V any](rows map[K]*V, compare func(x, y V) int) []V {
	out := make([]V, 0, len(rows))
	for _, r := range rows {
		out = append(out, *r)
	}
	slices.SortFunc(out, compare)
	return out
}

// cpu is what a container lacked of the CPUs in the time of the summary.
func cpu(c counters, container string, d time.Duration) CPU {
	var out CPU
	if n, ok := c[CounterKey{Kind: CountThrottled, Container: container}]; ok {
		out.ThrottledNs = &n
	}
	if us, ok := c[CounterKey{Kind: CountCPUPressure, Container: container}]; ok && d > 0 {
		percent := min(100, 100*float64(us)/float64(d.Microseconds()+1))
		out.PSISomePercent = &percent
	}
	return out
}
