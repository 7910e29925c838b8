package inventory

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/docker/docker/client"

	"github.com/hopscope/hopscope/pkg/crash"
)

// Options say where to look. The zero value means this host.
type Options struct {
	DockerHost  string   // "" means DOCKER_HOST or Docker's default socket
	ProcRoot    string   // "" means /proc
	CgroupRoots []string // mounts of cgroup v2 to use, first that exists; empty: as mountinfo says
	NetnsDirs   []string // where namespaces are mounted, the first by name; nil: /run/netns, /run/docker/netns

	Runtime Runtime      // nil: Docker
	Devices DeviceSource // nil: netlink
	Clock   Clock        // nil: the system's
}

// firstListing bounds how long Open waits for an engine that does not answer.
const firstListing = 5 * time.Second

// Inventory keeps a View up to date until its context ends or it is closed.
type Inventory struct {
	runtime Runtime
	devices DeviceSource
	clock   Clock
	proc    procfs
	cgroup  cgroupV2
	dirs    []string
	host    Namespace
	usual   bool // nobody named an engine: the usual socket is asked

	state     *state           // belongs to the goroutine of run
	engine    bool             // whether the engine answered last; likewise
	overflows int              // of the queue of new cgroups; likewise
	unread    map[uint32]error // namespaces whose devices could not be read; likewise
	print     string           // fingerprint of the containers, as last told to subscribers
	view      atomic.Pointer[View]
	misses    chan miss
	fresh     chan chan struct{}

	mu      sync.Mutex
	status  map[string]Source
	notes   map[string]string
	changes []chan struct{}

	cancel context.CancelFunc
	done   chan struct{}
}

// Open takes the first inventory and keeps it up to date until ctx ends or
// Close is called. Without an engine that answers it goes on with what /proc
// and the cgroups tell, says so in Sources and Notes, and keeps trying.
// It fails when /proc cannot be read or DockerHost is malformed.
func Open(ctx context.Context, o Options) (*Inventory, error) {
	inv, err := build(o)
	if err != nil {
		return nil, err
	}
	ctx, inv.cancel = context.WithCancel(ctx)
	feed := inv.connect(ctx)
	links, err := inv.devices.Watch(ctx, inv.host)
	if err != nil {
		inv.note("watch", fmt.Sprintf("changes of the host's devices are noticed late: %v", err))
	}
	births, err := inv.cgroup.watch(ctx)
	if err != nil {
		inv.note("births", fmt.Sprintf("containers that live for less than a second may have no name: %v", err))
	}
	crash.Go(func() {
		defer close(inv.done)
		inv.run(ctx, feed, links, births)
	})
	return inv, nil
}

func build(o Options) (*Inventory, error) {
	inv := &Inventory{
		runtime: o.Runtime, devices: o.Devices, clock: o.Clock, dirs: o.NetnsDirs, proc: procfs{o.ProcRoot},
		misses: make(chan miss, 64), fresh: make(chan chan struct{}), done: make(chan struct{}),
		status: make(map[string]Source), notes: make(map[string]string), unread: make(map[uint32]error),
	}
	if inv.proc.root == "" {
		inv.proc.root = "/proc"
	}
	if inv.dirs == nil {
		inv.dirs = []string{"/run/netns", "/run/docker/netns"}
	}
	if inv.devices == nil {
		inv.devices = netlinkDevices{}
	}
	if inv.clock == nil {
		inv.clock = systemClock{}
	}
	var err error
	if inv.host, err = inv.proc.hostNetns(); err != nil {
		return nil, err
	}
	inv.findCgroup(o.CgroupRoots)
	inv.usual = o.Runtime == nil && o.DockerHost == "" && os.Getenv(client.EnvOverrideHost) == ""
	if inv.runtime == nil {
		if inv.runtime, err = newDocker(o.DockerHost); err != nil {
			return nil, err
		}
	}
	inv.state = newState(inv.host.Inode)
	return inv, nil
}

func (inv *Inventory) findCgroup(roots []string) {
	inv.cgroup = findCgroupV2(inv.proc)
	for _, r := range roots {
		if _, err := inode(r); err == nil {
			inv.cgroup = cgroupV2{mount: r, root: "/"}
			break
		}
	}
	s := Source{Name: "cgroup v2", OK: inv.cgroup.mount != "", Detail: inv.cgroup.mount}
	if !s.OK {
		s.Detail = "not mounted"
		inv.note("cgroup", "no cgroup v2 hierarchy is mounted: containers in the host's network namespace cannot be told from the host")
	}
	inv.setSource(s)
}

// Close ends the subscriptions and closes the channels that Changes handed
// out. The last View stays usable.
func (inv *Inventory) Close() error {
	inv.cancel()
	<-inv.done
	inv.mu.Lock()
	defer inv.mu.Unlock()
	for _, c := range inv.changes {
		close(c)
	}
	inv.changes = nil
	return inv.runtime.Close()
}

// View is the present picture. It costs one atomic load.
func (inv *Inventory) View() *View { return inv.view.Load() }

// Select resolves names in the present picture, see [View.Select]. Without an
// engine that answers, an *[UnknownError] says so.
func (inv *Inventory) Select(names []string) (Selection, error) {
	sel, err := inv.View().Select(names)
	var unknown *UnknownError
	if errors.As(err, &unknown) {
		inv.mu.Lock()
		unknown.Why = inv.notes["docker"]
		inv.mu.Unlock()
	}
	return sel, err
}

// Changes returns a new channel that gets a value after containers appeared,
// restarted, stopped, or changed name, cgroups or addresses. Changes that are
// not fetched in time are one value. Close closes it; stop, which may be called
// more than once, ends the subscription and leaves the channel open.
func (inv *Inventory) Changes() (changes <-chan struct{}, stop func()) {
	c := make(chan struct{}, 1)
	inv.mu.Lock()
	defer inv.mu.Unlock()
	inv.changes = append(inv.changes, c)
	return c, func() {
		inv.mu.Lock()
		defer inv.mu.Unlock()
		inv.changes = slices.DeleteFunc(inv.changes, func(o chan struct{}) bool { return o == c })
	}
}

// Refresh looks at everything again and returns when the View shows it.
func (inv *Inventory) Refresh(ctx context.Context) error {
	ready := make(chan struct{})
	select {
	case inv.fresh <- ready:
	case <-inv.done:
		return errors.New("the inventory is closed")
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-ready:
		return nil
	case <-inv.done:
		return errors.New("the inventory is closed")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// publish makes the state visible.
func (inv *Inventory) publish() {
	inv.state.attach()
	inv.state.setAddrs()
	if inv.state.published() || !inv.engine {
		inv.state.setProxies(inv.proc.proxies(inv.cgroup, inv.host.Inode), inv.clock.Now())
		if !inv.engine {
			inv.state.guessPorts()
		}
		inv.state.servePorts()
	}
	inv.state.forget()
	v := NewView(inv.state.facts())
	v.missed = inv.misses
	inv.view.Store(v)
	if p := fingerprint(v.facts.Containers); p != inv.print {
		inv.print = p
		inv.mu.Lock()
		defer inv.mu.Unlock()
		for _, c := range inv.changes {
			poke(c)
		}
	}
}

// fingerprint tells whether a selection could come out differently.
func fingerprint(list []Container) string {
	var b []byte
	for _, c := range list {
		b = fmt.Append(b, c.ID, c.Name, c.Service, c.Project, c.State, c.PID, c.Netns, c.CgroupID,
			c.SubCgroups, c.Addrs, c.Gone.IsZero(), "\n")
	}
	return string(b)
}

// poke sends without waiting: one pending value is enough.
func poke(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Source is one place that the inventory learns from.
type Source struct {
	Name   string // docker, procfs, netlink, cgroup v2
	OK     bool
	Detail string // version and address, or what is wrong
}

// Sources tells what the inventory rests on at present, by name.
func (inv *Inventory) Sources() []Source {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	var out []Source
	for _, s := range inv.status {
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b Source) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return out
}

// Notes are sentences about what is missing or guessed at present.
func (inv *Inventory) Notes() []string {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	var out []string
	for _, n := range inv.notes {
		out = append(out, n)
	}
	slices.Sort(out)
	return out
}

func (inv *Inventory) setSource(s Source) {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	inv.status[s.Name] = s
}

// note replaces the note on a topic; an empty text takes it away.
func (inv *Inventory) note(topic, text string) {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	if text == "" {
		delete(inv.notes, topic)
		return
	}
	inv.notes[topic] = text
}
