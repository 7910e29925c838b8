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
	Ended       string      `json:"ended"` // duration, signal, key, limit, error
	Accounting  Accounting  `json:"accounting"`
	Cost        Cost        `json:"cost"`
	HostStats   HostStats   `json:"host_stats"`
	Findings    []Finding   `json:"findings"`
	Containers  []Container `json:"containers"`
	Paths       []Path      `json:"paths"`
	TCP         []TCP       `json:"tcp"`
	Exchanges   []Exchange  `json:"exchanges"`
	DNS         []DNS       `json:"dns"` // null when it was not looked at
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
	GoneAt   *time.Time  `json:"gone_at"`   // when it was removed, nil while it exists
	HostHops bool        `json:"host_hops"` // it is in the host's network namespace
	Networks []Network   `json:"networks"`
	TX       PacketCount `json:"tx"`
	RX       PacketCount `json:"rx"`
	CPU      CPU         `json:"cpu"`
}

// ReducedHops says why the hops of a container's packets are fewer than those of
// others, "" where they are not.
func (c *Container) ReducedHops() string {
	if !c.HostHops {
		return ""
	}
	return "network host: no interface of its own, so its hops are the host's, without veth and bridge on its side"
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

	later *laterHops // where Hops are left out, see AllHops
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

	Connect    *Dist     `json:"connect"`     // of connections that were made; null: none was
	AcceptWait *Dist     `json:"accept_wait"` // of a server: from the end of the handshake to accept(2); null: not measured
	App        *Dist     `json:"app"`         // of a server: from the read of a request to the first byte of its answer
	SockRecv   *Dist     `json:"sock_recv"`   // from the arrival of a request's, or an answer's, last byte to its read
	Resets     *Resets   `json:"resets"`      // exact; null: unknown
	Connects   *Connects `json:"connects"`    // exact; null: unknown, or a server's side

	LastRetransmit time.Time `json:"-"` // the end of the last second that had one, for those who watch; zero: unknown
	LastReset      time.Time `json:"-"` // the same of those sent
}

// Exchange is requests and their answers between two ends, and where the time
// between them went: the sums of the parts add up to that of the total.
type Exchange struct {
	From          End               `json:"from"` // who asks
	To            End               `json:"to"`   // who answers
	Port          uint16            `json:"port"` // as the server has it
	PublishedPort *int              `json:"published_port"`
	Proxied       bool              `json:"proxied"`     // by docker-proxy
	View          string            `json:"view"`        // both, client, server: at which ends it was seen
	Count         uint64            `json:"count"`       // weighted estimate
	Excluded      uint64            `json:"excluded"`    // weighted estimate of what was left out
	ExcludedBy    map[string]uint64 `json:"excluded_by"` // the same by reason
	Total         Dist              `json:"total"`
	RTT           *Dist             `json:"rtt"` // smoothed round trip time of the client's leg
	Parts         []ExchangePart    `json:"parts"`
	Slowest       []SlowExchange    `json:"slowest"` // the slowest first
}

// ExchangePart is where some of an exchange's time went. Its distribution is of
// the exchanges that have the part.
type ExchangePart struct {
	Part     string  `json:"part"`
	Where    string  `json:"where"`
	Share    float64 `json:"share"` // of the time of all exchanges of the row
	Estimate bool    `json:"estimate"`
	Dist     Dist    `json:"dist"`
}

// SlowExchange is one of the slowest exchanges of a row. Its parts sum to its total.
type SlowExchange struct {
	At      time.Time  `json:"at"` // begin of the request
	TotalNs int64      `json:"total_ns"`
	Parts   []SlowPart `json:"parts"` // those that took time
}

// SlowPart is where some of a slow exchange's time went.
type SlowPart struct {
	Part     string `json:"part"`
	Where    string `json:"where"`
	Estimate bool   `json:"estimate"`
	Ns       int64  `json:"ns"`
}

// Retransmits counts retransmitted segments.
type Retransmits struct {
	Total uint64 `json:"total"`
	RetransmitKinds
	LostAt []LostAt `json:"lost_at"` // where the originals died, of those of which both were tracked
}

// DNS is what one end asked one name server over UDP, counted exactly whatever
// the sample rate. Queries = Answered + Timeout + Superseded + Pending.
type DNS struct {
	Container  *string           `json:"container"` // that asked; null for others
	From       End               `json:"from"`
	To         End               `json:"to"`
	Resolver   string            `json:"resolver"`   // address, as the asking socket sees it
	Forwarded  bool              `json:"forwarded"`  // asked by Docker's name server, for the container
	Queries    uint64            `json:"queries"`    // a repeated one counts once
	Answered   uint64            `json:"answered"`   // whatever the answer was
	Timeout    uint64            `json:"timeout"`    // no answer within [dns.Timeout]
	Superseded uint64            `json:"superseded"` // none either, but another name server answered the same
	Pending    uint64            `json:"pending"`    // waiting when the trace ended
	Retries    uint64            `json:"retries"`    // datagrams beyond the first of a query
	Truncated  uint64            `json:"truncated"`  // answers that ask for TCP
	Rcode      map[string]uint64 `json:"rcode"`      // answers by code; those that came are listed
	Latency    Dist              `json:"latency"`    // from the first datagram of a query to its answer
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
	Stage        *string  `json:"stage"`         // raw, conntrack, mangle, dnat, filter, snat; null unless netfilter dropped them
	Rule         *string  `json:"rule"`          // inferred: the only one whose counter moved alike
	AttributedBy string   `json:"attributed_by"` // journey, socket, device, conntrack, address, counter, none

	LastAt time.Time `json:"-"` // the end of the last second that had one, for those who watch; zero: unknown
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
