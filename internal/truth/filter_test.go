package truth

import (
	"slices"
	"testing"
	"time"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/journey"
	"github.com/hopscope/hopscope/pkg/pipeline"
)

// With a container selected, its packets are recorded as completely as without
// a filter, and no others.
func TestContainerFilterInTheKernel(t *testing.T) {
	p := newPair(t)
	db := p.shop.Container(lab.ContainerSpec{Name: "db", Networks: []*lab.Network{p.net}, Args: []string{"serve"}})
	atDB := serverAt(db.IP(p.net))
	wantOK(t, p.client.Run("rr", "--count", "5", atDB), 5)
	time.Sleep(quiet)

	tr := begin(t, pipeline.Options{Containers: []string{p.web.Name}})
	back := lab.AFPacketCount(t, p.web.Netns, "eth0")
	toWeb := lab.AFPacketCount(t, lab.HostNetns, p.web.Links[0].HostName)
	other := p.client.Start("rr", "--count", "3000", atDB)
	// Many, so that the few membership reports which the bridge floods to web as
	// copies, and which no client sent, stay below a thousandth.
	wantOK(t, p.client.Run("rr", "--count", "12000", p.at), 12000)
	wantOK(t, p.client.Run("udp", "--count", "1000", p.at6), 1000)
	wantOK(t, other.Wait(), 3000)
	r := tr.end()
	r.wantSound(t)
	wantBirths(t, r, legOf(p.web, p.web.Links[0]), back.Stop().Packets)
	wantOnly(t, r, p.web.ID)

	client := netnsInode(t, p.client.Netns)
	born := count(r.journeys, bornAt(client, p.client.Links[0].Index))
	t.Logf("%d tracked, %d filtered, %d of %d packets to web", r.counts.Tracked, r.counts.Filtered, born, toWeb.Stop().Packets)
	if got := share(born, toWeb.Stop().Packets); got < 0.999 || got > 1.001 {
		t.Errorf("%d journeys to web of %d packets", born, toWeb.Stop().Packets)
	}
	// db's address is known to be another container's: its packets are left out
	// at their birth.
	if extra := r.counts.Tracked - uint64(len(r.journeys)); extra > 100 {
		t.Errorf("%d journeys tracked that nobody asked for", extra)
	}
}

// wantOnly fails unless each journey has the container at one end.
func wantOnly(t *testing.T, r result, id string) {
	t.Helper()
	if len(r.journeys) == 0 {
		t.Error("no journeys")
	}
	for i := range r.journeys {
		from, to := r.ends(&r.journeys[i])
		if from.ContainerID != id && to.ContainerID != id && !r.inside(&r.journeys[i], id) {
			t.Fatalf("a journey from %+v to %+v: %+v", from, to, r.journeys[i])
		}
	}
}

// inside reports a packet that was in the container's namespace under an address
// that is not known as its own: a membership report from its link-local address,
// or one that the bridge brought in.
func (r result) inside(j *journey.Journey, id string) bool {
	return slices.ContainsFunc(j.Stops, func(s journey.Stop) bool {
		return slices.ContainsFunc(r.view.ContainersByNetns(s.Netns), func(c inventory.Container) bool { return c.ID == id })
	})
}

// ends names both ends of a journey by their addresses.
func (r result) ends(j *journey.Journey) (from, to inventory.Endpoint) {
	return r.view.Endpoint(inventory.RawEndpoint{Addr: j.First.Src.Addr()}),
		r.view.Endpoint(inventory.RawEndpoint{Addr: j.Last.Dst.Addr()})
}

// A selected container that is restarted has a new namespace, cgroup and
// devices; it stays selected, under the same name.
func TestRestartedContainerJoins(t *testing.T) {
	p := newPair(t)
	before := netnsInode(t, p.web.Netns)
	tr := begin(t, pipeline.Options{Containers: []string{p.web.Name}})
	wantOK(t, p.client.Run("rr", "--count", "500", p.at), 500)
	p.web.Restart()
	after := netnsInode(t, p.web.Netns)
	eventually(t, "the inventory knows the new namespace", func() bool {
		c, ok := tr.session.Inventory().View().Container(p.web.ID)
		return ok && c.Netns == after
	})
	time.Sleep(quiet) // the filter follows the inventory
	at := serverAt(p.web.IP(p.net))
	back := lab.AFPacketCount(t, p.web.Netns, "eth0")
	wantOK(t, p.client.Run("rr", "--count", "500", at), 500)
	packets := back.Stop().Packets
	r := tr.end()
	r.wantExact(t)
	for netns, want := range map[uint32]uint64{before: 500, after: packets} {
		born := count(r.journeys, func(j *journey.Journey) bool { return j.Stops[0].Netns == netns })
		if born < want {
			t.Errorf("%d journeys from namespace %d, want %d", born, netns, want)
		}
	}
	for _, path := range r.snapshot.Paths {
		if path.From.Name != p.web.Name && path.To.Name != p.web.Name {
			t.Errorf("a path from %s to %s", path.From.Name, path.To.Name)
		}
	}
}
