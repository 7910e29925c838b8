package model

// CounterKind names one of the kernel's own counters.
type CounterKind string

// The counters that a trace follows. Those marked as a level are not counted
// up: their latest value holds.
const (
	CountListenOverflows CounterKind = "listen_overflows" // TcpExtListenOverflows: the accept queue was full
	CountListenDrops     CounterKind = "listen_drops"     // TcpExtListenDrops: all that a listener dropped, overflows too

	CountConntrackEntries      CounterKind = "conntrack_count" // level
	CountConntrackMax          CounterKind = "conntrack_max"   // level
	CountConntrackDrop         CounterKind = "conntrack_drop"
	CountConntrackInsertFailed CounterKind = "conntrack_insert_failed"
	CountConntrackEarlyDrop    CounterKind = "conntrack_early_drop"

	CountSoftnetProcessed CounterKind = "softnet_processed"
	CountSoftnetDropped   CounterKind = "softnet_dropped"
	CountSoftnetSqueezed  CounterKind = "softnet_squeezed"

	CountQdiscDrops      CounterKind = "qdisc_drops"
	CountQdiscOverlimits CounterKind = "qdisc_overlimits"
	CountDeviceRxDropped CounterKind = "device_rx_dropped"
	CountDeviceTxDropped CounterKind = "device_tx_dropped"

	CountRuleDrops CounterKind = "rule_drops"       // packets of a packet filter rule that drops or rejects
	CountChains    CounterKind = "netfilter_chains" // level; chains of a hook of IP at a stage, those of NAT left out

	CountThrottled   CounterKind = "cpu_throttled_ns"
	CountCPUPressure CounterKind = "cpu_pressure_us" // some task had to wait for a CPU (PSI)

	CountUnread CounterKind = "counters_unread" // times that counters could not be read which could before
)

// Level reports whether the latest value of the counter holds, instead of the
// sum of what was added to it.
func (k CounterKind) Level() bool {
	return k == CountConntrackEntries || k == CountConntrackMax || k == CountChains
}

// CounterKey is one counter in raw facts. A field that has no meaning for its
// kind is zero.
type CounterKey struct {
	Kind      CounterKind
	Netns     uint32 `json:",omitempty"`
	Ifindex   uint32 `json:",omitempty"`
	CPU       uint32 `json:",omitempty"`
	Container string `json:",omitempty"` // its id
	Qdisc     string `json:",omitempty"` // kind and handle, such as "tbf 1:"
	Rule      string `json:",omitempty"` // family, table, chain, place in it when it was first seen
	Hook      string `json:",omitempty"` // of netfilter, such as "prerouting"
	Stage     Stage  `json:",omitempty"` // of netfilter; of a rule: that of its chain, "" when unknown
}

// CounterCount is by how much one of the kernel's counters moved, or the level
// that it has now. A count of 0 tells that the counter is there.
type CounterCount struct {
	CounterKey
	N uint64
}

// AddCounters takes in how far the kernel's counters moved.
func (a *Aggregator) AddCounters(counts []CounterCount) {
	for _, c := range counts {
		a.addCounter(c)
	}
}

func (a *Aggregator) addCounter(c CounterCount) {
	n, known := a.counters[c.CounterKey]
	if !known && len(a.counters) >= a.limits.Counters {
		a.notes.otherCounters++
		return
	}
	if c.Kind.Level() {
		n = 0
	}
	a.counters[c.CounterKey] = n + c.N
}
