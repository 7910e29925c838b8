package inventory

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Inodes of namespaces in the fixtures.
const (
	hostNS    = 4026531840
	webNS     = 4026532200
	dbNS      = 4026532300
	foreignNS = 4026532400
)

// id makes a container id of 64 digits that starts with s.
func id(s string) string { return s + strings.Repeat("0", 64-len(s)) }

// fakeRuntime is an engine whose containers a test sets.
type fakeRuntime struct {
	mu         sync.Mutex
	down       error
	containers []Container
	networks   []Network
	events     chan Event
	errs       chan error
	connected  int
	rootless   bool
	closed     bool
	asked      chan struct{} // an inspection gives it a value, and waits until it is taken; nil: none does
}

func (f *fakeRuntime) Describe(context.Context) (Engine, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return Engine{About: "Docker of the test", Rootless: f.rootless}, f.down
}

func (f *fakeRuntime) Containers(context.Context) ([]Container, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.containers), f.down
}

func (f *fakeRuntime) Container(ctx context.Context, id string) (Container, error) {
	if f.asked != nil {
		select {
		case f.asked <- struct{}{}:
		case <-ctx.Done():
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.containers {
		if c.ID == id {
			return c, f.down
		}
	}
	return Container{}, fmt.Errorf("inspect: %w", ErrNotFound)
}

func (f *fakeRuntime) Networks(context.Context) ([]Network, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.networks), f.down
}

func (f *fakeRuntime) Events(context.Context) (<-chan Event, <-chan error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.connected++
	f.events, f.errs = make(chan Event, 8), make(chan error, 1)
	return f.events, f.errs
}

func (f *fakeRuntime) Close() error {
	f.closed = true
	return nil
}

// set replaces the containers and sends events about those named.
func (f *fakeRuntime) set(list []Container, events ...Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.containers = list
	for _, e := range events {
		f.events <- e
	}
}

// stop makes the engine go away, or come back with a nil error.
func (f *fakeRuntime) stop(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = err
	if err != nil {
		f.errs <- err
	}
}

// fakeDevices are devices that a test sets.
type fakeDevices struct {
	mu      sync.Mutex
	devices []Device
	refused map[uint32]error // namespaces that cannot be read
	reads   int
	changed chan struct{}
}

func (f *fakeDevices) Devices(_ uint32, all []Namespace) []Scan {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reads++
	var out []Scan
	for _, ns := range all {
		s := Scan{Netns: ns.Inode, Err: f.refused[ns.Inode]}
		for _, d := range f.devices {
			if d.Netns == ns.Inode {
				s.Devices = append(s.Devices, d)
			}
		}
		if ns.Path == "" {
			s.Err = fs.ErrNotExist
		}
		out = append(out, s)
	}
	return out
}

func (f *fakeDevices) Watch(context.Context, Namespace) (<-chan struct{}, error) {
	if f.changed == nil {
		return nil, errors.New("the test has no netlink")
	}
	return f.changed, nil
}

func (f *fakeDevices) set(list ...Device) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.devices = list
}

func (f *fakeDevices) readings() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.reads
}

// fakeClock moves when it is told to.
type fakeClock struct {
	mu     sync.Mutex
	now    time.Time
	timers map[time.Time][]chan time.Time
}

func newClock() *fakeClock {
	return &fakeClock{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), timers: map[time.Time][]chan time.Time{}}
}

func (c *fakeClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *fakeClock) After(d time.Duration) <-chan time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	ch := make(chan time.Time, 1)
	c.timers[c.now.Add(d)] = append(c.timers[c.now.Add(d)], ch)
	return ch
}

func (c *fakeClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	for at, list := range c.timers {
		if at.After(c.now) {
			continue
		}
		for _, ch := range list {
			ch <- c.now
		}
		delete(c.timers, at)
	}
}

// host is a fixture of /proc and of cgroup v2.
type host struct {
	t    *testing.T
	proc string
	cg   string
}

func newHost(t *testing.T) host {
	t.Helper()
	h := host{t: t, proc: t.TempDir(), cg: t.TempDir()}
	h.process(1, hostNS, "0::/init.scope\n")
	h.write("self/mountinfo", "24 1 0:20 / /proc rw - proc proc rw\n30 24 0:26 / "+h.cg+" rw,nosuid - cgroup2 cgroup2 rw\n")
	return h
}

func (h host) write(name, content string) {
	h.t.Helper()
	path := filepath.Join(h.proc, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		h.t.Fatal(err)
	}
}

// process adds or replaces a process.
func (h host) process(pid int, netns uint32, cgroups string) {
	h.t.Helper()
	dir := strconv.Itoa(pid)
	h.write(dir+"/cgroup", cgroups)
	link := filepath.Join(h.proc, dir, "ns/net")
	_ = os.MkdirAll(filepath.Dir(link), 0o755)
	_ = os.Remove(link)
	if err := os.Symlink(fmt.Sprintf("net:[%d]", netns), link); err != nil {
		h.t.Fatal(err)
	}
}

func (h host) kill(pid int) {
	h.t.Helper()
	if err := os.RemoveAll(filepath.Join(h.proc, strconv.Itoa(pid))); err != nil {
		h.t.Fatal(err)
	}
}

// cgroup makes a cgroup and returns its id.
func (h host) cgroup(path string) uint64 {
	h.t.Helper()
	dir := filepath.Join(h.cg, path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		h.t.Fatal(err)
	}
	ino, err := inode(dir)
	if err != nil {
		h.t.Fatal(err)
	}
	return ino
}

// container starts a process for a container as Docker's cgroupfs driver does.
func (h host) container(id string, pid int, netns uint32) uint64 {
	h.t.Helper()
	h.process(pid, netns, "4:memory:/docker/"+id+"\n0::/docker/"+id+"\n")
	return h.cgroup("docker/" + id)
}

// eventually waits for what another goroutine does.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("after 5 s still not: %s", what)
}

// clockOf is the system's clock where a test has none.
func clockOf(c *fakeClock) Clock {
	if c == nil {
		return systemClock{}
	}
	return c
}
