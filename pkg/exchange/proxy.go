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
// this one: of the same process, within its time, of as many bytes either way, on the
// connection that is known for it, or that fits the next ones of its own, too. Where
// several are left, it is the one that leaves the least of the time to the proxy, and
// rather one that no shorter exchange waits for. That is counted: all that fit lead to
// the same service within the same time. nil: there is none.
func (j *Joiner) behind(e *entry) *entry {
	r := e.server
	if r == nil || r.reason() != ReasonNone || !j.isProxy(r.Sock.Tgid) {
		return nil
	}
	rivals := j.narrow(r, j.rivals(r))
	best := j.best(r, rivals)
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

// rivals are the connections with an exchange that fits, or would, were it not taken
// on a guess.
func (j *Joiner) rivals(r *Record) (opened []proxyEnd) {
	for _, o := range j.outs.within(r.owner(), r.begin(), r.AnswerEnd) {
		if o.claimed && !o.guessed || !j.fits(o, r) {
			continue
		}
		if end := o.proxy.proxyEnd(); !slices.Contains(opened, end) {
			opened = append(opened, end)
		}
	}
	return opened
}

// maxAhead bounds how many later exchanges are looked at to tell connections apart.
const maxAhead = 256

// narrow leaves of rivals those that fit what else waits of r's connection. One of
// which nothing fits tells nothing: the record may be missing.
func (j *Joiner) narrow(r *Record, rivals []proxyEnd) []proxyEnd {
	later := j.fronts[r.owner()].since(r.RequestRead)
	for _, f := range later[:min(len(later), maxAhead)] {
		if len(rivals) <= 1 {
			break
		}
		if f.Record == r || f.proxyEnd() != r.proxyEnd() {
			continue
		}
		fit := j.rivals(f.Record)
		both := slices.DeleteFunc(slices.Clone(rivals), func(end proxyEnd) bool { return !slices.Contains(fit, end) })
		if len(both) > 0 {
			rivals = both
		}
	}
	return rivals
}

// best is the exchange to take of those that are free on these connections.
func (j *Joiner) best(r *Record, on []proxyEnd) (best *out) {
	bestIsOurs := false
	for _, o := range j.outs.within(r.owner(), r.begin(), r.AnswerEnd) {
		if o.e == nil || o.claimed || !j.fits(o, r) || !slices.Contains(on, o.proxy.proxyEnd()) {
			continue
		}
		ours := j.shortest(o) == r
		if best == nil || ours && !bestIsOurs || ours == bestIsOurs && o.to-o.from > best.to-best.from {
			best, bestIsOurs = o, ours
		}
	}
	return best
}

// fits reports whether docker-proxy may have asked it to answer r. Of a sample, which
// lacks most of what else would fit, only connections that are known belong together.
func (j *Joiner) fits(o *out, r *Record) bool {
	if o.proxy == nil || o.tgid != r.Sock.Tgid || !o.proxy.carries(r) || o.from < r.begin() || o.to > r.AnswerEnd {
		return false
	}
	accepted, opened := r.proxyEnd(), o.proxy.proxyEnd()
	if r.Weight > 1 || o.proxy.Weight > 1 {
		return j.proxies[accepted] == opened
	}
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
