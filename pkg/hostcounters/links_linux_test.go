package hostcounters

import (
	"errors"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/hopscope/hopscope/pkg/model"
)

// listing is a namespace with one device and its qdisc, whose dumps may fail.
type listing struct {
	links, qdiscs []error // of the first dumps
}

func next(errs *[]error) (err error) {
	if len(*errs) > 0 {
		err, *errs = (*errs)[0], (*errs)[1:]
	}
	return err
}

func (l *listing) LinkList() ([]netlink.Link, error) {
	return []netlink.Link{&netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Index: 3, Statistics: &netlink.LinkStatistics{RxDropped: 5}}}}, next(&l.links)
}

func (l *listing) QdiscList(netlink.Link) ([]netlink.Qdisc, error) {
	a := netlink.QdiscAttrs{LinkIndex: 3, Handle: 1 << 16, Statistics: &netlink.QdiscStatistics{Queue: &netlink.GnetStatsQueue{Drops: 700}}}
	return []netlink.Qdisc{&netlink.GenericQdisc{QdiscAttrs: a, QdiscType: "tbf"}}, next(&l.qdiscs)
}

// Containers that come and go interrupt dumps: those are repeated. A namespace
// is read whole or not at all.
func TestDumpsThatFail(t *testing.T) {
	broken, cut := errors.New("no buffer"), error(netlink.ErrDumpInterrupted)
	for name, c := range map[string]struct {
		from listing
		want int
	}{
		"whole":               {listing{}, 4},
		"interrupted":         {listing{links: []error{cut, cut}, qdiscs: []error{cut}}, 4},
		"always interrupted":  {listing{links: []error{cut, cut, cut, cut, cut}}, 0},
		"no devices":          {listing{links: []error{broken}}, 0},
		"devices, no qdiscs":  {listing{qdiscs: []error{broken}}, 0},
		"qdiscs interrupted ": {listing{qdiscs: []error{cut, cut, cut, cut, cut}}, 0},
	} {
		got := readLinks(7, &c.from)
		if len(got) != c.want || (got == nil) != (c.want == 0) {
			t.Errorf("%s: %v, want %d counters", name, got, c.want)
		}
	}
}

// A reading that fails loses nothing and makes nothing up: the next one tells
// what moved since the last that did not.
func TestQdiscsThatCouldNotBeReadForOnce(t *testing.T) {
	tr := newTracker(newHost(t).root)
	tr.begun = true
	s := source{what: "links", netns: 7}
	tr.before[s] = readLinks(7, &listing{})
	failed := readLinks(7, &listing{qdiscs: []error{errors.New("no buffer")}})
	unread := model.CounterCount{CounterKey: model.CounterKey{Kind: model.CountUnread, Netns: 7}, N: 1}
	if got := tr.moved(s, "42", failed); len(got) != 1 || got[0] != unread {
		t.Errorf("a failed reading: %+v", got)
	}
	if got := tr.moved(s, "43", failed); len(got) != 0 {
		t.Errorf("of a process that ended: %+v", got)
	}
	now := readLinks(7, &listing{})
	drops := model.CounterKey{Kind: model.CountQdiscDrops, Netns: 7, Ifindex: 3, Qdisc: "tbf 1:0"}
	now[drops] += 2
	if got := tr.moved(s, "42", now); len(got) != 1 || got[0] != (model.CounterCount{CounterKey: drops, N: 2}) {
		t.Errorf("the next reading: %+v", got)
	}
}
