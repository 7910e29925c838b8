// Package hostcounters follows the kernel's own counters of what its trace
// points do not show: listen queues, connection tracking, softirq backlogs,
// qdiscs, devices, CPU limits and pressure. It only reads; what cannot be read
// has no counter, never a 0.
package hostcounters

import (
	"slices"

	"github.com/hopscope/hopscope/pkg/model"
)

// Targets are what is to be read beside the host's own counters.
type Targets struct {
	Host       uint32 // inode of the host's network namespace, which this process is in
	Namespaces []Namespace
	Containers []Container
}

// Namespace is another network namespace, through a process in it.
type Namespace struct {
	Inode uint32
	PID   int
}

// Container is a running container, whose cgroups are those of its process.
type Container struct {
	ID  string
	PID int
}

// reading is the counters of one source at one moment.
type reading map[model.CounterKey]uint64

// source is a place that is read whole: a file, or a namespace's devices.
type source struct {
	what      string
	netns     uint32
	container string
}

// Tracker tells how far the counters moved since it looked last. It belongs to
// one goroutine.
type Tracker struct {
	files  files
	before map[source]reading // the last that there was; nil: it could not be read yet
	rules  map[source]ruleNames
	begun  bool
	turn   int // namespaces are read in turns
}

// perTurn bounds how many namespaces one call reads, so that many containers
// cost no more than some: a file of a namespace takes some 50 µs.
const perTurn = 64

// New makes a tracker that counts from its first Read on.
func New() *Tracker { return newTracker("/proc") }

func newTracker(proc string) *Tracker {
	return &Tracker{files: files{proc: proc, groups: findGroups(proc)}, before: map[source]reading{}, rules: map[source]ruleNames{}}
}

// Read gives what moved since the last call, and each new counter even at 0.
// The first call is the start: its counts are 0, but for levels. What is there
// later only is new, and counts from 0. What cannot be read for once is told as
// unread, and its movement by the next call that can. Unless all is set, some
// namespaces may be left to the next calls.
func (t *Tracker) Read(to Targets, all bool) []model.CounterCount {
	var out []model.CounterCount
	const own = "self"
	seen := map[source]bool{}
	take := func(s source, pid string, read func() reading) {
		seen[s] = true
		out = append(out, t.moved(s, pid, read())...)
	}
	take(source{what: "softnet"}, own, t.files.softnet)
	take(source{what: "conntrack"}, own, func() reading { return t.files.conntrack(to.Host) })
	take(source{what: "netstat", netns: to.Host}, own, func() reading { return t.files.netstat(to.Host, own) })
	take(source{what: "links", netns: to.Host}, own, func() reading { return links(to.Host, "") })
	take(source{what: "rules", netns: to.Host}, own, func() reading { return t.rulesOf(to.Host, "") })
	take(source{what: "legacy rules", netns: to.Host}, own, func() reading { return legacyRules(to.Host, t.names(source{what: "legacy rules", netns: to.Host})) })
	for i, ns := range to.Namespaces {
		if !all && !t.hasTurn(i, len(to.Namespaces)) {
			for _, what := range []string{"netstat", "links", "rules"} {
				seen[source{what: what, netns: ns.Inode}] = true
			}
			continue
		}
		take(source{what: "netstat", netns: ns.Inode}, number(ns.PID), func() reading { return t.files.netstat(ns.Inode, number(ns.PID)) })
		for what, read := range map[string]func(uint32, string) reading{"links": links, "rules": t.rulesOf} {
			at := source{what: what, netns: ns.Inode}
			seen[at] = true
			if _, known := t.before[at]; all || !known { // entering a namespace takes a thread of its own
				take(at, number(ns.PID), func() reading { return read(ns.Inode, t.files.namespace(ns.PID)) })
			}
		}
	}
	t.turn += perTurn
	for _, c := range to.Containers {
		take(source{what: "cpu", container: c.ID}, number(c.PID), func() reading { return t.files.cpu(c) })
	}
	for s := range t.before {
		if !seen[s] { // gone: another one with its number begins anew
			delete(t.before, s)
			delete(t.rules, s)
		}
	}
	t.begun = true
	slices.SortFunc(out, compareCounts)
	return out
}

func (t *Tracker) rulesOf(netns uint32, path string) reading {
	return rules(netns, path, t.names(source{what: "rules", netns: netns}))
}

// names are those of the rules of a source.
func (t *Tracker) names(s source) ruleNames {
	n, ok := t.rules[s]
	if !ok {
		n = newRuleNames()
		t.rules[s] = n
	}
	return n
}

func (t *Tracker) hasTurn(i, n int) bool {
	return n <= perTurn || (i-t.turn%n+n)%n < perTurn
}

// Known lists every counter that there is, at 0 or its level: where to begin
// for who has not been told of them.
func (t *Tracker) Known() []model.CounterCount {
	var out []model.CounterCount
	for _, r := range t.before {
		for k, n := range r {
			if !k.Kind.Level() {
				n = 0
			}
			out = append(out, model.CounterCount{CounterKey: k, N: n})
		}
	}
	slices.SortFunc(out, compareCounts)
	return out
}

// moved compares a source, read through a process, with what it was, and keeps it.
func (t *Tracker) moved(s source, pid string, now reading) []model.CounterCount {
	before, known := t.before[s]
	if now == nil && before != nil {
		return t.unread(s, pid)
	}
	t.before[s] = now
	first := !t.begun || known && before == nil // a start, or readable only now
	var out []model.CounterCount
	for k, n := range now {
		old, was := before[k]
		switch {
		case k.Kind.Level():
			if !was || n != old {
				out = append(out, model.CounterCount{CounterKey: k, N: n})
			}
		case first:
			out = append(out, model.CounterCount{CounterKey: k})
		case !was:
			out = append(out, model.CounterCount{CounterKey: k, N: n})
		case n != old:
			out = append(out, model.CounterCount{CounterKey: k, N: step(old, n, bitsOf(k.Kind))})
		}
	}
	return out
}

// unread counts a failure, unless it is that the process ended.
func (t *Tracker) unread(s source, pid string) []model.CounterCount {
	if !t.files.runs(pid) {
		return nil
	}
	return []model.CounterCount{{CounterKey: model.CounterKey{Kind: model.CountUnread, Netns: s.netns, Container: s.container}, N: 1}}
}

// bitsOf is how wide the kernel's counter is: struct softnet_data counts
// processed, dropped and time_squeeze in unsigned int, struct gnet_stats_queue
// drops and overlimits in __u32, struct ip_conntrack_stat in unsigned int.
func bitsOf(k model.CounterKind) int {
	switch k {
	case model.CountSoftnetProcessed, model.CountSoftnetDropped, model.CountSoftnetSqueezed,
		model.CountQdiscDrops, model.CountQdiscOverlimits,
		model.CountConntrackDrop, model.CountConntrackInsertFailed, model.CountConntrackEarlyDrop:
		return 32
	}
	return 64
}

// step is how far a counter moved. One that went back began anew, as that of a
// qdisc that was replaced, unless it was near its end: then it wrapped.
func step(before, now uint64, bits int) uint64 {
	const nearEnd, nearStart = 3 << 30, 1 << 30
	switch {
	case now >= before:
		return now - before
	case bits == 32 && before >= nearEnd && now < nearStart:
		return now + 1<<32 - before
	}
	return now
}
