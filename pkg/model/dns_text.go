package model

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/hopscope/hopscope/pkg/model/human"
)

// Server names the name server, with its address where that says more.
func (d *DNS) Server() string {
	if d.To.Name == d.Resolver {
		return d.Resolver
	}
	return fmt.Sprintf("%s %s", d.To.Name, d.Resolver)
}

// Summary is the row's numbers in words.
func (d *DNS) Summary() string {
	parts := []string{human.Count(d.Queries) + " queries"}
	if d.Queries == 1 {
		parts[0] = "1 query"
	}
	for _, x := range []struct {
		n    uint64
		what string
	}{
		{d.Timeout, "unanswered"}, {d.Superseded, "answered by another first"}, {d.Pending, "still waiting"},
		{d.Retries, "sent again"}, {d.Truncated, "too long for UDP"},
	} {
		if x.n > 0 {
			parts = append(parts, human.Count(x.n)+" "+x.what)
		}
	}
	if d.Latency.Samples > 0 {
		parts = append(parts, fmt.Sprintf("p50 %s p99 %s", duration(d.Latency.P50Ns), duration(d.Latency.P99Ns)))
	}
	return strings.Join(append(parts, d.codes()...), ", ")
}

// codes are the answers by code, the most first.
func (d *DNS) codes() []string {
	names := make([]string, 0, len(d.Rcode))
	for name := range d.Rcode {
		names = append(names, name)
	}
	slices.SortFunc(names, func(x, y string) int {
		return cmp.Or(cmp.Compare(d.Rcode[y], d.Rcode[x]), cmp.Compare(x, y))
	})
	for i, name := range names {
		names[i] = fmt.Sprintf("%s %s", name, human.Count(d.Rcode[name]))
	}
	return names
}

// Troubled reports whether queries went unanswered, or the server failed.
func (d *DNS) Troubled() bool { return d.Timeout > 0 || d.failed() > 0 }
