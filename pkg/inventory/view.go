package inventory

import (
	"net/netip"
	"slices"
	"time"
)

// Facts is all that is known at one moment, the dead included. It is plain
// data: a View can be made of it on another machine.
type Facts struct {
	Host       uint32 // inode of the host's network namespace, 0 when unknown
	Containers []Container
	Networks   []Network
	Devices    []Device
	Former     []Device // whose interface index was used again, oldest first
	Namespaces []Namespace
	Proxies    []Proxy // docker-proxy processes, oldest first
}

// View is an immutable picture of the inventory, safe for concurrent use. What
// it returns must not be changed.
type View struct {
	facts    Facts
	byID     map[string]int
	byCgroup map[uint64]life
	byNetns  map[uint32][]tenure
	byAddr   map[netip.Addr][]tenure
	devices  map[deviceKey]Device
	hostAddr map[netip.Addr]bool
	bridges  map[string]Network // by the name of the host's bridge device
	netns    map[uint32]Namespace
	overlays map[uint32]Network // whose namespace it is
	missed   chan<- miss        // nil: nobody mends what is missing
	period   tenure             // what the view speaks of; zero: all times
	begin    time.Time          // when the first container was known
}

// miss is a raw fact that a view could not resolve.
type miss struct {
	device deviceKey
	cgroup uint64
}

// life is one run of a container as its cgroup tells of it.
type life struct {
	tenure
	netns uint32 // 0 when unknown
}

// NewView indexes the facts.
func NewView(f Facts) *View {
	v := &View{
		facts:    f,
		byID:     make(map[string]int, len(f.Containers)),
		byCgroup: make(map[uint64]life, len(f.Containers)),
		byNetns:  make(map[uint32][]tenure),
		byAddr:   make(map[netip.Addr][]tenure),
		devices:  make(map[deviceKey]Device, len(f.Devices)),
		hostAddr: make(map[netip.Addr]bool),
		bridges:  make(map[string]Network),
		netns:    make(map[uint32]Namespace, len(f.Namespaces)),
	}
	for _, ns := range f.Namespaces {
		v.netns[ns.Inode] = ns
	}
	for _, n := range f.Networks {
		if old, known := v.bridges[n.Bridge]; n.Bridge != "" && (!known || !old.Gone.IsZero()) {
			v.bridges[n.Bridge] = n
		}
	}
	for _, d := range f.Devices {
		v.devices[deviceKey{d.Netns, d.Ifindex}] = d
		if d.Netns == f.Host {
			for _, a := range d.Addrs {
				v.hostAddr[a] = true
			}
		}
	}
	v.overlays = overlaysOf(f)
	v.indexContainers()
	return v
}

func (v *View) indexContainers() {
	for i, c := range v.facts.Containers {
		v.byID[c.ID] = i
		for _, r := range append(slices.Clone(c.Former), lastRun(c)) {
			t := tenure{container: i, from: r.Started, to: r.Stopped}
			if v.begin.IsZero() || t.from.Before(v.begin) {
				v.begin = t.from
			}
			for _, id := range append([]uint64{r.CgroupID}, r.SubCgroups...) {
				v.indexCgroup(id, life{t, r.Netns})
			}
			if r.Netns != 0 && r.Netns != v.facts.Host {
				v.byNetns[r.Netns] = append(v.byNetns[r.Netns], t)
			}
			for _, a := range r.Addrs {
				v.byAddr[a] = append(v.byAddr[a], t)
			}
		}
	}
}

// indexCgroup lets the latest life win should the kernel use an id again.
func (v *View) indexCgroup(id uint64, l life) {
	if id == 0 {
		return
	}
	if old, known := v.byCgroup[id]; known && !l.to.IsZero() {
		if o := v.facts.Containers[old.container]; o.Running() || o.Stopped.After(l.to) {
			return
		}
	}
	v.byCgroup[id] = l
}

// Facts is what the view was made of.
func (v *View) Facts() Facts { return v.facts }

// Containers lists all containers by name, those that stopped or are gone too.
func (v *View) Containers() []Container { return v.facts.Containers }

// Networks lists all Docker networks by name, those that are gone too.
func (v *View) Networks() []Network { return v.facts.Networks }

// Devices lists all devices by namespace and index, those that are gone too.
func (v *View) Devices() []Device { return v.facts.Devices }

// HostNetns is the inode of the host's network namespace.
func (v *View) HostNetns() uint32 { return v.facts.Host }

// Container finds a container by its full id.
func (v *View) Container(id string) (Container, bool) {
	i, ok := v.byID[id]
	if !ok {
		return Container{}, false
	}
	return v.facts.Containers[i], true
}

// ContainerByCgroup finds the container of a cgroup v2 id, also of a cgroup
// that it made below its own.
func (v *View) ContainerByCgroup(id uint64) (Container, bool) {
	l, ok := v.byCgroup[id]
	if !ok {
		if id != 0 {
			v.miss(miss{cgroup: id})
		}
		return Container{}, false
	}
	return v.facts.Containers[l.container], true
}

// ContainersByNetns are the containers of a network namespace, by name: several
// where one joined another's, none for the host's namespace and foreign ones.
func (v *View) ContainersByNetns(netns uint32) []Container {
	return v.containers(current(v.byNetns[netns]))
}

// ContainerByAddr finds the one container that has, or had, an address. There
// is none where several share it, or had it one after the other.
func (v *View) ContainerByAddr(a netip.Addr) (Container, bool) {
	if owners := v.ownersOf(a); len(owners) == 1 {
		return owners[0], true
	}
	return Container{}, false
}

func (v *View) ownersOf(a netip.Addr) []Container {
	return v.containers(v.holders(v.byAddr[a.Unmap()]))
}

// noticedWithin is how late a container's start may be noticed.
const noticedWithin = 2 * time.Second

// During is the view of one stretch of time: who had a namespace or an address
// only before or after it is no candidate for what was seen there.
func (v *View) During(from, to time.Time) *View {
	out := *v
	out.period = tenure{from: from, to: to.Add(noticedWithin)}
	return &out
}

// holders are those of a namespace or an address in the view's period, none
// where one followed the other.
func (v *View) holders(all []tenure) []tenure {
	if v.period == (tenure{}) {
		return sure(all)
	}
	within := slices.DeleteFunc(slices.Clone(all), func(t tenure) bool { return !t.overlaps(v.period) })
	if len(within) == 0 {
		within = all
	}
	return sure(within)
}

// throughout are the holders if one of them was there all the time that the
// view speaks of.
func (v *View) throughout(holders []tenure) []tenure {
	from, to := v.begin.Add(noticedWithin), time.Time{}
	if v.period != (tenure{}) {
		from, to = v.period.from, v.period.to
	}
	if slices.ContainsFunc(holders, func(t tenure) bool {
		return !t.from.After(from) && (t.to.IsZero() || !to.IsZero() && !t.to.Before(to))
	}) {
		return holders
	}
	return nil
}

// containers drops duplicates: a restarted container holds several tenures.
func (v *View) containers(tenures []tenure) []Container {
	seen := make(map[int]bool, len(tenures))
	var out []Container
	for _, t := range tenures {
		if !seen[t.container] {
			seen[t.container] = true
			out = append(out, v.facts.Containers[t.container])
		}
	}
	return out
}

// HostAddr says whether an address is one of the host's own.
func (v *View) HostAddr(a netip.Addr) bool {
	return a.IsLoopback() || v.hostAddr[a.Unmap()]
}

// Device finds the device that has, or last had, an index in a namespace.
func (v *View) Device(netns, ifindex uint32) (Device, bool) {
	k := deviceKey{netns, ifindex}
	d, ok := v.devices[k]
	if !ok && netns != 0 && ifindex != 0 {
		v.miss(miss{device: k})
	}
	return d, ok
}

// Network is the Docker network that a device belongs to: the bridge itself,
// the host's end of a leg, or a container's end.
func (v *View) Network(netns, ifindex uint32) (Network, bool) {
	d, ok := v.Device(netns, ifindex)
	if !ok {
		return Network{}, false
	}
	if n, ok := v.overlays[netns]; ok {
		return n, true
	}
	if netns != v.facts.Host {
		return v.networkInside(d)
	}
	if d.Master != 0 {
		d = v.devices[deviceKey{netns, d.Master}]
	}
	n, ok := v.bridges[d.Name]
	return n, ok && d.Kind == "bridge"
}

func (v *View) networkInside(d Device) (Network, bool) {
	for _, c := range v.ContainersByNetns(d.Netns) {
		for _, a := range c.Networks {
			if a.Ifindex != d.Ifindex {
				continue
			}
			for _, n := range v.facts.Networks {
				if n.ID == a.NetworkID {
					return n, true
				}
			}
		}
	}
	return Network{}, false
}

// miss asks for a fresh look, which a later view may profit from.
func (v *View) miss(m miss) {
	select {
	case v.missed <- m:
	default: // nobody listens, or enough is asked for already
	}
}

// InNetworks says whether an address is a container's in one of the Docker
// networks, which are given by name or id.
func (v *View) InNetworks(a netip.Addr, networks []string) bool {
	for _, c := range v.ownersOf(a) {
		for _, n := range c.Networks {
			if slices.Contains(n.IP, a.Unmap()) && (slices.Contains(networks, n.Network) || slices.Contains(networks, n.NetworkID)) {
				return true
			}
		}
	}
	return false
}

// Publishes says whether one of the addresses is a container's that publishes its port
// as one of the host's: what knows the service's own port alone, behind the address
// translation, is chosen by the published one so.
func (v *View) Publishes(port uint16, as []uint16, addrs ...netip.Addr) bool {
	return slices.ContainsFunc(addrs, func(a netip.Addr) bool {
		return slices.ContainsFunc(v.ownersOf(a), func(c Container) bool {
			return slices.ContainsFunc(c.Ports, func(p Port) bool { return p.Container == port && slices.Contains(as, p.Host) })
		})
	})
}

// AsksInNetworks says whether a name server is asked in one of the Docker
// networks, by a socket with the address local in a namespace: by the addresses
// of both or, where the socket's tells nothing (Docker's own name server is asked
// on loopback), by the networks that the namespace's container is in.
func (v *View) AsksInNetworks(netns uint32, local, resolver netip.Addr, networks []string) bool {
	if local.IsValid() && !local.IsUnspecified() && !local.IsLoopback() {
		return v.InNetworks(local, networks) || v.InNetworks(resolver, networks)
	}
	if netns == v.facts.Host {
		return v.InNetworks(resolver, networks)
	}
	return slices.ContainsFunc(v.ContainersByNetns(netns), func(c Container) bool {
		return slices.ContainsFunc(c.Networks, func(n Attachment) bool {
			return slices.Contains(networks, n.Network) || slices.Contains(networks, n.NetworkID)
		})
	})
}
