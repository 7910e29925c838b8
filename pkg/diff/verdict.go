package diff

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// What has to be tested for a verdict of [Options.FailOver]: what a capture holds at
// least so often, a second. A trace of ten minutes has enough samples of all that. What
// is rarer is housekeeping, or takes a longer trace than anybody waits for.
const (
	paceOfPaths     = 1.0 // packets
	paceOfExchanges = 0.2 // requests
)

// ErrVanished says that something of the earlier capture is not in the later one.
var ErrVanished = errors.New("gone since")

// outside stands for whoever is no container of the host: each client has an address
// of its own, and what they ask of one service is tested by those with enough samples.
const outside = "outside"

// line is what a verdict is asked of: a path, or a response time, whatever the network,
// the address translation and the ends outside.
type line struct {
	from, to  string
	proto     string // "" of a response time
	port      uint16
	direction string
}

func (l line) String() string {
	if l.proto == "" {
		return fmt.Sprintf("response time of %s:%d to %s", l.to, l.port, l.from)
	}
	return fmt.Sprintf("%s → %s %s/%d %s", l.from, l.to, l.proto, l.port, l.direction)
}

// isHousekeeping is what comes with any traffic, at its own pace. Lookups are
// compared as such.
func (l line) isHousekeeping() bool { return strings.HasPrefix(l.proto, "icmp") || l.port == 53 }

// evidence is how often a line was seen.
type evidence struct {
	line
	before, after uint64
	tested        bool
}

func placeOf(e End) string {
	if e.Kind == "external" {
		return outside
	}
	return e.Name
}

// lines adds up what there is, the response times first.
func (c *comparison) lines() (out []evidence) {
	at := map[line]int{}
	add := func(l line, b, a *measured) {
		if l.isHousekeeping() {
			return
		}
		i, known := at[l]
		if !known {
			i = len(out)
			at[l], out = i, append(out, evidence{line: l})
		}
		if b != nil {
			out[i].before += b.total.dist.Count
		}
		if a != nil {
			out[i].after += a.total.dist.Count
		}
		if b != nil && a != nil && b.total.isEnough() && a.total.isEnough() {
			out[i].tested = true
		}
	}
	for _, id := range union(c.before.exchangeOrder, c.after.exchangeOrder) {
		l := line{from: placeOf(id.From), to: placeOf(id.To), port: id.Port}
		add(l, c.before.exchanges[id], c.after.exchanges[id])
	}
	for _, id := range union(c.before.order, c.after.order) {
		l := line{from: placeOf(id.From), to: placeOf(id.To), proto: id.Proto, port: id.Port, direction: id.Direction}
		add(l, c.before.paths[id], c.after.paths[id])
	}
	return out
}

func union[T comparable](a, b []T) []T {
	out := slices.Clone(a)
	known := map[T]bool{}
	for _, x := range a {
		known[x] = true
	}
	for _, x := range b {
		if !known[x] {
			out = append(out, x)
		}
	}
	return out
}

// untested sorts what was not tested: what is gone, what has too few samples, and
// how many of both are too rare to ask for a verdict. What appeared has no before.
func (c *comparison) untested() (gone, few []evidence, rare int) {
	for _, e := range c.lines() {
		pace := paceOfPaths
		if e.proto == "" {
			pace = paceOfExchanges
		}
		before, after := float64(e.before)/c.secondsBefore, float64(e.after)/c.seconds
		switch {
		case e.tested || e.before == 0:
		case max(before, after) < pace:
			rare++
		case e.after == 0:
			gone = append(gone, e)
		default:
			few = append(few, e)
		}
	}
	return gone, few, rare
}

// lacking is the error of what was not tested, nil where it was all tested.
func lacking(gone, few []evidence) error {
	var errs []error
	if len(gone) > 0 {
		errs = append(errs, fmt.Errorf("%w: %s", ErrVanished, listed(gone)))
	}
	if len(few) > 0 {
		errs = append(errs, fmt.Errorf("%w: %s: it takes %d in %d slices of time of each capture",
			ErrTooFewSamples, listed(few), minSamples, minSlices))
	}
	if len(errs) == 2 { // one sentence
		return fmt.Errorf("%w; %w", errs[0], errs[1])
	}
	return errors.Join(errs...)
}

// listed names the most frequent ones.
func listed(all []evidence) string {
	const named = 3
	slices.SortStableFunc(all, func(x, y evidence) int { return cmp.Compare(y.before+y.after, x.before+x.after) })
	var parts []string
	for _, e := range all[:min(len(all), named)] {
		parts = append(parts, fmt.Sprintf("%s (%d before, %d after)", e.line, e.before, e.after))
	}
	if more := len(all) - named; more > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(parts, ", ")
}
