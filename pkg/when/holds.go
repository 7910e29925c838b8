package when

import (
	"fmt"
	"strings"

	"github.com/hopscope/hopscope/pkg/model"
	"github.com/hopscope/hopscope/pkg/model/human"
)

// Holds tells whether a snapshot shows what is waited for, and why: the numbers
// that were found. Tests of a path that are joined by "and" speak of the same
// path; a number that is unknown fulfils none.
func (c *Condition) Holds(s *model.Snapshot) (why string, ok bool) {
	for _, all := range c.any {
		if why, ok := holdAll(all, s); ok {
			return why, true
		}
	}
	return "", false
}

// holdAll tests what is of all traffic, then looks for a path for the rest.
func holdAll(tests []test, s *model.Snapshot) (string, bool) {
	var found []string
	var ofPath []test
	for _, t := range tests {
		if t.signal.ofPath {
			ofPath = append(ofPath, t)
			continue
		}
		v, known := t.ofAll(s)
		if !known || !t.compare(v) {
			return "", false
		}
		found = append(found, t.said(v))
	}
	if len(ofPath) == 0 {
		return strings.Join(found, ", "), true
	}
	for i := range s.Paths {
		if said, ok := holdOn(ofPath, &s.Paths[i]); ok {
			return strings.Join(append(said, found...), ", "), true
		}
	}
	return "", false
}

func holdOn(tests []test, p *model.Path) ([]string, bool) {
	var found []string
	for _, t := range tests {
		v, known := t.of(p)
		if !known || !t.compare(v) {
			return nil, false
		}
		found = append(found, t.said(v))
	}
	found[len(found)-1] += fmt.Sprintf(" (%s → %s %s/%d %s)", p.From.Name, p.To.Name, p.Proto, p.Port, p.Direction)
	return found, true
}

// said is a number as it was found.
func (t test) said(v float64) string {
	text := fmt.Sprintf("%.0f", v)
	switch t.unit {
	case duration:
		text = human.Duration(int64(v))
	case percent:
		text = fmt.Sprintf("%.3g%%", v)
	}
	return t.signal.name + " " + text
}

// of is the test's number of a path.
func (t test) of(p *model.Path) (v float64, known bool) {
	d := &p.Total
	ns := map[string]*int64{
		"p50": d.P50Ns, "p90": d.P90Ns, "p95": d.P95Ns, "p99": d.P99Ns, "p999": d.P999Ns, "mean": d.MeanNs, "max": d.MaxNs,
	}[t.signal.name]
	switch {
	case t.signal.name == "packets":
		return float64(p.Journeys), true
	case ns == nil:
		return 0, false
	}
	return float64(*ns), true
}

// ofAll is the test's number of all traffic.
func (t test) ofAll(s *model.Snapshot) (v float64, known bool) {
	if t.signal.name == "drops" {
		var n uint64
		for i := range s.Drops {
			n += s.Drops[i].Count
		}
		return float64(n), true
	}
	var again, sent uint64
	for i := range s.TCP {
		again += s.TCP[i].Retransmits.Total
		sent += s.TCP[i].SegmentsSent
	}
	if t.unit == count {
		return float64(again), true
	}
	// Segments are an estimate where packets are sampled, retransmits are exact.
	sent = max(sent, again)
	if sent == 0 {
		return 0, false
	}
	return 100 * float64(again) / float64(sent), true
}
