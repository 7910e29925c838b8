package digest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hopscope/hopscope/pkg/model"
	"github.com/hopscope/hopscope/pkg/model/human"
)

// Talk is a conversation: both directions of one path. Either may be missing.
type Talk struct {
	Client, Server    *model.End
	Request, Response *model.Path
	Worst             *model.Path // the direction with the higher p99
}

// TalkKey tells conversations apart, and finds one again in the next digest.
type TalkKey struct{ model.PathID }

func compareDown[T cmp.Ordered](x, y T) int { return cmp.Compare(y, x) }

// keyOf is the identity of the request, also for a response.
func keyOf(p *model.Path) TalkKey {
	id := p.ID()
	if id.Direction == "response" {
		id.From, id.To = id.To, id.From
	}
	id.Direction = ""
	return TalkKey{id}
}

// Key of the conversation.
func (t *Talk) Key() TalkKey { return keyOf(t.Worst) }

// Paths are the directions that there are, the request first.
func (t *Talk) Paths() []*model.Path {
	out := make([]*model.Path, 0, 2)
	for _, p := range []*model.Path{t.Request, t.Response} {
		if p != nil {
			out = append(out, p)
		}
	}
	return out
}

// Service is the protocol, and the port where there is one: "tcp/8080".
func Service(proto string, port uint16) string {
	if port == 0 {
		return proto
	}
	return fmt.Sprintf("%s/%d", proto, port)
}

// talks pairs the directions, and ties conversations to the rows of their ends.
func (d *Digest) talks(paths []model.Path) {
	index := make(map[TalkKey]int, len(paths))
	d.Talks = make([]Talk, 0, len(paths)/2+1)
	for i := range paths {
		p := &paths[i]
		k := keyOf(p)
		at, ok := index[k]
		if !ok {
			at = len(d.Talks)
			index[k] = at
			d.Talks = append(d.Talks, Talk{})
			d.tie(p, at)
		}
		d.Talks[at].add(p)
		from, to := d.end(&p.From), d.end(&p.To)
		for _, e := range []int{from, to} {
			d.Rows[e].worse(p)
			if from == to {
				break
			}
		}
		d.countPath(from, to, p)
	}
}

func (t *Talk) add(p *model.Path) {
	if p.Direction == "response" {
		t.Response, t.Client, t.Server = p, &p.To, &p.From
	} else {
		t.Request, t.Client, t.Server = p, &p.From, &p.To
	}
	if t.Worst == nil || p99(p) > p99(t.Worst) {
		t.Worst = p
	}
}

func p99(p *model.Path) int64 {
	if p.Total.P99Ns == nil {
		return Unknown
	}
	return *p.Total.P99Ns
}

func (d *Digest) tie(p *model.Path, talk int) {
	from, to := d.end(&p.From), d.end(&p.To)
	d.Rows[from].Talks = append(d.Rows[from].Talks, talk)
	if to != from {
		d.Rows[to].Talks = append(d.Rows[to].Talks, talk)
	}
}

// countPath adds up what the snapshot counts for containers only.
func (d *Digest) countPath(from, to int, p *model.Path) {
	if !d.Rows[from].counted {
		d.Rows[from].TX.Packets += p.Journeys
		d.Rows[from].TX.Bytes += p.Bytes
	}
	if !d.Rows[to].counted {
		d.Rows[to].RX.Packets += p.Journeys
		d.Rows[to].RX.Bytes += p.Bytes
	}
}

// Sides are the TCP sides of a conversation, that of the client first.
func (d *Digest) Sides(t *Talk) []*model.TCP {
	var out []*model.TCP
	all := d.Frame.Snapshot.TCP
	for i := range all {
		if x := &all[i]; t.Has(&x.From, &x.To, "tcp", x.Port) {
			out = append(out, x)
		}
	}
	slices.SortStableFunc(out, func(x, y *model.TCP) int { return cmp.Compare(x.Role, y.Role) })
	return out
}

// KindsOf are the kinds of retransmissions that there were.
func KindsOf(k model.RetransmitKinds) []Cause {
	return there([]Cause{
		{"rto", k.RTO}, {"fast", k.Fast}, {"tlp", k.TLP}, {"syn", k.SYN}, {"synack", k.SYNACK}, {"other", k.Other},
	})
}

// Kinds tells what made TCP send segments again: "rto 1, fast 2".
func Kinds(k model.RetransmitKinds) string { return counts(KindsOf(k)) }

// MostLostAt is where most of those that were sent again had died, of those of
// which it is known; nil where it is of none.
func MostLostAt(r *model.Retransmits) (at *model.LostAt) {
	for i := range r.LostAt {
		if at == nil || r.LostAt[i].Count > at.Count {
			at = &r.LostAt[i]
		}
	}
	return at
}

// LostAt tells it: ", 20 lost in stack_rx @ eth0 of db".
func LostAt(r *model.Retransmits) string {
	at := MostLostAt(r)
	if at == nil {
		return ""
	}
	return fmt.Sprintf(", %s lost in %s @ %s", human.Count(at.Count), at.Hop, at.Where)
}

// Failures tells how connects failed: "refused 3, timeout 1".
func Failures(c *model.Connects) string {
	return counts(there([]Cause{
		{"refused", c.Refused}, {"timeout", c.Timeout}, {"unreachable", c.Unreachable}, {"given up", c.Other},
	}))
}

// there leaves out those that are 0.
func there(all []Cause) []Cause {
	return slices.DeleteFunc(all, func(x Cause) bool { return x.Count == 0 })
}

func counts(all []Cause) string {
	parts := make([]string, len(all))
	for i, x := range all {
		parts[i] = x.Name + " " + human.Count(x.Count)
	}
	return strings.Join(parts, ", ")
}

// Last tells when something happened last: ", last at 14:03:22"; "" when that is
// not known.
func (d *Digest) Last(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return ", last at " + at.In(d.Frame.At.Location()).Format("15:04:05")
}

// PerSecond is how many a second, for a column that says so: "1.23k".
func (d *Digest) PerSecond(n uint64) string {
	if n == 0 {
		return "0"
	}
	return strings.TrimSuffix(human.Rate(n, d.Window), "/s")
}

// Packets of both directions.
func (t *Talk) Packets() (n uint64) {
	for _, p := range t.Paths() {
		n += p.Journeys
	}
	return n
}

// P99 is the worse of both directions, in ns.
func (t *Talk) P99() int64 { return p99(t.Worst) }

// Sure reports whether the p99 rests on enough packets.
func (t *Talk) Sure() bool { return t.Worst.Total.Samples >= enough }

// Has reports whether packets between two ends are of this conversation.
func (t *Talk) Has(from, to *model.End, proto string, port uint16) bool {
	if proto != t.Worst.Proto || port != t.Worst.Port {
		return false
	}
	c, s, x, y := t.Client.Endpoint(), t.Server.Endpoint(), from.Endpoint(), to.Endpoint()
	return (c == x && s == y) || (c == y && s == x)
}
