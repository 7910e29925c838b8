// Package inventory knows what exists on the host: containers, networks,
// devices and namespaces, now and during the past capture. It joins the raw
// facts of a journey (namespace inode, interface index, cgroup id, address)
// with names.
package inventory

import (
	"net/netip"
	"time"

	"github.com/hopscope/hopscope/pkg/journey"
)

// Container is one container as the operator knows it.
type Container struct {
	ID          string // 64 hex digits
	Name        string
	Image       string
	Service     string // compose service, "" outside compose
	Project     string // compose project
	State       string // as Docker says: running, exited, ...
	NetworkMode string // bridge, host, none, container:ID, a network's name
	PID         int    // init process, 0 when not running
	CgroupID    uint64 // inode of its cgroup v2 directory, 0 when unknown
	Netns       uint32 // inode of its network namespace, 0 when unknown
	Networks    []Attachment
	Ports       []Port
	Sandbox     string       // path of its network namespace as Docker says, "" when unknown
	SubCgroups  []uint64     // inodes of cgroups that it made below its own
	Addrs       []netip.Addr // addresses of its namespace; empty with the host's
	Former      []Run        // earlier lives, oldest first
	Seen        time.Time    // when it was first known
	Started     time.Time    // when its current or last life was first known
	Stopped     time.Time    // when that life ended, zero while it runs
	Gone        time.Time    // zero while it exists
}

// Running says whether the container has a process. PID is 0 otherwise, while
// Netns, CgroupID and addresses stay as they were last known.
func (c Container) Running() bool { return c.PID != 0 && c.Stopped.IsZero() && c.Gone.IsZero() }

// Run is one life of a container, from a start to a stop. A restarted
// container has another namespace and cgroup under the same id and name.
type Run struct {
	PID        int
	Netns      uint32
	CgroupID   uint64
	SubCgroups []uint64
	Addrs      []netip.Addr
	Started    time.Time
	Stopped    time.Time
}

// Attachment is a container's leg in one network.
type Attachment struct {
	Network       string // Docker's name of the network
	NetworkID     string
	Driver        string // bridge, macvlan, overlay, ...
	Interface     string // in the container, such as eth0
	Ifindex       uint32
	HostInterface string // host end of the veth pair, "" when there is none
	HostIfindex   uint32
	MAC           string // as Docker says, "" when unknown
	IP            []netip.Addr
}

// Port is a published port.
type Port struct {
	Proto     string // tcp, udp, sctp
	Container uint16
	HostIP    netip.Addr
	Host      uint16 // 0: exposed, not published
	HowServed string // "dnat", "dnat+proxy", "proxy", "" when unknown
}

// Network is one Docker network.
type Network struct {
	ID, Name, Driver string
	Bridge           string // host device, "" when there is none
	Subnets          []netip.Prefix
	Gone             time.Time // zero while it exists
}

// Device is one network device of one namespace.
type Device struct {
	Netns       uint32
	Ifindex     uint32
	Name        string
	Kind        string // veth, bridge, macvlan, vxlan, ... "" for a NIC
	Master      uint32 // bridge of a port, in the same namespace
	PeerNetns   uint32 // veth peer, 0 when unknown
	PeerIfindex uint32
	Parent      uint32 // lower device of a macvlan, vlan or vxlan
	ParentNetns uint32 // the lower device's namespace, 0 when unknown
	MTU         int
	MAC         string
	Addrs       []netip.Addr
	Seen        time.Time // when it was first known
	Gone        time.Time // zero while it exists
}

// Namespace is one network namespace. Path opens it and may go stale with the
// process that it names.
type Namespace struct {
	Inode uint32
	Name  string // in /run/netns, "" without a name
	Path  string
}

// EndpointKind says what stands at one end of a path.
type EndpointKind string

// The kinds of the JSON contract.
const (
	KindContainer EndpointKind = "container"
	KindHost      EndpointKind = "host"
	KindProxy     EndpointKind = "proxy"
	KindExternal  EndpointKind = "external"
)

// Endpoint is one end of a path, named.
type Endpoint struct {
	Kind        EndpointKind
	Name        string // container name, "(host)", "docker-proxy web:8000", or an address
	ContainerID string // full id, "" unless Kind is container
}

// RawEndpoint is what a journey tells about one of its ends.
type RawEndpoint struct {
	Netns  uint32 // 0 when the packet was not seen there
	Cgroup uint64 // 0 when no socket was seen
	Addr   netip.Addr
	// Via is the outer end of the veth pair by which the packet passed, zero when
	// it is unknown or not needed. Tenant is the cgroup of another packet that
	// passed there. Both tell one user of a namespace from the next.
	Via    journey.Place
	Tenant uint64
}

// RawFlow is what a journey tells about an end of its flow, ports included:
// they tell docker-proxy from the host's other processes.
type RawFlow struct {
	RawEndpoint
	Proto  uint8          // IP protocol number
	Server netip.AddrPort // where the flow leads to, as the server has it
	Serves bool           // whether this end is the server
	// Processes of a client are those that connected there, none when unknown.
	Processes []uint32
}
