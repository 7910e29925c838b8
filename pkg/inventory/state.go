package inventory

import (
	"errors"
	"io/fs"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Bounds on what is remembered of the dead, so that a screen that stays open
// for weeks does not grow without end. The oldest go first.
const (
	maxFormerRuns   = 64 // of one container
	maxGone         = 4096
	maxGoneDevices  = 8192
	maxGoneNetworks = 1024
	maxGoneProxies  = 4096
)

type deviceKey struct{ netns, ifindex uint32 }

// state is what is known, as one goroutine changes it. Slices that were handed
// out in Facts are replaced, never changed in place.
type state struct {
	host       uint32
	containers map[string]Container
	networks   map[string]Network
	devices    map[deviceKey]Device
	former     []Device // whose interface index was used again
	namespaces map[uint32]Namespace
	proxies    []Proxy // in the order in which they were seen
	rootless   bool    // the engine is in a namespace of its own
}

func newState(host uint32) *state {
	return &state{
		host:       host,
		containers: make(map[string]Container),
		networks:   make(map[string]Network),
		devices:    make(map[deviceKey]Device),
		namespaces: make(map[uint32]Namespace),
	}
}

// observe takes in what a runtime says of a container. What it does not say is
// kept: the addresses of the dead, the name that was learned before.
func (s *state) observe(c Container, now time.Time) {
	old, known := s.containers[c.ID]
	c.Seen, c.Started, c.Gone = now, now, time.Time{}
	if known {
		c.Seen, c.Former = old.Seen, old.Former
		c.Name, c.Image = first(properName(c), old.Name), first(c.Image, old.Image)
		c.Service, c.Project = first(c.Service, old.Service), first(c.Project, old.Project)
		c.NetworkMode = first(c.NetworkMode, old.NetworkMode)
		if c.Ports == nil {
			c.Ports = old.Ports
		}
		c = continueRun(c, old, now)
	} else if c.PID == 0 {
		c.Stopped = now
	}
	s.containers[c.ID] = c
}

// properName is "" for the short id that stands in for a name.
func properName(c Container) string {
	if c.Name == shortID(c.ID) {
		return ""
	}
	return c.Name
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// continueRun decides whether c is the life that old was in, its end, or a new
// one.
func continueRun(c, old Container, now time.Time) Container {
	c.Started, c.Stopped = old.Started, old.Stopped
	switch {
	case c.PID == 0: // keep what was last known of its life
		if old.Stopped.IsZero() {
			c.Stopped = now
		}
		c.Netns, c.CgroupID, c.SubCgroups = old.Netns, old.CgroupID, old.SubCgroups
		c.Addrs, c.Sandbox = old.Addrs, old.Sandbox
		c.Networks = keepAttachments(c.Networks, old.Networks)
		if c.Networks == nil {
			c.Networks = old.Networks
		}
	case c.PID == old.PID && old.Stopped.IsZero():
		c.Addrs = old.Addrs
		c.SubCgroups, c.Sandbox = union(old.SubCgroups, c.SubCgroups), first(c.Sandbox, old.Sandbox)
		c.Networks = keepAttachments(c.Networks, old.Networks)
	case old.PID == 0 && c.CgroupID != 0 && c.CgroupID == old.CgroupID: // its cgroup was there first
		c.Stopped = time.Time{}
	default:
		old.bank(now)
		c.Former = old.Former
		c.Started, c.Stopped = now, time.Time{}
	}
	return c
}

func lastRun(c Container) Run {
	return Run{PID: c.PID, Netns: c.Netns, CgroupID: c.CgroupID, SubCgroups: c.SubCgroups,
		Addrs: c.Addrs, Started: c.Started, Stopped: c.Stopped}
}

// keepAttachments keeps the addresses that Docker forgets when a container
// stops, and the fallback never knew.
func keepAttachments(now, old []Attachment) []Attachment {
	if now == nil {
		return old
	}
	out := slices.Clone(now)
	for i, a := range out {
		for _, o := range old {
			if o.Network == a.Network && len(a.IP) == 0 {
				out[i].IP, out[i].Interface, out[i].HostInterface = o.IP, o.Interface, o.HostInterface
				out[i].Ifindex, out[i].HostIfindex = o.Ifindex, o.HostIfindex
			}
		}
	}
	return out
}

func union(a, b []uint64) []uint64 {
	out := slices.Clone(a)
	for _, v := range b {
		if !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

// learn takes in a name that only an event told: of a container that is gone
// again before it could be inspected.
func (s *state) learn(e Event, now time.Time) {
	old, known := s.containers[e.ContainerID]
	if known && properName(old) != "" || !e.Created || e.ContainerID == "" {
		return
	}
	s.observe(named(Container{ID: e.ContainerID, Name: e.Name, Image: e.Image,
		Service: e.Service, Project: e.Project, State: "created"}), now)
}

// bury marks a container that does not exist any more.
func (s *state) bury(id string, now time.Time) {
	c, known := s.containers[id]
	if !known || !c.Gone.IsZero() {
		return
	}
	c.Gone, c.PID, c.State = now, 0, "removed"
	if c.Stopped.IsZero() {
		c.Stopped = now
	}
	s.containers[id] = c
}

// reconcile takes in a whole listing: who is not in it is gone.
func (s *state) reconcile(list []Container, now time.Time) {
	present := make(map[string]bool, len(list))
	for _, c := range list {
		present[c.ID] = true
		s.observe(c, now)
	}
	for id := range s.containers {
		if !present[id] {
			s.bury(id, now)
		}
	}
}

// setNetworks takes in the listing of all networks.
func (s *state) setNetworks(list []Network, now time.Time) {
	for id, n := range s.networks {
		if n.Gone.IsZero() && !slices.ContainsFunc(list, func(m Network) bool { return m.ID == id }) {
			n.Gone = now
			s.networks[id] = n
		}
	}
	for _, n := range list {
		s.networks[n.ID] = n
	}
}

// setNamespaces takes in the scan of all namespaces; devices of those that do
// not exist any more are gone.
func (s *state) setNamespaces(list []Namespace, now time.Time) {
	s.namespaces = make(map[uint32]Namespace, len(list))
	for _, ns := range list {
		s.namespaces[ns.Inode] = ns
	}
	for k, d := range s.devices {
		if _, there := s.namespaces[k.netns]; !there && d.Gone.IsZero() {
			d.Gone = now
			s.devices[k] = d
		}
	}
}

// setDevices takes in readings of some namespaces.
func (s *state) setDevices(scans []Scan, now time.Time) {
	for _, scan := range scans {
		if scan.Err != nil && !errors.Is(scan.Err, fs.ErrNotExist) {
			continue
		}
		present := make(map[uint32]bool, len(scan.Devices))
		for _, d := range scan.Devices {
			present[d.Ifindex] = true
			s.observeDevice(d, now)
		}
		for k, d := range s.devices {
			if k.netns == scan.Netns && !present[k.ifindex] && d.Gone.IsZero() {
				d.Gone = now
				s.devices[k] = d
			}
		}
	}
}

func (s *state) observeDevice(d Device, now time.Time) {
	k := deviceKey{d.Netns, d.Ifindex}
	old, known := s.devices[k]
	d.Seen, d.Gone = now, time.Time{}
	if known && old.Gone.IsZero() && sameDevice(old, d) {
		d.Seen = old.Seen
		if d.ParentNetns == 0 && d.Parent == old.Parent {
			d.ParentNetns = old.ParentNetns
		}
		d = keepPeer(d, old)
	} else if known {
		if old.Gone.IsZero() {
			old.Gone = now
		}
		s.former = append(s.former[max(0, len(s.former)-maxGoneDevices+1):], old)
	}
	s.devices[k] = d
}

// sameDevice tells one that was renamed from another one that got its index.
func sameDevice(old, d Device) bool {
	if old.Kind != d.Kind || old.MAC != d.MAC {
		return false
	}
	return old.Name == d.Name || d.MAC != "" && old.PeerIfindex == d.PeerIfindex && old.Parent == d.Parent
}

// keepPeer keeps what a veth led to when the peer's namespace was not among
// those read, and when Docker takes the pair down: it first moves the peer back
// into the host's namespace, where a reading may find it.
func keepPeer(d, old Device) Device {
	away := old.PeerNetns != 0 && old.PeerNetns != d.Netns
	switch {
	case d.PeerNetns == 0 && d.PeerIfindex == old.PeerIfindex:
		d.PeerNetns = old.PeerNetns
	case d.PeerNetns == d.Netns && away:
		d.PeerNetns, d.PeerIfindex = old.PeerNetns, old.PeerIfindex
		if d.Master == 0 {
			d.Master = old.Master
		}
	}
	return d
}

// setAddrs gives every running container the addresses of its namespace. Those
// of the host's namespace are the host's, and loopback and link-local ones
// mean something else in each.
func (s *state) setAddrs() {
	byNetns := make(map[uint32][]netip.Addr)
	for k, d := range s.devices {
		if k.netns == s.host || !d.Gone.IsZero() {
			continue
		}
		for _, a := range d.Addrs {
			if global(a) {
				byNetns[k.netns] = append(byNetns[k.netns], a)
			}
		}
	}
	for id, c := range s.containers {
		if !c.Running() || c.Netns == s.host || c.Netns == 0 {
			continue
		}
		addrs := slices.Clone(byNetns[c.Netns])
		for _, a := range c.Networks {
			addrs = append(addrs, a.IP...)
		}
		slices.SortFunc(addrs, netip.Addr.Compare)
		c.Addrs = slices.Compact(addrs)
		s.containers[id] = c
	}
}

func global(a netip.Addr) bool {
	return a.IsValid() && !a.IsLoopback() && !a.IsLinkLocalUnicast() && !a.IsUnspecified() && !a.IsMulticast()
}

// facts is everything in a fixed order: by name, network name, and index.
func (s *state) facts() Facts {
	byName := func(a, b Container) int {
		if d := strings.Compare(a.Name, b.Name); d != 0 {
			return d
		}
		return strings.Compare(a.ID, b.ID)
	}
	return Facts{
		Host:       s.host,
		Containers: slices.SortedFunc(maps.Values(s.containers), byName),
		Networks: slices.SortedFunc(maps.Values(s.networks), func(a, b Network) int {
			return strings.Compare(a.Name+a.ID, b.Name+b.ID)
		}),
		Devices: slices.SortedFunc(maps.Values(s.devices), func(a, b Device) int {
			if a.Netns != b.Netns {
				return int(a.Netns) - int(b.Netns)
			}
			return int(a.Ifindex) - int(b.Ifindex)
		}),
		Former:     slices.Clone(s.former),
		Proxies:    slices.Clone(s.proxies),
		Namespaces: slices.SortedFunc(maps.Values(s.namespaces), func(a, b Namespace) int { return int(a.Inode) - int(b.Inode) }),
	}
}
