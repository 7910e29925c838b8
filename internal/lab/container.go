package lab

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"strconv"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/go-connections/nat"
)

// ContainerSpec describes a container of the traffic program.
type ContainerSpec struct {
	Name     string     // short; see Shop.Name
	Networks []*Network // none: as Mode says. Docker makes eth0, eth1, ... in the order of their names
	Mode     string     // network mode: "" (docker0), "host", "none", "container:ID"
	Publish  []string   // as docker run -p takes them: "8000", "127.0.0.1:18080:8000/udp"
	Args     []string   // of the traffic program; none: "sleep"
	Labels   map[string]string
	Sysctls  map[string]string
	DNS      []string // name servers, in place of the host's
	CPUs     float64  // limit, 0: none
}

// Container is a running container.
type Container struct {
	ID    string
	Name  string // whole
	PID   int    // init process
	Netns string // path of its network namespace, for InNetns
	Links []Link // its veth pairs, in the order of their index

	shop *Shop
	info container.InspectResponse
}

// Container creates and starts a container and returns when it is up. One that
// serves (its first argument is "serve" or "nameserver") listens by then.
func (s *Shop) Container(spec ContainerSpec) *Container {
	s.t.Helper()
	ctx := context.Background()
	exposed, published, err := nat.ParsePortSpecs(spec.Publish)
	must(s.t, err, "ports of %s", spec.Name)
	labels := map[string]string{label: "1"}
	maps.Copy(labels, spec.Labels)

	config := &container.Config{Image: s.image, Cmd: spec.Args, Labels: labels, ExposedPorts: exposed}
	host := &container.HostConfig{
		NetworkMode:  container.NetworkMode(spec.Mode),
		PortBindings: published,
		Sysctls:      spec.Sysctls,
		DNS:          spec.DNS,
		Resources:    container.Resources{NanoCPUs: int64(spec.CPUs * 1e9)},
	}
	var first *network.NetworkingConfig
	if len(spec.Networks) > 0 {
		name := spec.Networks[0].Name
		host.NetworkMode = container.NetworkMode(name)
		first = &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{
			name: {Aliases: []string{spec.Name}},
		}}
	}
	made, err := s.Client.ContainerCreate(ctx, config, host, first, nil, s.Name(spec.Name))
	must(s.t, err, "create container %s", spec.Name)
	c := &Container{ID: made.ID, Name: s.Name(spec.Name), shop: s}
	s.t.Cleanup(c.remove)

	for _, n := range spec.Networks[min(1, len(spec.Networks)):] {
		err := s.Client.NetworkConnect(ctx, n.ID, c.ID, &network.EndpointSettings{Aliases: []string{spec.Name}})
		must(s.t, err, "connect %s to %s", spec.Name, n.Name)
	}
	must(s.t, s.Client.ContainerStart(ctx, c.ID, container.StartOptions{}), "start container %s", spec.Name)
	c.refresh()
	if port, ok := servedPort(spec.Args); ok {
		c.waitListening(port)
	}
	return c
}

// refresh learns what only a running container has.
func (c *Container) refresh() {
	t := c.shop.t
	t.Helper()
	info, err := c.shop.Client.ContainerInspect(context.Background(), c.ID)
	must(t, err, "inspect %s", c.Name)
	if !info.State.Running {
		t.Fatalf("%s does not run: exit code %d\n%s", c.Name, info.State.ExitCode, c.Logs())
	}
	c.info = info
	c.PID = info.State.Pid
	c.Netns = NetnsOf(c.PID)
	c.Links, err = linksOf(c.Netns)
	must(t, err, "links of %s", c.Name)
}

// Restart stops the container and starts it again: same id and name, new
// process and namespace.
func (c *Container) Restart() {
	t := c.shop.t
	t.Helper()
	now := 0
	err := c.shop.Client.ContainerRestart(context.Background(), c.ID, container.StopOptions{Timeout: &now})
	must(t, err, "restart %s", c.Name)
	c.refresh()
	if port, ok := servedPort(c.info.Config.Cmd); ok {
		c.waitListening(port)
	}
}

// Remove kills and removes the container before the test ends.
func (c *Container) Remove() { c.remove() }

func (c *Container) remove() {
	if c.ID == "" {
		return
	}
	err := c.shop.Client.ContainerRemove(context.Background(), c.ID, container.RemoveOptions{Force: true, RemoveVolumes: true})
	if err != nil {
		c.shop.t.Errorf("remove container %s: %v", c.Name, err)
	}
	c.ID = ""
}

// IP is the container's IPv4 address in a network.
func (c *Container) IP(n *Network) netip.Addr {
	c.shop.t.Helper()
	return c.address(n.Name, func(e *network.EndpointSettings) string { return e.IPAddress })
}

// IP6 is the container's IPv6 address in a network.
func (c *Container) IP6(n *Network) netip.Addr {
	c.shop.t.Helper()
	return c.address(n.Name, func(e *network.EndpointSettings) string { return e.GlobalIPv6Address })
}

// DefaultIP is the IPv4 address on docker0.
func (c *Container) DefaultIP() netip.Addr {
	c.shop.t.Helper()
	return c.address("bridge", func(e *network.EndpointSettings) string { return e.IPAddress })
}

func (c *Container) address(network string, of func(*network.EndpointSettings) string) netip.Addr {
	c.shop.t.Helper()
	leg, ok := c.info.NetworkSettings.Networks[network]
	if !ok {
		c.shop.t.Fatalf("%s is not in network %s", c.Name, network)
	}
	addr, err := netip.ParseAddr(of(leg))
	must(c.shop.t, err, "address of %s in %s", c.Name, network)
	return addr
}

// Link is the container's leg in a network.
func (c *Container) Link(n *Network) Link {
	c.shop.t.Helper()
	mac := c.info.NetworkSettings.Networks[n.Name].MacAddress
	i := slices.IndexFunc(c.Links, func(l Link) bool { return l.MAC == mac })
	if i < 0 {
		c.shop.t.Fatalf("%s has no link in %s (%s): %+v", c.Name, n.Name, mac, c.Links)
	}
	return c.Links[i]
}

// HostPort is the host's IPv4 port that port, such as "8000/tcp", is published on.
func (c *Container) HostPort(port string) uint16 {
	c.shop.t.Helper()
	return c.hostPort(port, netip.Addr.Is4)
}

// HostPort6 is the same over IPv6. Docker before 27 takes a port of each
// family's own, so that it may be another one.
func (c *Container) HostPort6(port string) uint16 {
	c.shop.t.Helper()
	return c.hostPort(port, netip.Addr.Is6)
}

func (c *Container) hostPort(port string, family func(netip.Addr) bool) uint16 {
	c.shop.t.Helper()
	for _, b := range c.info.NetworkSettings.Ports[nat.Port(port)] {
		if at, err := netip.ParseAddr(b.HostIP); err != nil || !family(at) {
			continue
		}
		n, err := strconv.ParseUint(b.HostPort, 10, 16)
		must(c.shop.t, err, "host port of %s", c.Name)
		return uint16(n)
	}
	c.shop.t.Fatalf("%s does not publish %s so: %v", c.Name, port, c.info.NetworkSettings.Ports)
	return 0
}
