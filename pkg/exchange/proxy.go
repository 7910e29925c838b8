package exchange

import (
	"net/netip"
	"slices"
)

// proxyEnd is docker-proxy's end of a connection, for as long as it lives.
type proxyEnd struct {
	cookie        uint64
	local, remote netip.AddrPort
}

func (r *Record) proxyEnd() proxyEnd { return proxyEnd{r.Sock.Cookie, r.Sock.Local, r.Sock.Remote} }

// proxyPairs remembers which connection to a container belongs to which one
// that docker-proxy accepted, for it opens one for each, and the reverse.
type proxyPairs map[proxyEnd]proxyEnd

// maxPairs bounds them. To forget them costs no more than to find them again.
const maxPairs = 8192

func (p proxyPairs) learn(accepted, opened proxyEnd) {
	if len(p) >= maxPairs {
		clear(p)
	}
	p[accepted], p[opened] = opened, accepted
}

// ofOther reports whether one end is known to belong to another than this.
func (p proxyPairs) ofOther(end, than proxyEnd) bool {
	other, known := p[end]
	return known && other != than
}

// behind finds the exchange that docker-proxy had with the container to answer
// this one: of the same process, within its time, of as many bytes either way.
// Where several fit, the connection that was found before tells; else it is the
// one that leaves the least of the time to the proxy, and rather one that no
// shorter exchange waits for. That is counted: all that fit lead to the same
// service within the same time. nil: there is none.
func (j *Joiner) behind(e *entry) *entry {
	r := e.server
	if r == nil || r.reason() != ReasonNone || !j.isProxy(r.Sock.Tgid) {
		return nil
	}
	var best *out
	bestIsOurs := false
	var rivals []proxyEnd // that fit, or would, were they not taken on a guess
	for _, o := range j.outs.within(r.owner(), r.begin(), r.AnswerEnd) {
		if o.claimed && !o.guessed || !j.fits(o, r) {
			continue
		}
		if opened := o.proxy.proxyEnd(); !slices.Contains(rivals, opened) {
			rivals = append(rivals, opened)
		}
		if o.e == nil || o.claimed {
			continue
		}
		ours := j.shortest(o) == r
		if best == nil || ours && !bestIsOurs || ours == bestIsOurs && o.to-o.from > best.to-best.from {
			best, bestIsOurs = o, ours
		}
	}
	if best == nil {
		return nil
	}
	best.claimed = true
	if len(rivals) > 1 {
		best.guessed = true
		j.counts.Guessed++
	} else {
		j.proxies.learn(r.proxyEnd(), rivals[0])
	}
	return best.e
}

// fits reports whether docker-proxy may have asked it to answer r.
func (j *Joiner) fits(o *out, r *Record) bool {
	if o.proxy == nil || o.tgid != r.Sock.Tgid || !o.proxy.carries(r) || o.from < r.begin() || o.to > r.AnswerEnd {
		return false
	}
	accepted, opened := r.proxyEnd(), o.proxy.proxyEnd()
	return !j.proxies.ofOther(opened, accepted) && !j.proxies.ofOther(accepted, opened)
}

// shortest is the shortest exchange that waits for its inner one and that this
// one fits into.
func (j *Joiner) shortest(o *out) (best *Record) {
	for _, f := range j.fronts.around(o) {
		if j.fits(o, f.Record) && (best == nil || f.AnswerEnd-f.begin() < best.AnswerEnd-best.begin()) {
			best = f.Record
		}
	}
	return best
}

func (r *Record) carries(o *Record) bool {
	return r.RequestBytes == o.RequestBytes && r.AnswerBytes == o.AnswerBytes
}
