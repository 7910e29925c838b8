// Package inventory knows what exists on the host: containers, networks,
// devices and namespaces, now and during the past capture. It joins the raw
// facts of a journey (namespace inode, interface index, cgroup id, address)
// with names.
package inventory

import (
	"net/netip"
	"time"
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
	Seen        time.Time // when it was first known
	Gone        time.Time // zero while it exists
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
	IP            []netip.Addr
}

// Port is a published port.
type Port struct {
	Proto     string // tcp, udp, sctp
	Container uint16
	HostIP    netip.Addr
	Host      uint16 // 0: exposed, not published
	HowServed string // "dnat", "dnat+proxy", "proxy"
}

// Network is one Docker network.
type Network struct {
	ID, Name, Driver string
	Bridge           string // host device, "" when there is none
	Subnets          []netip.Prefix
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
	MTU         int
	Addrs       []netip.Addr
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
	Name        string // container name, "(host)", "docker-proxy", or an address
	ContainerID string // full id, "" unless Kind is container
}

// RawEndpoint is what a journey tells about one of its ends.
type RawEndpoint struct {
	Netns  uint32 // 0 when the packet was not seen there
	Cgroup uint64 // 0 when no socket was seen
	Addr   netip.Addr
}
