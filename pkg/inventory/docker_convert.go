package inventory

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/go-connections/nat"
)

// Labels that docker compose puts on its containers.
const (
	labelService = "com.docker.compose.service"
	labelProject = "com.docker.compose.project"
)

// fromSummary reads one entry of the listing. A legacy link adds names with
// more than one slash; the container's own has one.
func fromSummary(s container.Summary) Container {
	c := Container{
		ID: s.ID, Image: Clean(s.Image), State: Clean(s.State), NetworkMode: Clean(s.HostConfig.NetworkMode),
		Service: Clean(s.Labels[labelService]), Project: Clean(s.Labels[labelProject]),
	}
	for _, n := range s.Names {
		if n = strings.TrimPrefix(n, "/"); !strings.Contains(n, "/") {
			c.Name = Clean(n)
		}
	}
	if s.NetworkSettings != nil {
		c.Networks = attachments(s.NetworkSettings.Networks)
	}
	for _, p := range s.Ports {
		host, _ := netip.ParseAddr(p.IP)
		c.Ports = append(c.Ports, Port{Proto: Clean(p.Type), Container: p.PrivatePort, HostIP: host, Host: p.PublicPort})
	}
	sortPorts(c.Ports)
	return named(c)
}

// fromInspect reads an inspection; r.State is there.
func fromInspect(r container.InspectResponse) Container {
	c := Container{
		ID: r.ID, Name: Clean(strings.TrimPrefix(r.Name, "/")), Image: Clean(r.Image),
		State: Clean(string(r.State.Status)), PID: r.State.Pid,
	}
	if r.Config != nil {
		c.Image = Clean(r.Config.Image)
		c.Service = Clean(r.Config.Labels[labelService])
		c.Project = Clean(r.Config.Labels[labelProject])
	}
	if r.HostConfig != nil {
		c.NetworkMode = Clean(string(r.HostConfig.NetworkMode))
	}
	if r.NetworkSettings != nil {
		c.Sandbox = r.NetworkSettings.SandboxKey
		c.Networks = attachments(r.NetworkSettings.Networks)
		c.Ports = portsOf(r.NetworkSettings.Ports)
	}
	return named(c)
}

// named makes sure that a container is never nameless on a screen.
func named(c Container) Container {
	if c.Name == "" {
		c.Name = shortID(c.ID)
	}
	return c
}

func shortID(id string) string {
	if len(id) > 12 {
		return id[:12]
	}
	return id
}

func attachments(m map[string]*network.EndpointSettings) []Attachment {
	var out []Attachment
	for name, e := range m {
		if e == nil {
			continue
		}
		a := Attachment{Network: Clean(name), NetworkID: e.NetworkID, MAC: Clean(e.MacAddress)}
		for _, s := range []string{e.IPAddress, e.GlobalIPv6Address} {
			if ip, err := netip.ParseAddr(s); err == nil {
				a.IP = append(a.IP, ip.Unmap())
			}
		}
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b Attachment) int { return strings.Compare(a.Network, b.Network) })
	return out
}

func portsOf(m nat.PortMap) []Port {
	var out []Port
	for p, bindings := range m {
		port := Port{Proto: Clean(p.Proto()), Container: uint16(p.Int())}
		if len(bindings) == 0 {
			out = append(out, port)
		}
		for _, b := range bindings {
			port.HostIP, _ = netip.ParseAddr(b.HostIP)
			n, _ := strconv.ParseUint(b.HostPort, 10, 16)
			port.Host = uint16(n)
			out = append(out, port)
		}
	}
	sortPorts(out)
	return out
}

func sortPorts(p []Port) {
	slices.SortFunc(p, func(a, b Port) int {
		if d := int(a.Container) - int(b.Container); d != 0 {
			return d
		}
		if d := strings.Compare(a.Proto, b.Proto); d != 0 {
			return d
		}
		if d := a.HostIP.Compare(b.HostIP); d != 0 {
			return d
		}
		return int(a.Host) - int(b.Host)
	})
}

// fromNetwork names the bridge device as Docker's bridge driver does: by
// option, else br- and the first 12 digits of the id.
func fromNetwork(n network.Summary) Network {
	out := Network{ID: n.ID, Name: Clean(n.Name), Driver: Clean(n.Driver)}
	if n.Driver == "bridge" {
		out.Bridge = Clean(n.Options["com.docker.network.bridge.name"])
		if out.Bridge == "" {
			out.Bridge = "br-" + shortID(n.ID)
		}
	}
	for _, c := range n.IPAM.Config {
		if p, err := netip.ParsePrefix(c.Subnet); err == nil {
			out.Subnets = append(out.Subnets, p)
		}
	}
	return out
}

func fromEvent(m events.Message) Event {
	if m.Type == events.NetworkEventType {
		return Event{Network: true, ContainerID: m.Actor.Attributes["container"]}
	}
	return Event{
		ContainerID: m.Actor.ID,
		Created:     m.Action == events.ActionCreate || m.Action == events.ActionStart,
		Name:        Clean(m.Actor.Attributes["name"]),
		Image:       Clean(m.Actor.Attributes["image"]),
		Service:     Clean(m.Actor.Attributes[labelService]),
		Project:     Clean(m.Actor.Attributes[labelProject]),
	}
}
