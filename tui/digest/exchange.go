package digest

import (
	"fmt"
	"strings"

	"github.com/hopscope/hopscope/pkg/model"
	"github.com/hopscope/hopscope/pkg/model/human"
)

// Exchange is the requests and answers of a conversation, those seen from most
// ends; nil where none was seen.
func (d *Digest) Exchange(t *Talk) *model.Exchange {
	if t == nil || t.Worst.Proto != "tcp" {
		return nil
	}
	var best *model.Exchange
	client, server := t.Client.Endpoint(), t.Server.Endpoint()
	all := d.Frame.Snapshot.Exchanges
	for i := range all {
		x := &all[i]
		if x.Count == 0 || x.Port != t.Worst.Port || x.From.Endpoint() != client || x.To.Endpoint() != server {
			continue
		}
		if best == nil || (x.View == "both") != (best.View == "both") && x.View == "both" || x.View == best.View && x.Count > best.Count {
			best = x
		}
	}
	return best
}

// leastShare is what a part has to take to be told of in a sentence.
const leastShare = 0.01

// Parts are the kinds of time that an exchange is made of, in one sentence for
// each that takes at least a hundredth: "app 62%, waiting on db 30% ~". Two of one
// kind are told apart by their places.
func Parts(x *model.Exchange) string {
	kinds := map[string]int{}
	for i := range x.Parts {
		if x.Parts[i].Share >= leastShare {
			kinds[x.Parts[i].Part]++
		}
	}
	var parts []string
	for i := range x.Parts {
		p := &x.Parts[i]
		if p.Share < leastShare {
			continue
		}
		name := p.Part
		switch {
		case name == "waiting":
			name = "waiting on " + p.Where
		case kinds[name] > 1:
			name += " @ " + p.Where
		}
		text := name + " " + human.Percent(p.Share)
		if p.Estimate {
			text += " ~"
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ", ")
}

// app makes a server's time to the first byte of its answers its row's, if it
// is the worst of them.
func (d *Digest) app(x *model.TCP) {
	if x.App == nil || x.App.P99Ns == nil || x.Role != "server" {
		return
	}
	r := &d.Rows[d.end(&x.From)]
	switch known, better := r.appSamples >= enough, x.App.Samples >= enough; {
	case r.App == Unknown, better && !known:
	case known && !better, *x.App.P99Ns <= r.App:
		return
	}
	r.App, r.appSamples = *x.App.P99Ns, x.App.Samples
}

// rtt makes a side's round trip time its row's, if it is the worst of them.
func (d *Digest) rtt(x *model.TCP) {
	if r := &d.Rows[d.end(&x.From)]; x.RTT.Samples >= enough {
		r.RTT = max(r.RTT, *x.RTT.P50Ns)
	}
}

// Summary of a conversation's exchanges in a line.
func Summary(x *model.Exchange) string {
	text := fmt.Sprintf("answers p50 %s p99 %s: %s", figure(x.Total.P50Ns), figure(x.Total.P99Ns), Parts(x))
	if x.View != "both" {
		text += ", seen at the " + x.View + " alone"
	}
	return text
}

func figure(ns *int64) string {
	if ns == nil {
		return "-"
	}
	return human.Duration(*ns)
}
