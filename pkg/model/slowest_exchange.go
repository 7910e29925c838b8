package model

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/hopscope/hopscope/pkg/exchange"
	"github.com/hopscope/hopscope/pkg/model/human"
)

// keptExchanges is how many of its slowest exchanges a row keeps. Each row has
// its own, so that a conversation of which all answers are quick has them, too.
const keptExchanges = 3

// slowExchange is a copy of one of the slowest exchanges of a row.
type slowExchange struct {
	start uint64 // CLOCK_MONOTONIC, ns
	total uint64 // ns
	parts []slowPart
}

// slowPart is time at one of the row's parts.
type slowPart struct {
	at int // its index
	ns uint64
}

// keepSlow makes room for an exchange among the slowest, the longest first; nil
// if it is none of them. Of two that took as long the first is kept.
func (s *exchangeStats) keepSlow(start, total uint64) *slowExchange {
	at := len(s.slow)
	for at > 0 && (s.slow[at-1].total < total || s.slow[at-1].total == total && s.slow[at-1].start > start) {
		at--
	}
	if at == keptExchanges {
		return nil
	}
	fresh := slowExchange{start: start, total: total}
	if last := len(s.slow) - 1; last == keptExchanges-1 {
		fresh.parts = s.slow[last].parts[:0]
		s.slow = s.slow[:last]
	}
	s.slow = slices.Insert(s.slow, at, fresh)
	return &s.slow[at]
}

func (x *slowExchange) add(at int, ns uint64) {
	if x != nil && ns > 0 {
		x.parts = append(x.parts, slowPart{at, ns})
	}
}

// sealedSlow is a slow exchange in flat memory.
type sealedSlow struct {
	start, total uint64
	parts        span
}

func (s *Sealed) slowExchanges(list []slowExchange) (out span) {
	out.from = uint32(len(s.slowAnswers))
	for i := range list {
		x := sealedSlow{start: list[i].start, total: list[i].total}
		x.parts.from = uint32(len(s.slowParts))
		s.slowParts = append(s.slowParts, list[i].parts...)
		x.parts.to = uint32(len(s.slowParts))
		s.slowAnswers = append(s.slowAnswers, x)
	}
	out.to = uint32(len(s.slowAnswers))
	return out
}

// mergeSlow takes over those that are among the slowest here, too. index tells
// where the parts of the other row are in this one.
func (s *exchangeStats) mergeSlow(from *Sealed, list span, index []int) {
	for _, x := range from.slowAnswers[list.from:list.to] {
		kept := s.keepSlow(x.start, x.total)
		for _, p := range from.slowParts[x.parts.from:x.parts.to] {
			kept.add(index[p.at], p.ns)
		}
	}
}

// addSlow names slow exchanges whose parts have the given names.
func (n *namedExchange) addSlow(zero time.Time, list []slowExchange, names []partName) {
	for i := range list {
		x := SlowExchange{
			At: zero.Add(time.Duration(list[i].start)).UTC(), TotalNs: int64(list[i].total),
			Parts: make([]SlowPart, 0, len(list[i].parts)),
		}
		parts := slices.Clone(list[i].parts)
		slices.SortFunc(parts, func(p, q slowPart) int {
			return cmp.Or(names[p.at].compare(names[q.at]), cmp.Compare(p.at, q.at))
		})
		for k, p := range parts {
			if k > 0 && names[p.at] == names[parts[k-1].at] { // whom it waits for may have several addresses
				x.Parts[len(x.Parts)-1].Ns += int64(p.ns)
				continue
			}
			x.Parts = append(x.Parts, SlowPart{Part: names[p.at].kind.String(), Where: names[p.at].where, Ns: int64(p.ns)})
		}
		x.markEstimates()
		n.slow = append(n.slow, x)
	}
}

// slowest of all raw rows of the name.
func (n *namedExchange) slowest() []SlowExchange {
	slices.SortFunc(n.slow, func(x, y SlowExchange) int {
		return cmp.Or(cmp.Compare(y.TotalNs, x.TotalNs), x.At.Compare(y.At))
	})
	return append([]SlowExchange{}, n.slow[:min(keptExchanges, len(n.slow))]...)
}

// compare orders parts as an exchange meets them.
func (p partName) compare(q partName) int {
	return cmp.Or(cmp.Compare(p.kind, q.kind), cmp.Compare(p.where, q.where))
}

// Label names the part: "app @ api", "waiting on db:5432".
func (p *SlowPart) Label() string { return partLabel(p.Part, p.Where, p.Estimate) }

// Split is where the time went in words, the largest part first: "app 38.0ms,
// sock_recv @ web 2.10ms". Parts of less than a hundredth are left out, and
// places where no other part has the name.
func (x *SlowExchange) Split() string {
	parts := slices.Clone(x.Parts)
	slices.SortStableFunc(parts, func(p, q SlowPart) int { return cmp.Compare(q.Ns, p.Ns) })
	var out []string
	for i := range parts {
		if parts[i].Ns >= x.TotalNs/100 {
			out = append(out, parts[i].short(parts)+" "+human.Duration(parts[i].Ns))
		}
	}
	return strings.Join(out, ", ")
}

// short names the part among others.
func (p *SlowPart) short(among []SlowPart) string {
	namesakes := 0
	for i := range among {
		if among[i].Part == p.Part {
			namesakes++
		}
	}
	switch {
	case namesakes > 1 || p.Part == exchange.PartWaiting.String():
		return p.Label()
	case p.Estimate:
		return p.Part + " ~"
	}
	return p.Part
}

// markEstimates marks what waiting makes an estimate.
func (x *SlowExchange) markEstimates() {
	waiting, app := exchange.PartWaiting.String(), exchange.PartApp.String()
	waits := slices.ContainsFunc(x.Parts, func(p SlowPart) bool { return p.Part == waiting })
	for i := range x.Parts {
		x.Parts[i].Estimate = waits && (x.Parts[i].Part == waiting || x.Parts[i].Part == app)
	}
}

func partLabel(part, where string, estimate bool) string {
	label := part + " @ " + where
	if part == exchange.PartWaiting.String() {
		label = part + " on " + where
	}
	if estimate {
		label += " ~"
	}
	return label
}
