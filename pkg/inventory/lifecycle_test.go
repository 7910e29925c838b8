package inventory

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// open starts an inventory on fakes.
func open(t *testing.T, h host, rt *fakeRuntime, dev *fakeDevices, clock *fakeClock) *Inventory {
	t.Helper()
	inv, err := Open(context.Background(), Options{ProcRoot: h.proc, NetnsDirs: []string{}, Runtime: rt, Devices: dev, Clock: clockOf(clock)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = inv.Close() })
	return inv
}

func running(s, name string, pid int) Container {
	return Container{ID: id(s), Name: name, State: "running", PID: pid}
}

// refresh makes sure that everything sent before was dealt with.
func refresh(t *testing.T, inv *Inventory) {
	t.Helper()
	if err := inv.Refresh(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func eth0(ns, index uint32, ip string) Device {
	return Device{Netns: ns, Ifindex: index, Name: "eth0", Kind: "veth", Addrs: addrs(ip)}
}

func TestRestartKeepsTheName(t *testing.T) {
	h, rt, dev, clock := newHost(t), &fakeRuntime{}, &fakeDevices{}, newClock()
	first := h.container(id("aa"), 70, webNS)
	rt.containers = []Container{running("aa", "web", 70)}
	dev.set(eth0(webNS, 20, "172.18.0.2"))
	inv := open(t, h, rt, dev, clock)
	changes, _ := inv.Changes()

	clock.advance(time.Minute)
	h.kill(70)
	stopped := running("aa", "web", 0)
	stopped.State = "exited"
	dev.set()
	rt.set([]Container{stopped}, Event{ContainerID: id("aa")})
	<-changes
	v := inv.View()
	c, ok := v.ContainerByCgroup(first)
	if !ok || c.Running() || c.Name != "web" || c.State != "exited" || c.Netns != webNS || !c.Gone.IsZero() {
		t.Errorf("while it is stopped: %+v", c)
	}
	if got := v.Endpoint(RawEndpoint{Addr: netip.MustParseAddr("172.18.0.2")}); got.Name != "web" {
		t.Errorf("address of the stopped container: %+v", got)
	}
	if got, _ := v.Where(webNS, 20); got != "eth0 of web" {
		t.Errorf("device of the stopped container: %q", got)
	}

	clock.advance(time.Minute)
	h.process(90, dbNS, "0::/other/"+id("aa")+"\n") // a new directory has a new id
	second := h.cgroup("other/" + id("aa"))
	dev.set(eth0(dbNS, 30, "172.18.0.9"))
	rt.set([]Container{running("aa", "web", 90)}, Event{ContainerID: id("aa")})
	<-changes
	v = inv.View()
	for _, cg := range []uint64{first, second} {
		if c, ok := v.ContainerByCgroup(cg); !ok || c.Name != "web" || c.CgroupID != second || len(c.Former) != 1 {
			t.Errorf("cgroup %d after the restart: %+v", cg, c)
		}
	}
	for _, raw := range []RawEndpoint{{Netns: webNS}, {Netns: dbNS}, {Addr: netip.MustParseAddr("172.18.0.2")}, {Addr: netip.MustParseAddr("172.18.0.9")}} {
		if got := v.Endpoint(raw); got.Name != "web" {
			t.Errorf("%+v after the restart: %+v", raw, got)
		}
	}
	s, err := inv.Select([]string{"web"})
	if err != nil || len(s.Netns) != 1 || s.Netns[0] != dbNS || len(s.Cgroups) != 1 || s.Cgroups[0] != second || len(s.Addrs) != 1 {
		t.Errorf("only its present life is selected: %+v, %v", s, err)
	}
}

func TestRemovedContainerKeepsItsName(t *testing.T) {
	h, rt, dev, clock := newHost(t), &fakeRuntime{}, &fakeDevices{}, newClock()
	cg := h.container(id("aa"), 70, webNS)
	rt.containers = []Container{running("aa", "web", 70)}
	rt.networks = []Network{{ID: "n1", Name: "shop", Bridge: "br-n1"}}
	bridge := Device{Netns: hostNS, Ifindex: 4, Name: "br-n1", Kind: "bridge"}
	veth := Device{Netns: hostNS, Ifindex: 21, Name: "veth21", Kind: "veth", Master: 4, PeerNetns: webNS, PeerIfindex: 20}
	dev.set(bridge, veth, eth0(webNS, 20, "172.18.0.2"))
	inv := open(t, h, rt, dev, clock)

	// Docker moves the peer back before it removes the pair.
	clock.advance(time.Second)
	taken := veth
	taken.Master, taken.PeerNetns, taken.PeerIfindex = 0, hostNS, 20
	dev.set(bridge, taken)
	refresh(t, inv)
	clock.advance(time.Second)
	h.kill(70)
	dev.set()
	rt.networks = nil
	rt.set(nil, Event{ContainerID: id("aa")}, Event{Network: true})
	refresh(t, inv)

	v := inv.View()
	if c, ok := v.ContainerByCgroup(cg); !ok || c.Name != "web" || !c.Gone.Equal(clock.Now()) {
		t.Errorf("container: %+v", c)
	}
	for _, tc := range []struct {
		ns, index uint32
		want      string
	}{{hostNS, 21, "veth of web"}, {webNS, 20, "eth0 of web"}, {hostNS, 4, "bridge shop"}} {
		if got, _ := v.Where(tc.ns, tc.index); got != tc.want {
			t.Errorf("%d %d: %q, want %q", tc.ns, tc.index, got, tc.want)
		}
		if d, ok := v.Device(tc.ns, tc.index); !ok || d.Gone.IsZero() {
			t.Errorf("%d %d is not marked as gone: %+v", tc.ns, tc.index, d)
		}
	}
	if n, ok := v.Network(hostNS, 21); !ok || n.Name != "shop" || n.Gone.IsZero() {
		t.Errorf("network of its leg: %+v", n)
	}
}

func TestIndexUsedAgain(t *testing.T) {
	h, rt, dev, clock := newHost(t), &fakeRuntime{}, &fakeDevices{}, newClock()
	inv := open(t, h, rt, dev, clock)
	for _, name := range []string{"vethold", "vethnew"} {
		clock.advance(time.Second)
		dev.set(Device{Netns: hostNS, Ifindex: 9, Name: name, Kind: "veth"})
		refresh(t, inv)
	}
	f := inv.View().Facts()
	if d, _ := inv.View().Device(hostNS, 9); d.Name != "vethnew" || !d.Seen.Equal(clock.Now()) {
		t.Errorf("latest: %+v", d)
	}
	if len(f.Former) != 1 || f.Former[0].Name != "vethold" || !f.Former[0].Gone.Equal(clock.Now()) {
		t.Errorf("former: %+v", f.Former)
	}
}

// A container may be gone before it can be inspected: the event's name stays.
func TestNameFromTheEventAlone(t *testing.T) {
	h, rt, dev, clock := newHost(t), &fakeRuntime{}, &fakeDevices{}, newClock()
	inv := open(t, h, rt, dev, clock)
	changes, _ := inv.Changes()
	rt.set(nil, Event{ContainerID: id("aa"), Created: true, Name: "flash", Service: "job", Project: "shop"})
	<-changes
	if c, ok := inv.View().Container(id("aa")); !ok || c.Name != "flash" || c.Service != "job" || c.Gone.IsZero() {
		t.Errorf("got %+v", c)
	}
}

func TestEngineComesLaterAndRestarts(t *testing.T) {
	h, rt, dev, clock := newHost(t), &fakeRuntime{down: errors.New("connection refused")}, &fakeDevices{}, newClock()
	cg := h.container(id("aa"), 70, webNS)
	rt.containers = []Container{running("aa", "web", 70)}
	inv := open(t, h, rt, dev, clock)
	if c, _ := inv.View().ContainerByCgroup(cg); c.Name != "aa0000000000" || c.Netns != webNS {
		t.Errorf("without the engine: %+v", c)
	}
	notes := strings.Join(inv.Notes(), "\n")
	if !strings.Contains(notes, "connection refused") || source(inv, "docker").OK {
		t.Errorf("nothing is said of the engine: %s %+v", notes, inv.Sources())
	}
	if s, err := inv.Select([]string{"aa0000000000"}); err != nil || len(s.Cgroups) != 1 {
		t.Errorf("by short id: %+v, %v", s, err)
	}

	rt.stop(nil)
	eventually(t, "named", func() bool { clock.advance(retryFirst); return inv.View().Containers()[0].Name == "web" })
	if c := inv.View().Containers()[0]; len(c.Former) != 0 || !c.Running() {
		t.Errorf("learning its name made it another container: %+v", c)
	}
	eventually(t, "the engine is known", func() bool { return source(inv, "docker").OK && len(inv.Notes()) == 1 })

	rt.stop(errors.New("EOF"))
	eventually(t, "the loss is said", func() bool { return !source(inv, "docker").OK })
	h.kill(70) // while nobody tells
	h.container(id("bb"), 80, dbNS)
	eventually(t, "seen without the engine", func() bool {
		clock.advance(retryFirst)
		web, _ := inv.View().Container(id("aa"))
		other, _ := inv.View().Container(id("bb"))
		return web.Name == "web" && !web.Running() && other.Running() && other.Name == "bb0000000000"
	})
	rt.mu.Lock()
	rt.containers, rt.down = []Container{running("bb", "db", 80)}, nil
	rt.mu.Unlock()
	eventually(t, "listed again", func() bool {
		clock.advance(retryFirst)
		web, _ := inv.View().Container(id("aa"))
		db, _ := inv.View().Container(id("bb"))
		return !web.Gone.IsZero() && db.Name == "db"
	})
}

func source(inv *Inventory, name string) Source {
	for _, s := range inv.Sources() {
		if s.Name == name {
			return s
		}
	}
	return Source{}
}

// What is asked for and not known is looked for once, and not again and again.
func TestMissesAreLookedForOnce(t *testing.T) {
	h, rt, dev, clock := newHost(t), &fakeRuntime{}, &fakeDevices{}, newClock()
	h.container(id("aa"), 70, webNS)
	rt.containers = []Container{running("aa", "web", 70)}
	inv := open(t, h, rt, dev, clock)
	refresh(t, inv)
	start := dev.readings()

	h.process(99, foreignNS, "0::/\n")
	sub := h.cgroup("docker/" + id("aa") + "/job")
	dev.set(eth0(foreignNS, 5, "198.51.100.2"))
	for range 10 { // several views, one question
		inv.View().Where(foreignNS, 5)
		inv.View().Endpoint(RawEndpoint{Cgroup: sub})
	}
	eventually(t, "looked for", func() bool {
		clock.advance(missDelay)
		_, ok := inv.View().ContainerByCgroup(sub)
		got, _ := inv.View().Where(foreignNS, 5)
		return ok && got == "eth0 in ns 4026532400"
	})
	inv.View().Where(foreignNS, 77) // there is no such device
	eventually(t, "looked for in vain", func() bool { clock.advance(missDelay); return dev.readings() > start+1 })
	before := dev.readings()
	for range 20 {
		inv.View().Where(foreignNS, 77)
		clock.advance(missDelay)
		time.Sleep(time.Millisecond)
	}
	if n := dev.readings() - before; n > 1 {
		t.Errorf("the same unknown device made %d readings within 2 s", n)
	}
}

// changeHost gives the host a device, and waits until it was read.
func changeHost(t *testing.T, inv *Inventory, dev *fakeDevices, clock *fakeClock) {
	t.Helper()
	dev.set(Device{Netns: hostNS, Ifindex: 9, Name: "tun0", Kind: "tun"})
	dev.changed <- struct{}{}
	eventually(t, "read", func() bool {
		clock.advance(linkDelay)
		got, _ := inv.View().Where(hostNS, 9)
		return got == "tun0 of host"
	})
}

func TestLinkChangesAreRead(t *testing.T) {
	h, rt, clock := newHost(t), &fakeRuntime{}, newClock()
	dev := &fakeDevices{changed: make(chan struct{}, 1)}
	inv := open(t, h, rt, dev, clock)
	changeHost(t, inv, dev, clock)
}

// That a container's devices cannot be read is said until they can, or it is gone:
// also when the host's, which can, are read alone.
func TestUnreadNamespacesStaySaid(t *testing.T) {
	h, rt, clock := newHost(t), &fakeRuntime{}, newClock()
	h.container(id("aa"), 70, webNS)
	h.container(id("bb"), 80, dbNS)
	rt.containers = []Container{running("aa", "web", 70), running("bb", "db", 80)}
	refused := errors.New("operation not permitted")
	dev := &fakeDevices{changed: make(chan struct{}, 1), refused: map[uint32]error{webNS: refused, dbNS: refused}}
	inv := open(t, h, rt, dev, clock)
	says := func(want string) {
		t.Helper()
		notes := strings.Join(inv.Notes(), "\n")
		if !strings.Contains(notes, want) || strings.Contains(notes, "cannot be read") != (want != "") {
			t.Errorf("notes %q, want %q", notes, want)
		}
		if source(inv, "netlink").OK != (want == "") {
			t.Errorf("%+v", inv.Sources())
		}
	}
	const both, one = "network namespaces cannot be read (operation not permitted; namespaces: 2)", "namespaces: 1)"
	says(both)
	changeHost(t, inv, dev, clock)
	says(both)

	h.kill(80)
	rt.mu.Lock()
	rt.containers = rt.containers[:1]
	rt.mu.Unlock()
	refresh(t, inv)
	says(one)
	dev.mu.Lock()
	dev.refused = nil
	dev.mu.Unlock()
	refresh(t, inv)
	says("")
}

// However many unknowns come together, one look is for all of them: each that
// came while it was due was looked for, too.
func TestOneLookForManyUnknowns(t *testing.T) {
	h, rt, dev, clock := newHost(t), &fakeRuntime{}, &fakeDevices{}, newClock()
	inv := open(t, h, rt, dev, clock)
	start := dev.readings()
	ask := func() {
		for i := range uint64(20) {
			inv.View().ContainerByCgroup(1_000_000 + i)
		}
		eventually(t, "taken", func() bool { return len(inv.misses) == 0 })
		refresh(t, inv) // looks itself
	}
	ask()
	clock.advance(missDelay)
	eventually(t, "looked for", func() bool { return dev.readings() == start+2 })
	for range 5 {
		ask()
		clock.advance(missDelay)
	}
	refresh(t, inv)
	if looks := dev.readings() - start - 2 - 6; looks != 0 {
		t.Errorf("%d looks more for the same unknowns", looks)
	}
}

// Each start of a recording subscribes: what has ended leaves nothing behind.
func TestSubscriptionsEnd(t *testing.T) {
	inv := open(t, newHost(t), &fakeRuntime{}, &fakeDevices{}, newClock())
	kept, _ := inv.Changes()
	for range 10 {
		_, stop := inv.Changes()
		stop()
		stop()
	}
	if n := len(inv.changes); n != 1 {
		t.Errorf("%d subscriptions, want 1", n)
	}
	if err := inv.Close(); err != nil {
		t.Error(err)
	}
	if _, ok := <-kept; ok {
		t.Error("the one that stayed is not closed")
	}
}

func TestCloseEndsEverything(t *testing.T) {
	h, rt, dev, clock := newHost(t), &fakeRuntime{}, &fakeDevices{}, newClock()
	inv := open(t, h, rt, dev, clock)
	changes, _ := inv.Changes()
	if err := inv.Close(); err != nil || !rt.closed {
		t.Errorf("closed %v, %v", rt.closed, err)
	}
	if _, ok := <-changes; ok {
		t.Error("the channel of changes is open")
	}
	if err := inv.Refresh(context.Background()); err == nil {
		t.Error("a closed inventory refreshed")
	}
	if inv.View() == nil {
		t.Error("the last view is gone")
	}
}

func TestOpenFailsWithoutProc(t *testing.T) {
	if _, err := Open(context.Background(), Options{ProcRoot: t.TempDir(), Runtime: &fakeRuntime{}, Devices: &fakeDevices{}}); err == nil {
		t.Error("no error")
	}
	if _, err := Open(context.Background(), Options{DockerHost: "not a host"}); err == nil {
		t.Error("a malformed engine address is no error")
	}
}

// Tombstones are bounded, the oldest go first, and what exists stays.
func TestForget(t *testing.T) {
	s := newState(hostNS)
	for i := range maxGone + 10 {
		c := Container{ID: id(time.Duration(i).String() + "x"), Name: "job"}
		s.observe(c, at(0))
		s.bury(c.ID, at(0).Add(time.Duration(i)*time.Second))
	}
	s.observe(running("aa", "web", 7), at(0))
	s.forget()
	if len(s.containers) != maxGone+1 {
		t.Errorf("%d containers are remembered, want %d", len(s.containers), maxGone+1)
	}
	if _, ok := s.containers[id("aa")]; !ok {
		t.Error("a running container was forgotten")
	}
	if _, ok := s.containers[id("0sx")]; ok {
		t.Error("the oldest is remembered")
	}
}

// What net/http says of a server that speaks first and hangs up is told as a sentence.
func TestReasonOfAnEngineThatSpeaksFirst(t *testing.T) {
	err := fmt.Errorf("Get %q: %w", "/version", errors.New("readLoopPeekFailLocked: %!w(<nil>)"))
	if got, want := reasonOf(err), `Get "/version": it speaks before it is asked`; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
