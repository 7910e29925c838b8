package model

import (
	"strconv"
	"time"

	"github.com/hopscope/hopscope/pkg/dropreason"
	"github.com/hopscope/hopscope/pkg/inventory"
)

// Names joins the raw facts of journeys with names. It is asked only when a
// snapshot is taken, so that what was seen before it was known is named too.
// Implementations can be compared by ==, and those that are equal give equal
// answers.
type Names interface {
	// Endpoint names one end of a journey. It always has an answer: the
	// address, where nothing better is known.
	Endpoint(inventory.RawEndpoint) inventory.Endpoint
	// Where names a place as a hop shows it ("veth of web", "br-shop",
	// "host"), and its device, "" for a namespace as a whole.
	Where(netns, ifindex uint32) (where, device string)
	// Network is the Docker network that a device belongs to, false for none.
	Network(netns, ifindex uint32) (inventory.Network, bool)
}

// FlowNames is a Names that tells docker-proxy from the host.
type FlowNames interface {
	// FlowEndpoint names one end of a flow of which the ports are known.
	FlowEndpoint(inventory.RawFlow) inventory.Endpoint
}

// Symbols names what only the running kernel knows.
type Symbols interface {
	// Reason is the name of an enum skb_drop_reason, "" when unknown.
	Reason(reason uint32) string
	// Symbol is the kernel function around an address, with or without an
	// offset ("tcp_v4_rcv+0x1c"), "" when unknown.
	Symbol(addr uint64) string
}

// Meta is what a snapshot carries along and the aggregator does not know.
type Meta struct {
	ToolVersion string
	Host        string
	Kernel      string
	StartedAt   time.Time
	Duration    time.Duration
	Ended       string // duration, signal, key, limit, error
	// MonotonicZero is the wall-clock time at which CLOCK_MONOTONIC was 0;
	// it dates the journeys.
	MonotonicZero time.Time
	Accounting    Accounting
	Cost          Cost
	Containers    []inventory.Container
	Symbols       Symbols // nil: reasons and locations stay numbers
	Bins          bool    // distributions with their bins
	NoDNS         bool    // DNS was not looked at
}

func (m Meta) reason(n uint32) string {
	if m.Symbols != nil {
		if s := m.Symbols.Reason(n); s != "" {
			return s
		}
		if n == 0 { // of a kernel that has no reasons
			return dropreason.Untold
		}
	}
	return strconv.FormatUint(uint64(n), 10)
}

func (m Meta) symbol(addr uint64) string {
	if addr == 0 {
		return ""
	}
	if m.Symbols != nil {
		if s := m.Symbols.Symbol(addr); s != "" {
			return s
		}
	}
	return "0x" + strconv.FormatUint(addr, 16)
}
