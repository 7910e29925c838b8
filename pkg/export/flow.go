package export

import (
	"fmt"

	"github.com/hopscope/hopscope/pkg/model"
)

// flow is both directions of a path, as its client sees it.
type flow struct {
	client, server      end
	network, proto, nat string
	port, publishedPort int
}

// end is a model.End that can be compared.
type end struct{ Kind, Name, ID string }

func endOf(e model.End) end {
	out := end{Kind: e.Kind, Name: e.Name}
	if e.ContainerID != nil {
		out.ID = *e.ContainerID
	}
	return out
}

func flowOf(p *model.Path) flow {
	f := flow{
		client: endOf(p.From), server: endOf(p.To),
		network: p.Network, proto: p.Proto, nat: p.NAT, port: int(p.Port),
	}
	if p.Direction == "response" {
		f.client, f.server = f.server, f.client
	}
	if p.PublishedPort != nil {
		f.publishedPort = *p.PublishedPort
	}
	return f
}

// owner is the end whose time it is: the client if it is a container, else the
// server if that is one.
func (f flow) owner() end {
	if f.client.Kind != "container" && f.server.Kind == "container" {
		return f.server
	}
	return f.client
}

// containers are those at the ends.
func (f flow) containers() []string {
	out := []string{}
	for _, e := range []end{f.client, f.server} {
		if e.Kind == "container" && (len(out) == 0 || out[0] != e.Name) {
			out = append(out, e.Name)
		}
	}
	return out
}

func (f flow) label() string {
	return fmt.Sprintf("%s → %s %s", f.client.Name, f.server.Name, service(f.proto, uint16(f.port)))
}

// longLabel tells what the label does not.
func (f flow) longLabel() string {
	out := f.label()
	if f.network != "" {
		out += " on " + f.network
	}
	if f.nat != "none" {
		out += " by " + f.nat
	}
	if f.publishedPort != 0 {
		out += fmt.Sprintf(" as port %d", f.publishedPort)
	}
	return out
}

// flowLabels are the labels of a snapshot's flows.
func flowLabels(paths []model.Path) map[flow]string {
	flows := make([]flow, len(paths))
	for i := range paths {
		flows[i] = flowOf(&paths[i])
	}
	return labelsOf(flows)
}

// labelsOf names each flow once: briefly where that is enough to tell it from
// the others, and with a number where nothing else tells.
func labelsOf(flows []flow) map[flow]string {
	out := map[flow]string{}
	brief, long := map[string]int{}, map[string]int{}
	for _, f := range flows {
		if _, known := out[f]; !known {
			out[f] = ""
			brief[f.label()]++
		}
	}
	for _, f := range flows {
		if out[f] != "" {
			continue
		}
		label := f.label()
		if brief[label] > 1 {
			label = f.longLabel()
			long[label]++
			if n := long[label]; n > 1 {
				label = fmt.Sprintf("%s #%d", label, n)
			}
		}
		out[f] = label
	}
	return out
}
