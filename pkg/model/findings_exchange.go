package model

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/hopscope/hopscope/pkg/model/human"
)

// A verdict on response times is given only where the data carries it.
const (
	verdictExchanges = 30            // of the row, at least
	verdictShare     = 0.50          // of its time: what explains less than half of it is none
	verdictMeanNs    = 1_000_000     // mean of the part, at least
	verdictOfAll     = 0.10          // of the time of all exchanges, at least
	verdictExcluded  = 0.50          // left out of the row, at most: the rest need not be like what is seen
	maxVerdicts      = 2             // more would not be read
	warningAnswerNs  = 100_000_000   // mean of the part from which it is a warning
	criticalAnswerNs = 1_000_000_000 // likewise
)

// verdict is where most of a row's time goes.
type verdict struct {
	row   *Exchange
	parts []*ExchangePart
	kind  string // of the finding
	ns    uint64 // of these parts
}

// verdicts say of the slowest exchanges whether it is the network, the
// application, or one that it waits for.
func verdicts(rows []Exchange, paths []Path) []Finding {
	var all uint64
	var list []verdict
	for i := range rows {
		x := &rows[i]
		all += x.Total.SumNs
		if v, ok := x.verdict(); ok {
			list = append(list, v)
		}
	}
	slices.SortStableFunc(list, func(x, y verdict) int { return cmp.Compare(y.ns, x.ns) })
	var out []Finding
	for _, v := range list {
		if len(out) == maxVerdicts || float64(v.ns) < verdictOfAll*float64(all) {
			break
		}
		out = append(out, v.finding(paths))
	}
	return out
}

// classOf groups parts that a verdict does not tell apart.
func classOf(p *ExchangePart) string {
	switch p.Part {
	case "app", "app_body", "sock_recv+app":
		return "slow_app"
	case "waiting":
		return "slow_upstream " + p.Where
	case "request_network", "response_network", "request_network+sock_recv":
		return "slow_network"
	case "sock_recv":
		return "slow_read " + p.Where
	case "userland_proxy":
		return "slow_proxy"
	}
	return "" // the kernel did not tell what it was
}

// verdict is false where no class of parts explains enough.
func (x *Exchange) verdict() (verdict, bool) {
	if x.Count < verdictExchanges || float64(x.Excluded) > verdictExcluded*float64(x.Excluded+x.Count) {
		return verdict{}, false
	}
	by := map[string]*verdict{}
	var best *verdict
	for i := range x.Parts {
		p := &x.Parts[i]
		class := classOf(p)
		v := by[class]
		if v == nil {
			v = &verdict{row: x, kind: class}
			by[class] = v
		}
		v.parts, v.ns = append(v.parts, p), v.ns+p.Dist.SumNs
		if class != "" && (best == nil || v.ns > best.ns) {
			best = v
		}
	}
	if best == nil || float64(best.ns) < verdictShare*float64(x.Total.SumNs) || best.mean() < verdictMeanNs {
		return verdict{}, false
	}
	best.kind, _, _ = strings.Cut(best.kind, " ")
	return *best, true
}

// mean of the parts together, over the exchanges of the row.
func (v *verdict) mean() int64 { return int64(v.ns / max(v.row.Count, 1)) }

func (v *verdict) finding(paths []Path) Finding {
	x := v.row
	what, mend := v.words(paths)
	f := Finding{
		Kind: v.kind, Severity: "info", Mend: mend,
		Text: fmt.Sprintf("%s of %s's response time to %s%s is %s",
			human.Percent(float64(v.ns)/float64(x.Total.SumNs)), x.To.Name, x.From.Name, x.edge(), what),
		Evidence: fmt.Sprintf("tcp/%d: mean %s of it, response time mean %s, p99 %s, over %s exchanges%s",
			x.Port, human.Duration(v.mean()), duration(x.Total.MeanNs), duration(x.Total.P99Ns), human.Count(x.Count), x.leftOut()),
	}
	switch mean := v.mean(); {
	case mean >= criticalAnswerNs:
		f.Severity = "critical"
	case mean >= warningAnswerNs:
		f.Severity = "warning"
	}
	return f
}

// edge says where the time begins, where that is not at the client.
func (x *Exchange) edge() string {
	if x.View == "server" {
		return " (from this host's edge on)"
	}
	return ""
}

// sampled says that not every exchange was seen, and so not all that the
// application waited for.
func (x *Exchange) sampled() bool { return x.Total.Count > x.Total.Samples }

// leftOut tells how many were excluded, "" for none.
func (x *Exchange) leftOut() string {
	if x.Excluded == 0 {
		return ""
	}
	return fmt.Sprintf(" (%s more left out)", human.Percent(float64(x.Excluded)/float64(x.Excluded+x.Count)))
}

func (v *verdict) words(paths []Path) (what, try string) {
	x, p := v.row, v.parts[0]
	switch v.kind {
	case "slow_upstream":
		return fmt.Sprintf("%s waiting on %s (an estimate)", x.To.Name, p.Where),
			"look at the response time of " + p.Where + " before that of " + x.To.Name
	case "slow_network":
		if hop := worstHopBetween(paths, x); hop != nil {
			return fmt.Sprintf("the network: `%s @ %s`", hop.Hop, hop.Where), mend(hop)
		}
		return "the network", "see the hops of this path, and the retransmissions of both sides"
	case "slow_read":
		return p.Where + " not reading what has arrived",
			"the process is busy elsewhere or has no CPU: look for its throttling, blocked event loops, and full thread pools"
	case "slow_proxy":
		return "`userland_proxy`", "docker-proxy copies every byte: reach the container's address, or let DNAT serve the port (no --userland-proxy, no IPv6 address without one in the container)"
	}
	if x.sampled() {
		return "its own application, or what that waits for", "trace with `--sample 1`, which tells the two apart"
	}
	return "its own application", fmt.Sprintf("profile %s while it answers; the network takes little of this time", x.To.Name)
}

// worstHopBetween is the hop that takes the most time of the paths under an
// exchange, nil where none takes a quarter of its path.
func worstHopBetween(paths []Path, x *Exchange) *Hop {
	var worst *Hop
	var most float64
	for i := range paths {
		p := &paths[i]
		same := p.From.Name == x.From.Name && p.To.Name == x.To.Name || p.From.Name == x.To.Name && p.To.Name == x.From.Name
		if !same || p.Proto != "tcp" || p.Port != x.Port {
			continue
		}
		hops := p.AllHops()
		for k := range hops {
			h := &hops[k]
			if ns := h.Share * float64(p.Total.SumNs); h.Share >= 0.25 && ns > most {
				worst, most = h, ns
			}
		}
	}
	return worst
}

// allFindings are what the snapshot carries: what fails, where response time
// goes, which hops are slow, and what others found, the worst first.
func allFindings(s *Snapshot, others []Finding) []Finding {
	out := append(failures(s.TCP), verdicts(s.Exchanges, s.Paths)...)
	// A hop says more than "the network".
	at := slices.IndexFunc(out, func(f Finding) bool { return f.Kind == "slow_network" })
	if at < 0 {
		at = len(out)
	}
	out = slices.Insert(out, at, append(findings(s.Paths), others...)...)
	slices.SortStableFunc(out, func(x, y Finding) int { return cmp.Compare(rank(y), rank(x)) })
	if out == nil {
		return []Finding{}
	}
	return out
}

// rank is greater for what is worse.
func rank(f Finding) int {
	return slices.Index([]string{"info", "warning", "critical"}, f.Severity)
}

// Label names a part and its place: "app @ api", "waiting on db:5432 ~". The
// tilde marks an estimate.
func (p *ExchangePart) Label() string {
	return partLabel(p.Part, p.Where, p.Estimate)
}

// Worst is the index of the part of the largest share, or -1.
func (x *Exchange) Worst() int {
	worst := -1
	for i := range x.Parts {
		if worst < 0 || x.Parts[i].Share > x.Parts[worst].Share {
			worst = i
		}
	}
	return worst
}
