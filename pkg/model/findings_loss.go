package model

import (
	"fmt"

	"github.com/hopscope/hopscope/pkg/dropreason"
	"github.com/hopscope/hopscope/pkg/model/human"
)

// What makes a loss, or a lack of CPU, a finding.
const (
	lossPackets     = 10   // of one group of drops, at least
	lossWarning     = 1000 // from which on it is critical
	maxLossFindings = 2
	tableFull       = 0.9  // of the connection tracking table
	throttledShare  = 0.05 // of the time
	pressurePercent = 40.0
	cpuShare        = 0.50 // of the packets that wait for one CPU, at least, to be told of one end
	cpuPackets      = 1000
)

// lossFindings are what is dropped, and what the host's counters say.
func lossFindings(s *Snapshot) []Finding {
	out := dropFindings(s.Drops)
	out = append(out, conntrackFindings(s.HostStats.Conntrack)...)
	for _, c := range s.HostStats.Softnet {
		out = append(out, cpuFindings(c)...)
	}
	for i := range s.Containers {
		out = append(out, starved(&s.Containers[i], s.DurationNs)...)
	}
	return out
}

func severe(n, critical uint64) string {
	if n >= critical {
		return "critical"
	}
	return "warning"
}

func dropFindings(drops []Drop) (out []Finding) {
	var all uint64
	for i := range drops {
		all += drops[i].Count
	}
	for i := range drops {
		d := &drops[i]
		if d.Count < lossPackets || len(out) == maxLossFindings {
			break
		}
		f := Finding{
			Kind: "drops", Severity: severe(d.Count, lossWarning),
			Text: fmt.Sprintf("%s packets of %s to %s were dropped%s: %s", human.Count(d.Count), d.From.Name, d.To.Name, d.at(), d.Reason),
			Evidence: fmt.Sprintf("%s of all %s drops; %s, known by %s%s", human.Percent(float64(d.Count)/float64(all)),
				human.Count(all), serviceOf(d.Proto, d.Port), d.AttributedBy, d.byRule()),
			Mend: "see docs/drops.md, and the kernel function that freed them",
		}
		if r, ok := dropreason.At(d.Reason, d.Location); ok {
			f.Text += ", " + r.Meaning
			f.Mend = r.Mend
		}
		out = append(out, f)
	}
	return out
}

// at is the place where they died, as far as it is known.
func (d *Drop) at() string {
	if d.Where == "" {
		return ""
	}
	return fmt.Sprintf(" at `%s @ %s`", d.Hop, d.Where)
}

func (d *Drop) byRule() (text string) {
	if d.Stage != nil {
		text = "; stage " + *d.Stage
	}
	if d.Rule != nil {
		text += "; by rule (inferred) " + *d.Rule
	}
	return text
}

func serviceOf(proto string, port uint16) string {
	if port == 0 {
		return proto
	}
	return fmt.Sprintf("%s/%d", proto, port)
}

func conntrackFindings(c *ConntrackStats) (out []Finding) {
	if c == nil {
		return nil
	}
	evidence := fmt.Sprintf("%s of %s entries; %s dropped, %s insert_failed, %s early_drop", human.Count(c.Count),
		human.Count(c.Max), human.Count(c.Drop), human.Count(c.InsertFailed), human.Count(c.EarlyDrop))
	const room = "raise net.netfilter.nf_conntrack_max, shorten the timeouts in net.netfilter, or exempt traffic (NOTRACK)"
	switch {
	case c.Drop > 0 && float64(c.Count) >= tableFull*float64(c.Max):
		out = append(out, Finding{"conntrack", "critical", fmt.Sprintf("the connection tracking table is full: %s packets were dropped", human.Count(c.Drop)), evidence, room})
	case c.Drop+c.EarlyDrop > 0:
		out = append(out, Finding{"conntrack", "warning", fmt.Sprintf("connection tracking dropped %s packets, and %s entries to make room", human.Count(c.Drop), human.Count(c.EarlyDrop)), evidence, room})
	case float64(c.Count) >= tableFull*float64(c.Max):
		out = append(out, Finding{"conntrack", "warning", "the connection tracking table is nearly full", evidence, room})
	}
	if c.InsertFailed > 0 {
		out = append(out, Finding{"conntrack", "warning", fmt.Sprintf("%s packets were dropped since their connection tracking entry lost a race", human.Count(c.InsertFailed)), evidence,
			"mostly parallel DNS queries over UDP: use one socket for each (options single-request-reopen in resolv.conf), or a resolver without NAT"})
	}
	return out
}

// cpuFindings tell of one CPU whose softirq is behind.
func cpuFindings(c SoftnetStats) (out []Finding) {
	const spread = "spread the load: RPS (rps_cpus of the device's queues), IRQ affinity; or give that container fewer packets to send"
	b := c.Backlog
	whose := ""
	if b != nil && b.Packets >= cpuPackets && len(b.Shares) > 0 && b.Shares[0].Share >= cpuShare {
		whose = fmt.Sprintf(": %s of its packets belong to %s", human.Percent(b.Shares[0].Share), b.Shares[0].Name)
	}
	evidence := fmt.Sprintf("%s processed, %s dropped, %s times out of time", human.Count(c.Processed), human.Count(c.Dropped), human.Count(c.TimeSqueeze))
	if b != nil {
		evidence += fmt.Sprintf("; %s tracked packets waited %s for it on average", human.Count(b.Packets), human.Duration(b.MeanNs))
	}
	switch {
	case c.Dropped > 0:
		out = append(out, Finding{"softirq", severe(c.Dropped, lossWarning), fmt.Sprintf("the backlog of CPU %d was full: %s packets were dropped%s", c.CPU, human.Count(c.Dropped), whose), evidence,
			"raise net.core.netdev_max_backlog against bursts; " + spread})
	case whose != "" && b.MeanNs >= warningMeanNs:
		out = append(out, Finding{"softirq", "warning", fmt.Sprintf("packets wait for the softirq of CPU %d%s", c.CPU, whose), evidence, spread})
	}
	return out
}

// starved tells of a container that lacks CPU.
func starved(c *Container, duration int64) (out []Finding) {
	t, psi := c.CPU.ThrottledNs, c.CPU.PSISomePercent
	if t != nil && duration > 0 && float64(*t) >= throttledShare*float64(duration) {
		out = append(out, Finding{"cpu_throttled", "warning",
			fmt.Sprintf("%s was held back by its CPU limit", c.Name),
			fmt.Sprintf("tasks of it were throttled for %s in %s (cpu.stat)", human.Duration(int64(*t)), human.Duration(duration)),
			"raise its limit (docker update --cpus), or find what takes its CPU"})
	}
	if psi != nil && *psi >= pressurePercent {
		out = append(out, Finding{"cpu_pressure", "info",
			fmt.Sprintf("%s waits for CPUs in %.0f%% of the time", c.Name, *psi),
			fmt.Sprintf("cpu.pressure: some task of it was runnable and did not run for %.0f%% of %s", *psi, human.Duration(duration)),
			"give the host CPUs, or that container a larger share (--cpu-shares)"})
	}
	return out
}
