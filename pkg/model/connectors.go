package model

import (
	"net/netip"
	"slices"

	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/journey"
)

// connector is who connects to a service; with cgroup 0, anyone in the
// namespace.
type connector struct {
	netns  uint32
	cgroup uint64
	server netip.AddrPort
}

// maxProcesses bounds the processes of one connector. All that is asked of them
// is whether they are docker-proxy, some or none.
const maxProcesses = 16

// connectors are the processes that connected to a service, as connect(2) told.
// Where docker-proxy has the cgroup of other processes, nothing else tells their
// packets apart.
type connectors map[connector][]uint32 // slices are replaced, never changed in place

func (c connectors) learn(at connector, processes []uint32, limit int) {
	for _, p := range processes {
		known, ok := c[at]
		if slices.Contains(known, p) || len(known) >= maxProcesses || !ok && len(c) >= limit {
			continue
		}
		c[at] = append(slices.Clip(known), p)
	}
}

// connected remembers which process made a connection.
func (a *Aggregator) connected(c ConnectCount) {
	if c.Process == 0 {
		return
	}
	server := netip.AddrPortFrom(c.Remote, c.Port)
	for _, cgroup := range []uint64{0, c.Cgroup} {
		a.connectors.learn(connector{c.Netns, cgroup, server}, []uint32{c.Process}, a.limits.Endpoints)
	}
}

func (c connectors) merge(o connectors, limit int) {
	for at, processes := range o {
		c.learn(at, processes, limit)
	}
}

// processes made the connections of a client's end.
func (b *builder) processes(proto uint8, end inventory.RawEndpoint, server netip.AddrPort) []uint32 {
	if proto != journey.ProtoTCP {
		return nil
	}
	return b.connectors[connector{end.Netns, end.Cgroup, server}]
}
