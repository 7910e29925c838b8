package inventory

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// nameOf waits until a cgroup has a container's name.
func nameOf(t *testing.T, inv *Inventory, cgroup uint64, want string) {
	t.Helper()
	got := ""
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if got = inv.View().Endpoint(RawEndpoint{Cgroup: cgroup}).Name; got == want {
			return
		}
	}
	t.Errorf("cgroup %d is %q, want %q", cgroup, got, want)
}

// A container whose process nobody ever saw has its name from the engine's
// event and its cgroup from the directory's creation, in whatever order.
func TestContainerKnownByItsCgroupAlone(t *testing.T) {
	for _, parent := range []string{"docker", "system.slice", "batch/jobs"} {
		t.Run(parent, func(t *testing.T) {
			h, rt, dev := newHost(t), &fakeRuntime{}, &fakeDevices{}
			inv := open(t, h, rt, dev, nil)
			create := func(s, name string) { rt.set(nil, Event{ContainerID: id(s), Created: true, Name: name}) }
			born := func(s string) uint64 {
				dir := id(s)
				if parent == "system.slice" {
					dir = "docker-" + dir + ".scope"
				}
				return h.cgroup(filepath.Join(parent, dir))
			}
			create("aa", "first")
			first := born("aa")
			nameOf(t, inv, first, "first")
			second := born("bb")
			nameOf(t, inv, second, id("bb")[:12])
			create("bb", "second")
			nameOf(t, inv, second, "second")
			nameOf(t, inv, first, "first")
		})
	}
}

// The process that is seen later is the same life; the next cgroup is another.
func TestCgroupBeforeProcess(t *testing.T) {
	h, rt, dev := newHost(t), &fakeRuntime{}, &fakeDevices{}
	inv := open(t, h, rt, dev, nil)
	first := h.cgroup("docker/" + id("aa"))
	nameOf(t, inv, first, id("aa")[:12])
	h.container(id("aa"), 70, webNS)
	rt.set([]Container{running("aa", "web", 70)}, Event{ContainerID: id("aa")})
	nameOf(t, inv, first, "web")
	c, _ := inv.View().ContainerByCgroup(first)
	if len(c.Former) != 0 || !c.Running() || c.Netns != webNS {
		t.Errorf("after its process was seen: %+v", c)
	}

	h.kill(70)
	stopped := running("aa", "web", 0)
	rt.set([]Container{stopped}, Event{ContainerID: id("aa")})
	eventually(t, "it has stopped", func() bool { c, _ := inv.View().ContainerByCgroup(first); return !c.Running() })
	if err := os.Remove(filepath.Join(h.cg, "docker", id("aa"))); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(h.cg, "keep"), 0o755); err != nil { // takes the freed inode
		t.Fatal(err)
	}
	second := h.cgroup("docker/" + id("aa"))
	nameOf(t, inv, second, "web")
	nameOf(t, inv, first, "web")
	if c, _ := inv.View().ContainerByCgroup(second); len(c.Former) != 1 || c.Former[0].CgroupID != first || c.Netns != 0 {
		t.Errorf("its second life: %+v", c)
	}
}

// Cgroups of containers that come and go while the engine does not answer for
// one of them are known: they are looked at when they are made, not when there
// is time.
func TestCgroupsWhileTheEngineIsSlow(t *testing.T) {
	h, rt, dev := newHost(t), &fakeRuntime{asked: make(chan struct{})}, &fakeDevices{}
	h.cgroup("docker")
	inv := open(t, h, rt, dev, nil)
	create := func(s string) { rt.set(nil, Event{ContainerID: id(s), Created: true, Name: "job-" + s}) }
	create("first") // and the engine takes its time
	const n = 1000
	cgroups := make(map[string]uint64)
	for i := range n {
		s := fmt.Sprintf("%04x", i)
		cgroups[s] = h.cgroup("docker/" + id(s))
		time.Sleep(time.Millisecond)
	}
	for s := range cgroups {
		if err := os.Remove(filepath.Join(h.cg, "docker", id(s))); err != nil {
			t.Fatal(err)
		}
	}
	<-rt.asked
	eventually(t, fmt.Sprintf("all of %d cgroups are known", n), func() bool {
		for _, cgroup := range cgroups {
			if _, ok := inv.View().ContainerByCgroup(cgroup); !ok {
				return false
			}
		}
		return true
	})
}

// The engine tells that a container is removed before its cgroup is taken in:
// it stays removed.
func TestCgroupOfTheRemoved(t *testing.T) {
	s := newState(hostNS)
	s.learn(Event{ContainerID: id("aa"), Created: true, Name: "job"}, at(0))
	s.bury(id("aa"), at(1))
	for _, cgroup := range []uint64{700, 701} {
		if !s.born(cgroupBirth{container: id("aa"), cgroup: cgroup}, at(2)) {
			t.Errorf("cgroup %d is no news", cgroup)
		}
	}
	v := NewView(s.facts())
	for _, cgroup := range []uint64{700, 701} {
		c, ok := v.ContainerByCgroup(cgroup)
		if !ok || c.Name != "job" || c.Gone != at(1) || c.Stopped.After(at(1)) {
			t.Errorf("cgroup %d: %+v", cgroup, c)
		}
	}
}

// TestContainersOfNoEngine has those of another runtime: they run as long as
// their cgroup is there, are gone with it, and may come again. A cgroup that an
// engine left behind when it was killed is no container.
func TestContainersOfNoEngine(t *testing.T) {
	h, rt, dev := newHost(t), &fakeRuntime{}, &fakeDevices{}
	events := func(s, text string) {
		if err := os.WriteFile(filepath.Join(h.cg, "docker", id(s), "cgroup.events"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h.cgroup("docker/" + id("dead"))
	events("dead", "populated 0\nfrozen 0\n")
	h.cgroup("docker/" + id("a1"))
	events("a1", "populated 1\nfrozen 0\n")
	inv := open(t, h, rt, dev, nil)
	state := func(s, want string) {
		t.Helper()
		eventually(t, s+" is "+want, func() bool { c, _ := inv.View().Container(id(s)); return c.State == want })
	}
	state("a1", "running")
	first := h.cgroup("docker/" + id("b2"))
	events("b2", "populated 0\n") // its process is not there yet
	state("b2", "running")
	if _, ok := inv.View().Container(id("dead")); ok {
		t.Error("what an engine left behind counts as a container")
	}
	if err := os.RemoveAll(filepath.Join(h.cg, "docker", id("b2"))); err != nil {
		t.Fatal(err)
	}
	state("b2", "removed")
	if err := os.Mkdir(filepath.Join(h.cg, "keep"), 0o755); err != nil { // takes the freed inode
		t.Fatal(err)
	}
	second := h.cgroup("docker/" + id("b2"))
	state("b2", "running")
	nameOf(t, inv, first, id("b2")[:12])
	nameOf(t, inv, second, id("b2")[:12])
	rt.set(nil, Event{ContainerID: id("b2"), Created: true, Name: "late"}) // and an engine's after all
	nameOf(t, inv, first, "late")
	nameOf(t, inv, second, "late")
}

// More cgroups than the kernel queues: that some were missed is told, and those
// that are still there are found.
func TestMoreCgroupsThanTheQueueHolds(t *testing.T) {
	b, err := os.ReadFile("/proc/sys/fs/inotify/max_queued_events")
	if err != nil {
		t.Fatal(err)
	}
	queued, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	mount, err := os.MkdirTemp("/dev/shm", "hopscope-") // as quick as cgroups are
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(mount) })
	births, err := cgroupV2{mount: mount, root: "/"}.watch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dir := func(n int) string { return filepath.Join(mount, fmt.Sprintf("%064x", n)) }
	last := cgroupEvents + queued/2 + 2000 // what waits in user space, in the kernel, two events each, and in the buffer between
	for n := range last {
		if err := errors.Join(os.Mkdir(dir(n), 0o755), os.Remove(dir(n))); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(dir(last), 0o755); err != nil {
		t.Fatal(err)
	}
	want, err := inode(dir(last))
	if err != nil {
		t.Fatal(err)
	}
	overflows, limit := 0, time.After(30*time.Second)
	for {
		select {
		case b := <-births:
			if b.overflow {
				overflows++
			}
			if b.cgroup == want && overflows > 0 {
				t.Logf("%d overflows", overflows)
				return
			}
		case <-limit:
			t.Fatalf("%d overflows, and the last cgroup is not found", overflows)
		}
	}
}

func TestOverflowIsNoted(t *testing.T) {
	inv := open(t, newHost(t), &fakeRuntime{}, &fakeDevices{}, newClock())
	if err := inv.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if news := inv.takeBirths([]cgroupBirth{{overflow: true}}); news != 1 {
			t.Errorf("%d news: nobody looks", news)
		}
	}
	if notes := strings.Join(inv.Notes(), "\n"); !strings.Contains(notes, "(2 times, inotify's queue was full)") {
		t.Errorf("notes: %s", notes)
	}
}
