package model

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/hopscope/hopscope/pkg/model/human"
)

// What makes connections that fail a finding.
const (
	maxFailures    = 2    // findings about connections that failed
	failedConnects = 3    // of one kind, at least
	failedShare    = 0.01 // of the connects of a side, at least
	resetShare     = 0.05 // of the connections of a side, at least
)

// failure is a finding, and how many connections it is about.
type failure struct {
	n uint64
	f Finding
}

// failures tell of connections that were not made, or reset, those of most first.
func failures(rows []TCP) []Finding {
	var list []failure
	for i := range rows {
		list = append(list, rows[i].notMade()...)
		list = append(list, rows[i].resetByServer()...)
	}
	slices.SortStableFunc(list, func(x, y failure) int { return cmp.Compare(y.n, x.n) })
	var out []Finding
	for _, x := range list[:min(len(list), maxFailures)] {
		out = append(out, x.f)
	}
	return out
}

// notMade tells of what connect(2) failed with.
func (t *TCP) notMade() (list []failure) {
	if t.Connects == nil {
		return nil
	}
	c := t.Connects
	for _, k := range []struct {
		n                   uint64
		what, because, mend string
	}{
		{c.Refused, "refused", "something answered with a reset", "nothing listens there: see whether the service runs, on which address it listens, and the port"},
		{c.Timeout, "not answered", "SYNs went unanswered until the kernel gave up", "see DROPS for the SYNs, the listen queue of the server, and the route"},
		{c.Unreachable, "unreachable", "there is no route, or it is not allowed", "see `ip route get` in the container, and firewall rules that reject"},
	} {
		if k.n < failedConnects || float64(k.n) < failedShare*float64(c.Total()) {
			continue
		}
		list = append(list, failure{k.n, Finding{
			Kind: "connect_" + strings.ReplaceAll(k.what, " ", "_"), Severity: "critical", Mend: k.mend,
			Text: fmt.Sprintf("%s of %s's %s connects to %s tcp/%d were %s",
				human.Count(k.n), t.From.Name, human.Count(c.Total()), t.To.Name, t.Port, k.what),
			Evidence: k.because + "; exact count",
		}})
	}
	return list
}

// resetByServer tells of a client's connections that its server reset. A reset
// that refused one is no such.
func (t *TCP) resetByServer() []failure {
	if t.Role != "client" || t.Resets == nil || t.Connects == nil || t.Resets.Received <= t.Connects.Refused {
		return nil
	}
	n, made := t.Resets.Received-t.Connects.Refused, t.Connects.OK
	if n < failedConnects || float64(n) < resetShare*float64(made) {
		return nil
	}
	text := fmt.Sprintf("%s resets %s of %s's connections (tcp/%d)", t.To.Name, human.Percent(float64(n)/float64(max(made, 1))), t.From.Name, t.Port)
	if n > made { // older ones, or one connection that got several
		text = fmt.Sprintf("%s sent %s's connections %s resets (tcp/%d)", t.To.Name, t.From.Name, human.Count(n), t.Port)
	}
	return []failure{{n, Finding{
		Kind: "resets", Severity: "warning", Text: text,
		Evidence: fmt.Sprintf("%s resets received by %s, beside %s connections that it made; exact counts", human.Count(n), t.From.Name, human.Count(made)),
		Mend:     fmt.Sprintf("%s closes connections with data unread, or aborts them: see its log, its crashes and idle timeouts; or a firewall between rejects with a reset", t.To.Name),
	}}}
}
