package model

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/hopscope/hopscope/pkg/dns"
	"github.com/hopscope/hopscope/pkg/model/human"
)

// A name server becomes a finding only where the data carries the sentence.
const (
	dnsUnanswered     = 3    // queries, at least
	dnsUnansweredRate = 0.01 // of the queries, at least
	dnsCriticalRate   = 0.10 // of the queries, unanswered or failed
	dnsFailed         = 5    // SERVFAIL and REFUSED, at least
	dnsFailedRate     = 0.05 // of the answers, at least
	dnsEnough         = 20   // answers, for a share of them or a percentile
	dnsNoNameRate     = 0.50 // of the answers, at least
	dnsSlowNs         = 100_000_000
	dnsVerySlowNs     = 1_000_000_000
	maxDNSFindings    = 2
)

// dnsFindings are what is worst about name servers. lost is how many messages
// the tracer itself lost: one of them may have been an answer that is missing.
func dnsFindings(rows []DNS, lost uint64) []Finding {
	var out []Finding
	for i := range rows {
		d := &rows[i]
		for _, f := range []*Finding{d.unanswered(lost), d.failing(), d.slow(), d.noName()} {
			if f != nil {
				out = append(out, *f)
				break
			}
		}
	}
	slices.SortStableFunc(out, func(x, y Finding) int { return cmp.Compare(dnsOrder(y), dnsOrder(x)) })
	return out[:min(len(out), maxDNSFindings)]
}

// dnsOrder puts what hurts most first.
func dnsOrder(f Finding) int {
	return slices.Index([]string{"info", "warning", "critical"}, f.Severity)
}

// unanswered is nil, too, for what Docker's name server passed on: it asks the
// next server then, and the container's own row tells how that ended.
func (d *DNS) unanswered(lost uint64) *Finding {
	rate := part(d.Timeout, d.Queries)
	if lost > 0 || d.Forwarded || d.Timeout < dnsUnanswered || rate < dnsUnansweredRate {
		return nil
	}
	return &Finding{
		Kind: "dns_timeout", Severity: severity(rate >= dnsCriticalRate),
		Text: fmt.Sprintf("%s of %s DNS queries of %s to %s got no answer within %v",
			human.Count(d.Timeout), human.Count(d.Queries), d.From.Name, d.Server(), dns.Timeout),
		Evidence: d.Summary(),
		Mend: "see whether that name server runs and is reachable (`hopscope trace --port 53` shows hops and drops on the way); " +
			"resolver libraries wait for seconds before they ask again (resolv.conf: timeout, attempts)",
	}
}

func (d *DNS) failing() *Finding {
	failed := d.failed()
	rate := part(failed, d.Answered)
	if failed < dnsFailed || rate < dnsFailedRate {
		return nil
	}
	return &Finding{
		Kind: "dns_failure", Severity: severity(rate >= dnsCriticalRate),
		Text: fmt.Sprintf("%s of the answers of %s to %s are failures (SERVFAIL, REFUSED)",
			human.Percent(rate), d.Server(), d.From.Name),
		Evidence: d.Summary(),
		Mend:     "see that name server's log: SERVFAIL means that it could not ask those above it, REFUSED that it does not serve this client or zone",
	}
}

// failed is how many answers say that the server could not, or would not, tell.
func (d *DNS) failed() uint64 {
	return d.Rcode[dns.RcodeName(dns.RcodeServFail)] + d.Rcode[dns.RcodeName(dns.RcodeRefused)]
}

func (d *DNS) slow() *Finding {
	if d.Answered < dnsEnough || *d.Latency.P90Ns < dnsSlowNs {
		return nil
	}
	f := &Finding{
		Kind: "dns_slow", Severity: severity(*d.Latency.P90Ns >= dnsVerySlowNs),
		Text: fmt.Sprintf("one in ten DNS queries of %s to %s takes %s or longer",
			d.From.Name, d.Server(), duration(d.Latency.P90Ns)),
		Evidence: d.Summary(),
		Mend:     "see what that name server waits for; a caching one nearby answers what is asked again and again",
	}
	if isEmbedded(d) {
		f.Mend = "Docker's name server waits for those that it asks for the container: see the row that it forwarded, and `dns` in /etc/docker/daemon.json"
	}
	return f
}

func (d *DNS) noName() *Finding {
	rate := part(d.Rcode[dns.RcodeName(dns.RcodeNXDomain)], d.Answered)
	if d.Answered < dnsEnough || rate < dnsNoNameRate || d.Forwarded {
		return nil
	}
	return &Finding{
		Kind: "dns_nxdomain", Severity: "info",
		Text: fmt.Sprintf("%s of the answers of %s to %s say that there is no such name (NXDOMAIN)",
			human.Percent(rate), d.Server(), d.From.Name),
		Evidence: d.Summary(),
		Mend:     "names are tried with each search domain first: see `search` and `options ndots` in resolv.conf, or end names with a dot",
	}
}

func severity(critical bool) string {
	if critical {
		return "critical"
	}
	return "warning"
}

func part(n, of uint64) float64 { return float64(n) / float64(max(of, 1)) }

func isEmbedded(d *DNS) bool { return d.To.Name == embeddedDNSName }
