// Package model holds what the tool knows about paths, hops and time: it adds
// journeys up under raw keys and joins them with names when a snapshot is
// taken.
package model

import "time"

// Snapshot is an immutable view of everything that was aggregated. Its JSON
// form is the contract of docs/summary.schema.json: pointers are null when a
// value is unknown.
type Snapshot struct {
	Schema      string      `json:"schema"`
	ToolVersion string      `json:"tool_version"`
	Host        string      `json:"host"`
	Kernel      string      `json:"kernel"`
	StartedAt   time.Time   `json:"started_at"`
	DurationNs  int64       `json:"duration_ns"`
	Ended       string      `json:"ended"` // duration, signal, limit, error
	Accounting  Accounting  `json:"accounting"`
	Cost        Cost        `json:"cost"`
	Findings    []Finding   `json:"findings"`
	Containers  []Container `json:"containers"`
	Paths       []Path      `json:"paths"`
	TCP         []TCP       `json:"tcp"`
	Drops       []Drop      `json:"drops"`
	Slowest     []Slow      `json:"slowest"`
}

// SchemaName is the value of Snapshot.Schema.
const SchemaName = "hopscope/summary/v1"

// Accounting is exact: tracked = completed + in_flight + sum of lost.
type Accounting struct {
	Tracked    uint64            `json:"tracked"`
	Completed  uint64            `json:"completed"`
	InFlight   uint64            `json:"in_flight"`
	Emitted    uint64            `json:"emitted"`
	Suppressed uint64            `json:"suppressed"`
	Filtered   uint64            `json:"filtered"`
	SampleRate float64           `json:"sample_rate"` // 1 = every packet
	Endings    map[string]uint64 `json:"endings"`
	Lost       map[string]uint64 `json:"lost"`  // by cause; every cause is listed, also at 0
	Notes      map[string]uint64 `json:"notes"` // what is no loss but worth knowing: unsampled births, clock steps, ...
}

// Cost is what the tool itself takes.
type Cost struct {
	BPFNsPerPacket *float64 `json:"bpf_ns_per_packet"`
	BPFCPUPercent  *float64 `json:"bpf_cpu_percent"` // of one core
	UserCPUPercent *float64 `json:"user_cpu_percent"`
	RSSBytes       *uint64  `json:"rss_bytes"`
}

// Finding is a sentence that the data carries.
type Finding struct {
	Kind     string `json:"kind"`
	Severity string `json:"severity"` // info, warning, critical
	Text     string `json:"text"`
	Evidence string `json:"evidence"`
	Mend     string `json:"mend"`
}

// Container is one container with what it sent and received.
type Container struct {
	ID       string      `json:"id"`
	Name     string      `json:"name"`
	Image    string      `json:"image"`
	Service  *string     `json:"service"`
	Project  *string     `json:"project"`
	PID      int         `json:"pid"`
	CgroupID uint64      `json:"cgroup_id"`
	Netns    uint32      `json:"netns"`
	State    string      `json:"state"`
	Networks []Network   `json:"networks"`
	TX       PacketCount `json:"tx"`
	RX       PacketCount `json:"rx"`
}

// Network is a container's leg in one network.
type Network struct {
	Name          string  `json:"name"`
	Driver        string  `json:"driver"`
	Interface     string  `json:"interface"`
	HostInterface *string `json:"host_interface"`
	IP            *string `json:"ip"`
}

// PacketCount counts skbs and their IP bytes, as weighted estimates.
type PacketCount struct {
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
}

// End is one end of a path.
type End struct {
	Kind        string  `json:"kind"` // container, host, proxy, external
	Name        string  `json:"name"`
	ContainerID *string `json:"container_id"`
}

// Path is one direction of the traffic between two ends. From and To follow
// the packets; Port is the server's; Direction says whether the packets run
// toward it.
type Path struct {
	From          End    `json:"from"`
	To            End    `json:"to"`
	Network       string `json:"network"` // Docker network that the packets cross, "" when there is none
	Proto         string `json:"proto"`
	Port          uint16 `json:"port"`
	PublishedPort *int   `json:"published_port"`
	NAT           string `json:"nat"`           // none, dnat, snat, dnat+snat, proxy
	Direction     string `json:"direction"`     // request, response
	Journeys      uint64 `json:"journeys"`      // weighted estimate
	TailJourneys  uint64 `json:"tail_journeys"` // those at or beyond the p99, of TailNs and TailShare
	Bytes         uint64 `json:"bytes"`
	Total         Dist   `json:"total"`
	Hops          []Hop  `json:"hops"`
}

// Hop is one hop of a path, in the order in which packets meet it. Shares are
// of the path's whole time and sum to 1.
type Hop struct {
	Hop       string  `json:"hop"`
	Where     string  `json:"where"`
	Namespace string  `json:"namespace"` // of that place: a container, "host", ...
	Device    *string `json:"device"`
	Share     float64 `json:"share"`
	TailShare float64 `json:"tail_share"` // over the journeys at or beyond the path's p99
	TailNs    uint64  `json:"tail_ns"`    // Σ ns × weight over the same
	Dist      Dist    `json:"dist"`
}

// Dist describes a distribution of times. Count is the weighted estimate,
// Samples how many were measured; percentiles and the like are null without
// samples. The sums of a path's hops add up to that of its total exactly.
type Dist struct {
	Count   uint64 `json:"count"`
	Samples uint64 `json:"samples"`
	SumNs   uint64 `json:"sum_ns"` // Σ ns × weight, exact
	MinNs   *int64 `json:"min_ns"`
	MeanNs  *int64 `json:"mean_ns"`
	P50Ns   *int64 `json:"p50_ns"`
	P90Ns   *int64 `json:"p90_ns"`
	P95Ns   *int64 `json:"p95_ns"`
	P99Ns   *int64 `json:"p99_ns"`
	P999Ns  *int64 `json:"p999_ns"`
	MaxNs   *int64 `json:"max_ns"`
	Bins    []Bin  `json:"bins,omitempty"` // only where Meta.Bins asks for them
}

// Bin is one bin of a distribution: how many fell near Ns, which is within
// [RelativeAccuracy] of each of them. Bins are sorted, and equal in all
// snapshots: distributions add up by adding the counts of equal Ns.
type Bin struct {
	Ns    int64  `json:"ns"`
	Count uint64 `json:"count"`
}

// TCP is one side of the connections between two ends for one service: the
// sockets of From. Retransmits are those that From sent, counted exactly;
// SegmentsSent is the weighted estimate.
type TCP struct {
	From         End         `json:"from"`
	To           End         `json:"to"`
	Port         uint16      `json:"port"`
	Role         string      `json:"role"` // client, server
	RTT          Dist        `json:"rtt"`  // the kernel's smoothed round trip time at each packet received
	SegmentsSent uint64      `json:"segments_sent"`
	Retransmits  Retransmits `json:"retransmits"`
}

// Retransmits counts retransmitted segments.
type Retransmits struct {
	Total uint64 `json:"total"`
	RetransmitKinds
}

// Drop is one group of dropped packets, counted exactly whatever the sample rate.
type Drop struct {
	Reason    string  `json:"reason"`
	Hop       string  `json:"hop"`
	Where     string  `json:"where"`
	Location  string  `json:"location"`
	Container *string `json:"container"`
	Device    *string `json:"device"`
	From      End     `json:"from"`
	To        End     `json:"to"`
	Proto     string  `json:"proto"`
	Port      uint16  `json:"port"`
	Count     uint64  `json:"count"`

	Stack        []string `json:"stack"`
	AttributedBy string   `json:"attributed_by"` // journey, socket, device, address, none
}

// Slow is one of the slowest journeys.
type Slow struct {
	At      time.Time `json:"at"`
	From    End       `json:"from"`
	To      End       `json:"to"`
	Proto   string    `json:"proto"`
	Port    uint16    `json:"port"`
	TotalNs int64     `json:"total_ns"`
	Hops    []SlowHop `json:"hops"`
}

// SlowHop is one hop of a slow journey.
type SlowHop struct {
	Hop       string `json:"hop"`
	Where     string `json:"where"`
	Namespace string `json:"namespace"`
	Ns        int64  `json:"ns"`
}
