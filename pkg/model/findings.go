package model

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/hopscope/hopscope/pkg/model/human"
)

// A hop becomes a finding only where the data carries the sentence.
const (
	findingShare    = 0.40      // of its path's time, at least
	findingMeanNs   = 50_000    // mean of the hop, at least: below, it is no one's problem
	findingJourneys = 100       // of the path, at least
	findingOfAll    = 0.05      // of the time of all paths, at least
	findingEnough   = 0.90      // of the time of all paths: the rest is no finding
	maxFindings     = 3         // more would not be read
	warningMeanNs   = 1_000_000 // mean of the hop from which it is a warning
	criticalMeanNs  = 20_000_000
)

// suspect is a hop that may become a finding.
type suspect struct {
	path *Path
	hop  *Hop
	time float64 // ns, of all packets together
}

// findings are the one to three hops that explain most of the time. A hop that
// slows down several paths is told once, at the path where it takes the most.
func findings(paths []Path) []Finding {
	out := []Finding{}
	all, suspects := suspectHops(paths)
	told := map[hopName]bool{}
	var explained float64
	for _, s := range suspects {
		name := hopName{hop: s.hop.Hop, where: s.hop.Where}
		if s.time < findingOfAll*all || explained >= findingEnough*all {
			break
		}
		explained += s.time
		if told[name] || len(out) == maxFindings {
			continue
		}
		told[name] = true
		out = append(out, s.finding())
	}
	return out
}

// suspectHops gives the time of all paths, and the hops that pass every
// threshold, the longest time first. Only paths that take enough of the time
// are looked into, which are few.
func suspectHops(paths []Path) (all float64, out []suspect) {
	for i := range paths {
		all += float64(paths[i].Total.SumNs)
	}
	for i := range paths {
		p := &paths[i]
		if p.Journeys < findingJourneys || float64(p.Total.SumNs) < findingOfAll*all {
			continue
		}
		hops := p.AllHops()
		for k := range hops {
			h := &hops[k]
			if h.Dist.MeanNs != nil && h.Share >= findingShare && *h.Dist.MeanNs >= findingMeanNs {
				out = append(out, suspect{path: p, hop: h, time: float64(h.Dist.SumNs)})
			}
		}
	}
	slices.SortStableFunc(out, func(x, y suspect) int { return cmp.Compare(y.time, x.time) })
	return all, out
}

func (s suspect) finding() Finding {
	p, h := s.path, s.hop
	between := fmt.Sprintf("%s's time to %s", p.From.Name, p.To.Name)
	if p.Direction == "response" {
		between = fmt.Sprintf("the time of %s's answers to %s", p.From.Name, p.To.Name)
	}
	f := Finding{
		Kind:     "slow_hop",
		Severity: "info",
		Text:     fmt.Sprintf("%s of %s is `%s @ %s`", human.Percent(h.Share), between, h.Hop, h.Where),
		Evidence: fmt.Sprintf("%s %s: mean %s, p99 %s of this hop; whole path mean %s, over %s packets",
			p.service(), p.Direction, duration(h.Dist.MeanNs), duration(h.Dist.P99Ns),
			duration(p.Total.MeanNs), human.Count(p.Journeys)),
		Mend: mend(h),
	}
	switch mean := *h.Dist.MeanNs; {
	case mean >= criticalMeanNs:
		f.Severity = "critical"
	case mean >= warningMeanNs:
		f.Severity = "warning"
	}
	return f
}

// service is the protocol, and the port where it has ports.
func (p *Path) service() string {
	return serviceOf(p.Proto, p.Port)
}

func duration(ns *int64) string {
	if ns == nil {
		return "unknown"
	}
	return human.Duration(*ns)
}

// mend says what to try first against a slow hop. A hop that this kernel cannot
// separate ("stack_tx+qdisc") has the mend of its last part.
func mend(h *Hop) string {
	device := "DEVICE"
	if h.Device != nil {
		device = *h.Device
	}
	switch h.Hop[strings.LastIndexByte(h.Hop, '+')+1:] {
	case "qdisc":
		return fmt.Sprintf("packets wait for this device's queueing discipline: see `tc -s qdisc show dev %s`; raise its rate, or shorten its queue", device)
	case "backlog":
		return "packets wait for a CPU's softirq: see the third column of /proc/net/softnet_stat; free that CPU, or spread the load (RPS, IRQ affinity)"
	case "gro":
		return "packets wait to be merged with later ones: see gro_flush_timeout and napi_defer_hard_irqs of the device"
	case "driver":
		return fmt.Sprintf("the device is slow to send: see `ethtool -S %s`; its link may be full, or its ring too long", device)
	case "sock_lock":
		return "the receiving process holds its socket while packets arrive: it is busy reading or sending on another thread, or has no CPU"
	case "stack_rx", "stack_tx":
		return "the stack of this namespace is slow: look for firewall rules inside of it, packet captures, and CPU throttling"
	case "prerouting", "input", "forward", "output", "postrouting":
		return "netfilter takes this time: count the rules that each packet passes (`nft list ruleset`, `iptables -nvL`), and conntrack entries"
	case "encap", "decap":
		return "the tunnel takes this time: see whether the underlay's device has checksum and segmentation offload (`ethtool -k`)"
	case "bridge":
		return "forwarding in the bridge takes this time: look for ebtables or br_netfilter rules, and for a large forwarding table"
	}
	return "see what runs on the CPU at this place: `perf record -a -g` during the slow time"
}
