package export

import (
	"fmt"

	"github.com/hopscope/hopscope/pkg/model"
	"github.com/hopscope/hopscope/pkg/model/human"
)

const (
	maxHostRows    = 5    // of each kind
	worthPSI       = 10.0 // percent of the time, from which on it is told
	conntrackShare = 0.8  // of the table, likewise
)

// hostStats tells what the kernel's own counters say, where that is not 0.
func hostStats(p *page, s model.Snapshot) {
	var lines []string
	lines = append(lines, conntrackLine(s.HostStats.Conntrack)...)
	lines = append(lines, softnetLines(s.HostStats.Softnet)...)
	lines = append(lines, queueLines(s.HostStats)...)
	lines = append(lines, cpuLines(s.Containers)...)
	if len(lines) == 0 {
		return
	}
	p.section("HOST COUNTERS")
	for _, l := range lines {
		p.paragraph("", "  ", l, p.styles.plain)
	}
}

func conntrackLine(c *model.ConntrackStats) []string {
	if c == nil || c.Drop+c.InsertFailed+c.EarlyDrop == 0 && float64(c.Count) < conntrackShare*float64(c.Max) {
		return nil
	}
	return []string{fmt.Sprintf("conntrack: %s of %s entries; %s dropped, %s insert_failed, %s early_drop",
		human.Count(c.Count), human.Count(c.Max), human.Count(c.Drop), human.Count(c.InsertFailed), human.Count(c.EarlyDrop))}
}

func softnetLines(list []model.SoftnetStats) (out []string) {
	for _, c := range list {
		if c.Dropped > 0 {
			out = append(out, fmt.Sprintf("backlog of CPU %d: %s dropped, %s times out of time, %s processed",
				c.CPU, human.Count(c.Dropped), human.Count(c.TimeSqueeze), human.Count(c.Processed)))
		}
	}
	return first(out, maxHostRows)
}

func queueLines(h model.HostStats) []string {
	var qdiscs, devices []string
	for _, q := range h.Qdisc {
		if q.Dropped > 0 {
			qdiscs = append(qdiscs, fmt.Sprintf("qdisc %s %s of %s: %s dropped, %s overlimits",
				q.Kind, q.Handle, q.Where, human.Count(q.Dropped), human.Count(q.Overlimits)))
		}
	}
	for _, d := range h.Devices {
		devices = append(devices, fmt.Sprintf("%s: %s dropped in reception, %s in transmission",
			d.Where, human.Count(d.RxDropped), human.Count(d.TxDropped)))
	}
	return append(first(qdiscs, maxHostRows), first(devices, maxHostRows)...)
}

func cpuLines(list []model.Container) (out []string) {
	for _, c := range list {
		if t := c.CPU.ThrottledNs; t != nil && *t > 0 {
			out = append(out, fmt.Sprintf("%s: throttled for %s by its CPU limit", c.Name, human.Duration(int64(*t))))
		}
		if psi := c.CPU.PSISomePercent; psi != nil && *psi >= worthPSI {
			out = append(out, fmt.Sprintf("%s: some task waited for a CPU in %.0f%% of the time", c.Name, *psi))
		}
	}
	return first(out, maxHostRows)
}

// first are the first n lines, and how many there are beside.
func first(lines []string, n int) []string {
	if len(lines) <= n {
		return lines
	}
	return append(lines[:n:n], fmt.Sprintf("and %d more", len(lines)-n))
}
