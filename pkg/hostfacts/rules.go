package hostfacts

import (
	"cmp"
	"fmt"
	"slices"
)

// Chain is one chain of packet filter rules.
type Chain struct {
	Family string // ip, ip6, inet, bridge, arp, netdev
	Table  string
	Name   string // "" for a table of iptables-legacy, which is counted whole
	Rules  int
}

// Qdisc is a queueing discipline with a queue of its own.
type Qdisc struct {
	Device     string
	Where      string // the namespace's owner, "" for the host
	PID        int    // of a process in it, 0 for the host
	Kind       string // tbf, htb, fq_codel, ...
	Root       bool
	Rate       uint64 // bit/s that it lets through, 0 when it does not say
	Drops      uint32 // packets, since it was made
	Overlimits uint32 // times that a packet had to wait
	Queued     uint32 // packets, at the moment
}

// longestFirst counts rules into chains.
func longestFirst(count map[Chain]int) []Chain {
	out := make([]Chain, 0, len(count))
	for c, n := range count {
		c.Rules = n
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b Chain) int {
		return cmp.Or(cmp.Compare(b.Rules, a.Rules), cmp.Compare(a.Family, b.Family),
			cmp.Compare(a.Table, b.Table), cmp.Compare(a.Name, b.Name))
	})
	return out
}

// Place is the device with its owner.
func (q Qdisc) Place() string {
	if q.Where == "" {
		return q.Device
	}
	return q.Device + " of " + q.Where
}

// show is the command that shows it.
func (q Qdisc) show() string {
	c := "tc -s qdisc show dev " + q.Device
	if q.PID != 0 {
		c = fmt.Sprintf("nsenter -t %d -n %s", q.PID, c)
	}
	return c
}
