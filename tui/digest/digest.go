// Package digest prepares a frame for the screens: a row for each container
// and other end, both directions of a conversation side by side, sums that
// screens would otherwise make again for each key press. A digest does not
// change.
package digest

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/hopscope/hopscope/pkg/history"
	"github.com/hopscope/hopscope/pkg/model"
)

// Unknown stands for a duration that was not measured.
const Unknown = -1

// enough is how many measured packets a path needs for its p99 to be taken as
// an end's, as long as the end has such a path: of two packets, one is
// always slow.
const enough = 20

// Digest is a frame with what follows from it.
type Digest struct {
	Frame  history.Frame
	Window time.Duration // of the rates: what the frame really covers
	Rows   []Row         // an end each, in no order that matters
	Talks  []Talk        // in the order of the snapshot's paths: most time first
	Lost   uint64        // packets that were tracked and then lost sight of, and counts that are missing
	Causes []Cause       // of Lost, largest first, none of them 0
	byKey  map[string]int
	peers  map[string]*model.Container // that are not selected and were not met yet
	hops   map[*model.Path][]model.Hop // those that were asked for
	places map[string]Load             // likewise
}

// Cause is one reason of something, such as why packets were lost sight of, and how
// often it was.
type Cause struct {
	Name  string
	Count uint64
}

// Row is one end: a container, the host, docker-proxy, or all that is outside.
type Row struct {
	Key, Name                string
	Kind                     string // as in model.End
	Service, Project, Image  string // "" when unknown
	Networks, Drivers, State string
	Reduced                  string // why it has fewer hops than others, "" where it has all
	Dead                     bool
	Peer                     bool // not selected: it is here for whom it talks to

	P50, P99 int64       // ns, of its worst path; Unknown without one
	Path     *model.Path // the worst
	Hop      *model.Hop  // what makes the tail of it slow
	Share    float64     // of that tail
	App      int64       // p99 in ns of its worst service: from the read of a request to the answer's first byte; Unknown without one

	RTT       int64    // p50 in ns of its sockets' worst round trip time; Unknown without one
	Throttled *float64 // share of the time in which its CPU limit held it back; nil: not known

	TX, RX  model.PacketCount
	Drops   uint64
	Retrans uint64  // segments that its sockets sent again
	Talks   []int   // indices into the digest's
	Trend   []int64 // worst p99 by second, ns; Unknown where no packet was seen
	search  string
	counted bool   // TX and RX are the snapshot's
	samples uint64 // of the worst path

	appSamples uint64 // of App
}

// Of makes the digest of a frame.
func Of(f history.Frame) *Digest {
	s := &f.Snapshot
	d := &Digest{Frame: f, Window: time.Duration(s.DurationNs), byKey: make(map[string]int, len(s.Containers)+4)}
	d.hops = make(map[*model.Path][]model.Hop, len(s.Containers))
	for i := range s.Containers {
		c := &s.Containers[i]
		if longGone(&f, c) {
			continue
		}
		if f.Selected == nil || f.Selected[c.ID] {
			d.container(c)
			continue
		}
		if d.peers == nil {
			d.peers = map[string]*model.Container{}
		}
		d.peers[c.ID] = c
	}
	d.talks(s.Paths)
	for i := range s.Drops {
		d.drop(&s.Drops[i])
	}
	for i := range s.TCP {
		d.Rows[d.end(&s.TCP[i].From)].Retrans += s.TCP[i].Retransmits.Total
		d.app(&s.TCP[i])
		d.rtt(&s.TCP[i])
	}
	for i := range d.Rows {
		r := &d.Rows[i]
		r.Trend = f.Trends[r.Key]
		if r.Path != nil {
			r.Hop, r.Share = slowest(d.Hops(r.Path))
		}
		r.search = strings.ToLower(strings.Join([]string{r.Name, r.Service, r.Project, r.Image, r.Networks, r.Kind}, "\n"))
	}
	for _, lost := range []map[string]uint64{s.Accounting.Lost, s.Accounting.Unfollowed()} {
		for name, n := range lost {
			d.Lost += n
			if n > 0 {
				d.Causes = append(d.Causes, Cause{name, n})
			}
		}
	}
	slices.SortFunc(d.Causes, func(x, y Cause) int {
		if x.Count != y.Count {
			return compareDown(x.Count, y.Count)
		}
		return strings.Compare(x.Name, y.Name)
	})
	return d
}

// longGone says that a container was removed before the past that can be looked
// at begins, and that none of its packets is in the window.
func longGone(f *history.Frame, c *model.Container) bool {
	return c.GoneAt != nil && c.GoneAt.Before(f.Oldest) && c.TX.Packets+c.RX.Packets == 0
}

// Row finds the row of an end.
func (d *Digest) Row(key string) *Row {
	if d == nil {
		return nil
	}
	if i, ok := d.byKey[key]; ok {
		return &d.Rows[i]
	}
	return nil
}

// Matches reports whether a row has the text, in lower case, in its name,
// network, service, project, image or kind.
func (r *Row) Matches(text string) bool { return strings.Contains(r.search, text) }

func (d *Digest) add(r Row) *Row {
	r.P50, r.P99, r.App, r.RTT = Unknown, Unknown, Unknown, Unknown
	d.byKey[r.Key] = len(d.Rows)
	d.Rows = append(d.Rows, r)
	return &d.Rows[len(d.Rows)-1]
}

func (d *Digest) container(c *model.Container) *Row {
	r := Row{
		Key: c.ID, Name: c.Name, Kind: "container", Image: c.Image, State: c.State,
		Service: value(c.Service), Project: value(c.Project), TX: c.TX, RX: c.RX,
		Dead: c.State != "" && c.State != "running", counted: true, Reduced: c.ReducedHops(),
	}
	if t := c.CPU.ThrottledNs; t != nil && d.Window > 0 {
		share := float64(*t) / float64(d.Window)
		r.Throttled = &share
	}
	var networks, drivers []string
	for _, n := range c.Networks {
		networks = append(networks, n.Name)
		if !slices.Contains(drivers, n.Driver) {
			drivers = append(drivers, n.Driver)
		}
	}
	r.Networks, r.Drivers = strings.Join(networks, ","), strings.Join(drivers, ",")
	return d.add(r)
}

func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// endKey is the key of the row to which an end belongs.
func endKey(e *model.End) string { return history.EndKey(e.Endpoint()) }

// end finds the row of an end of a path, or makes it.
func (d *Digest) end(e *model.End) int {
	k := endKey(e)
	if i, ok := d.byKey[k]; ok {
		return i
	}
	if c := d.peers[k]; c != nil {
		d.container(c).Peer = true
		return len(d.Rows) - 1
	}
	name := e.Name
	if k == history.External || k == history.Unattributed {
		name = k
	}
	d.add(Row{Key: k, Name: name, Kind: e.Kind})
	return len(d.Rows) - 1
}

// worse makes a path the row's worst if it is.
func (r *Row) worse(p *model.Path) {
	if p.Total.P99Ns == nil {
		return
	}
	switch known, better := r.samples >= enough, p.Total.Samples >= enough; {
	case r.Path == nil, better && !known:
	case known && !better, *p.Total.P99Ns <= r.P99:
		return
	}
	r.Path, r.P99, r.P50, r.samples = p, *p.Total.P99Ns, *p.Total.P50Ns, p.Total.Samples
}

// Hops are those of one of the digest's paths. They are made when they are
// asked for and kept: a screen shows those of a few paths. The goroutine that
// has the digest may call it, no other.
func (d *Digest) Hops(p *model.Path) []model.Hop {
	hops, ok := d.hops[p]
	if !ok {
		hops = p.AllHops()
		d.hops[p] = hops
	}
	return hops
}

// slowest is the hop in which a path's slowest packets spend most of their
// time, with its share; nil without hops.
func slowest(hops []model.Hop) (*model.Hop, float64) {
	var worst *model.Hop
	share := -1.0
	for i := range hops {
		h := &hops[i]
		if h.TailShare > share || (h.TailShare == share && h.Share > worst.Share) {
			worst, share = h, h.TailShare
		}
	}
	return worst, max(share, 0)
}

func (d *Digest) drop(x *model.Drop) { d.Rows[d.end(DiedAt(x))].Drops += x.Count }

// DiedAt is the end at whose device packets died, else whose they were, else who
// of this host sent or was to get them.
func DiedAt(x *model.Drop) *model.End {
	_, owner, _ := strings.Cut(x.Where, " of ")
	owner, _, _ = strings.Cut(owner, " (") // the network, where it has several
	for _, name := range []string{owner, value(x.Container)} {
		switch name {
		case "":
		case x.From.Name:
			return &x.From
		case x.To.Name:
			return &x.To
		}
	}
	if x.From.Kind == "external" && x.To.Kind != "external" {
		return &x.To
	}
	return &x.From
}

// Packets sent and received.
func (r *Row) Packets() uint64 { return r.TX.Packets + r.RX.Packets }

// WorseFirst orders rows: the higher p99 first, peers after what is selected. Of two ends of one slow path
// the one at which its slowest hop is comes first, for it is the one to look at.
func WorseFirst(x, y *Row) int {
	return cmp.Or(
		compareBool(x.Peer, y.Peer),
		cmp.Compare(y.P99, x.P99),
		cmp.Compare(y.owns(), x.owns()),
		cmp.Compare(y.Packets(), x.Packets()),
		cmp.Compare(x.Name, y.Name),
		cmp.Compare(x.Key, y.Key))
}

// compareBool has false before true.
func compareBool(x, y bool) int {
	switch {
	case x == y:
		return 0
	case y:
		return -1
	}
	return 1
}

// owns is 1 for the end at which its slowest hop is.
func (r *Row) owns() int {
	if r.Hop != nil && strings.HasSuffix(r.Hop.Where, " of "+r.Name) {
		return 1
	}
	return 0
}
