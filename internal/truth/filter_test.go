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
	p := sharedPair(t)
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
	tr.Settle()
	fromWeb := back.Stop()
	r := tr.end()
	r.wantSound(t)
	wantBirths(t, r, legOf(p.web, p.web.Links[0]), fromWeb)
	wantOnly(t, r, p.web.ID)

	client := netnsInode(t, p.client.Netns)
	born := count(r.Journeys, bornAt(client, p.client.Links[0].Index))
	t.Logf("%d tracked, %d filtered, %d of %d packets to web", r.Counts.Tracked, r.Counts.Filtered, born, toWeb.Stop().Packets)
	if got := share(born, toWeb.Stop().Packets); got < 0.999 || got > 1.001 {
		t.Errorf("%d journeys to web of %d packets", born, toWeb.Stop().Packets)
	}
	// db's address is known to be another container's: its packets are left out
	// at their birth.
	if extra := r.Counts.Tracked - uint64(len(r.Journeys)); extra > 100 {
		t.Errorf("%d journeys tracked that nobody asked for", extra)
	}
}

// wantOnly fails unless each journey has the container at one end.
func wantOnly(t *testing.T, r result, id string) {
	t.Helper()
	if len(r.Journeys) == 0 {
		t.Error("no journeys")
	}
	for i := range r.Journeys {
		from, to := r.ends(&r.Journeys[i])
		if from.ContainerID != id && to.ContainerID != id && !r.inside(&r.Journeys[i], id) {
			t.Fatalf("a journey from %+v to %+v: %+v", from, to, r.Journeys[i])
		}
	}
}

// inside reports a packet that was in the container's namespace under an address
// that is not known as its own: a membership report from its link-local address,
// or one that the bridge brought in.
func (r result) inside(j *journey.Journey, id string) bool {
	return slices.ContainsFunc(j.Stops, func(s journey.Stop) bool {
		return slices.ContainsFunc(r.View.ContainersByNetns(s.Netns), func(c inventory.Container) bool { return c.ID == id })
	})
}

// ends names both ends of a journey by their addresses.
func (r result) ends(j *journey.Journey) (from, to inventory.Endpoint) {
	return r.View.Endpoint(inventory.RawEndpoint{Addr: j.First.Src.Addr()}),
		r.View.Endpoint(inventory.RawEndpoint{Addr: j.Last.Dst.Addr()})
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
	lab.Eventually(t, "the kernel's filter has the new namespace", func() bool {
		return slices.ContainsFunc(tr.Selected(), func(c inventory.Container) bool { return c.Netns == after && c.Running() })
	})
	at := serverAt(p.web.IP(p.net))
	back := lab.AFPacketCount(t, p.web.Netns, "eth0")
	wantOK(t, p.client.Run("rr", "--count", "500", at), 500)
	packets := back.Stop().Packets
	r := tr.end()
	r.WantExact(t)
	for netns, want := range map[uint32]uint64{before: 500, after: packets} {
		born := count(r.Journeys, func(j *journey.Journey) bool { return j.Stops[0].Netns == netns })
		if born < want {
			t.Errorf("%d journeys from namespace %d, want %d", born, netns, want)
		}
	}
	for _, path := range r.Snapshot.Paths {
		if path.From.Name != p.web.Name && path.To.Name != p.web.Name {
			t.Errorf("a path from %s to %s", path.From.Name, path.To.Name)
		}
	}
}
