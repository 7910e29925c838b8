package inventory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	linkDelay  = 20 * time.Millisecond  // a container's start changes devices some ten times
	missDelay  = 100 * time.Millisecond // what is unknown comes in groups
	missAgain  = 10 * time.Second       // before the same unknown is looked for again
	maxTried   = 4096                   // unknowns that are remembered
	retryFirst = 250 * time.Millisecond
	retryMost  = 5 * time.Second
	callLimit  = 10 * time.Second // for one answer of the engine
)

// feed is the subscription to the runtime; the zero value is none.
type feed struct {
	events <-chan Event
	errs   <-chan error
	cancel context.CancelFunc
}

// upkeep is what run remembers between two steps.
type upkeep struct {
	*Inventory
	feed   feed
	wait   time.Duration // before the engine is asked again
	births int           // that were not looked at yet
	tried  map[miss]time.Time

	retry, linksDue, missesDue <-chan time.Time
}

// run owns the state. It returns when ctx ends.
func (inv *Inventory) run(ctx context.Context, f feed, links <-chan struct{}, cgroups <-chan cgroupBirth) {
	u := &upkeep{Inventory: inv, feed: f, wait: retryFirst, tried: make(map[miss]time.Time)}
	if f.events == nil {
		u.retry = inv.clock.After(u.wait)
	}
	defer func() { u.feed.stop() }()
	for u.step(ctx, links, cgroups) {
	}
}

// step waits for one thing to do, and is false when ctx has ended.
func (u *upkeep) step(ctx context.Context, links <-chan struct{}, cgroups <-chan cgroupBirth) bool {
	if len(cgroups) > 0 { // before what may wait for the engine
		u.births += u.takeBirths(drain(<-cgroups, cgroups))
	}
	if u.births > 0 { // their devices are made now
		u.expectLinks()
	}
	select {
	case <-ctx.Done():
		return false
	case e := <-u.feed.events:
		u.handle(ctx, drain(e, u.feed.events))
	case err := <-u.feed.errs:
		u.disconnect(err)
	case <-u.retry:
		u.reconnect(ctx)
	case <-links:
		u.expectLinks()
	case b := <-cgroups:
		u.births += u.takeBirths(drain(b, cgroups))
	case <-u.linksDue:
		u.lookAtLinks()
	case m := <-u.misses:
		// Asked first: one that comes during the delay is tried by the look then, too.
		if worthwhile(u.tried, m, u.clock.Now()) && u.missesDue == nil {
			u.missesDue = u.clock.After(missDelay)
		}
	case <-u.missesDue:
		u.missesDue = nil
		u.look()
		u.publish()
	case ready := <-u.fresh:
		u.refresh(ctx)
		close(ready)
	}
	return true
}

// disconnect takes in that the engine has gone away.
func (u *upkeep) disconnect(err error) {
	u.feed.stop()
	u.feed, u.wait = feed{}, retryFirst
	u.lost(err)
	u.engine = false
	u.retry = u.clock.After(u.wait)
}

func (u *upkeep) reconnect(ctx context.Context) {
	u.retry = nil
	if u.feed = u.connect(ctx); u.feed.events == nil {
		u.wait = min(2*u.wait, retryMost)
		u.retry = u.clock.After(u.wait)
	}
}

func (u *upkeep) expectLinks() {
	if u.linksDue == nil {
		u.linksDue = u.clock.After(linkDelay)
	}
}

// lookAtLinks looks for who came, and at the devices of the host.
func (u *upkeep) lookAtLinks() {
	u.linksDue = nil
	if !u.engine && u.births > 0 {
		u.listWithoutEngine()
	}
	u.births = 0
	u.readNamespaces(u.host)
	u.publish()
}

// refresh looks at everything again.
func (u *upkeep) refresh(ctx context.Context) {
	if u.feed.events == nil || u.list(ctx) != nil {
		u.listWithoutEngine()
	}
	u.look()
	u.publish()
}

// takeBirths says how many of the cgroups are news.
func (inv *Inventory) takeBirths(list []cgroupBirth) (news int) {
	for _, b := range list {
		if b.overflow {
			inv.noteOverflow()
			news++ // who went meanwhile is found by looking
			continue
		}
		if inv.state.born(b, inv.clock.Now()) {
			news++
		}
	}
	return news
}

// noteOverflow counts how often the kernel had more new cgroups to tell of than
// its queue holds (fs.inotify.max_queued_events).
func (inv *Inventory) noteOverflow() {
	inv.overflows++
	inv.note("overflow", fmt.Sprintf("containers came and went faster than they could be taken in (%d times, inotify's queue was full): some may have no name", inv.overflows))
}

func (f feed) stop() {
	if f.cancel != nil {
		f.cancel()
	}
}

// worthwhile keeps what nothing can resolve, such as the cgroups of the host's
// own services, from being looked for again and again.
func worthwhile(tried map[miss]time.Time, m miss, now time.Time) bool {
	if at, ok := tried[m]; ok && now.Sub(at) < missAgain {
		return false
	}
	if len(tried) >= maxTried {
		clear(tried)
	}
	tried[m] = now
	return true
}

// connect subscribes first and lists then, so that nothing falls in between.
// Without an engine it looks without one and returns the zero feed.
func (inv *Inventory) connect(ctx context.Context) feed {
	call, done := context.WithTimeout(ctx, firstListing)
	defer done()
	engine, err := inv.runtime.Describe(call)
	inv.noteRootless(engine, err == nil)
	inv.engine = err == nil
	if err != nil {
		inv.lost(err)
		inv.listWithoutEngine()
		inv.look()
		inv.publish()
		return feed{}
	}
	var f feed
	sub, cancel := context.WithCancel(ctx)
	f.cancel = cancel
	f.events, f.errs = inv.runtime.Events(sub)
	if err := inv.list(ctx); err != nil {
		inv.lost(err)
		inv.listWithoutEngine()
		f.stop()
		f = feed{}
	} else {
		inv.setSource(Source{Name: "docker", OK: true, Detail: Clean(engine.About)})
		inv.note("docker", "")
	}
	inv.look()
	inv.publish()
	return f
}

// lost says that the engine does not answer. What it told before stays.
func (inv *Inventory) lost(err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	why := reasonOf(err)
	inv.setSource(Source{Name: "docker", Detail: why})
	inv.note("docker", "the Docker engine does not answer: new containers are named by the first 12 digits of their id, networks by their bridge ("+why+")")
}

// reasonOf is the text of an engine's error. Of a server that speaks before it is asked
// and then hangs up, net/http says what is no sentence.
func reasonOf(err error) string {
	return Clean(strings.ReplaceAll(err.Error(), "readLoopPeekFailLocked: %!w(<nil>)", "it speaks before it is asked"))
}

// list takes in everything that the engine knows.
func (inv *Inventory) list(ctx context.Context) error {
	ctx, done := context.WithTimeout(ctx, callLimit)
	defer done()
	networks, err := inv.runtime.Networks(ctx)
	if err != nil {
		return err
	}
	containers, err := inv.runtime.Containers(ctx)
	if err != nil {
		return err
	}
	now := inv.clock.Now()
	for i := range containers {
		inv.locate(&containers[i])
	}
	inv.state.setNetworks(networks, now)
	inv.state.reconcile(containers, now)
	return nil
}

// drain takes what else is waiting, so that a burst is one step.
func drain[T any](first T, more <-chan T) []T {
	out := []T{first}
	for {
		select {
		case next := <-more:
			out = append(out, next)
		default:
			return out
		}
	}
}

// handle brings the containers and networks of some events up to date.
func (inv *Inventory) handle(ctx context.Context, events []Event) {
	ctx, done := context.WithTimeout(ctx, callLimit)
	defer done()
	var dirty []string // in their order: who comes after another may get what that one had
	networks := false
	for _, e := range events {
		networks = networks || e.Network
		if e.ContainerID != "" {
			if !slices.Contains(dirty, e.ContainerID) {
				dirty = append(dirty, e.ContainerID)
			}
			inv.state.learn(e, inv.clock.Now())
		}
	}
	if networks {
		if list, err := inv.runtime.Networks(ctx); err == nil {
			inv.state.setNetworks(list, inv.clock.Now())
		}
	}
	read := []Namespace{inv.host}
	for i, found := range inv.inspect(ctx, dirty) {
		read = append(read, inv.takeIn(dirty[i], found)...)
	}
	inv.readNamespaces(read...)
	inv.publish()
}

// inspection is what the engine says of one container.
type inspection struct {
	container Container
	err       error
}

// inspect asks for several containers at once: the engine answers late for one
// that it is about to start.
func (inv *Inventory) inspect(ctx context.Context, ids []string) []inspection {
	out := make([]inspection, len(ids))
	concurrently(len(ids), func(i int) {
		if out[i].container, out[i].err = inv.runtime.Container(ctx, ids[i]); out[i].err == nil {
			inv.locate(&out[i].container)
		}
	})
	return out
}

// takeIn returns the namespaces that are worth reading: of the container's
// life before and of the one now.
func (inv *Inventory) takeIn(id string, found inspection) []Namespace {
	before := inv.state.containers[id].Netns
	now := inv.clock.Now()
	switch {
	case errors.Is(found.err, ErrNotFound):
		inv.state.bury(id, now)
	case found.err != nil:
		return nil // the engine is going away: the listing after it comes back tells
	default:
		inv.state.observe(found.container, now)
	}
	var out []Namespace
	for _, ino := range []uint32{before, inv.state.containers[id].Netns} {
		if ino != 0 && ino != inv.host.Inode {
			out = append(out, inv.namespaceOf(ino))
		}
	}
	if len(out) == 2 && out[0].Inode == out[1].Inode {
		out = out[:1]
	}
	return out
}
