package diff

import (
	"strings"

	"github.com/hopscope/hopscope/pkg/model"
)

// lasting gives containers names that outlive them: a service's replicas have
// one name, and a container that was made anew has that of the old one.
type lasting map[string]string // by container name

func lastingNames(s *model.Snapshot) lasting {
	out := lasting{}
	for i := range s.Containers {
		c := &s.Containers[i]
		if c.Service == nil || *c.Service == "" {
			continue
		}
		name := *c.Service
		if c.Project != nil && *c.Project != "" {
			name = *c.Project + "/" + name
		}
		out[c.Name] = name
	}
	return out
}

// name translates the name of a container, or of several that share a
// namespace ("a+b").
func (l lasting) name(container string) string {
	parts := strings.Split(container, "+")
	for i, p := range parts {
		if n, ok := l[p]; ok {
			parts[i] = n
		}
	}
	return strings.Join(parts, "+")
}

func (l lasting) end(e model.End) End {
	if e.Kind != "container" {
		return End{Kind: e.Kind, Name: e.Name}
	}
	return End{Kind: e.Kind, Name: l.name(e.Name)}
}

// where translates a place: "web", "eth0 of web", "veth of web (backend)".
func (l lasting) where(place string) string {
	device, owner, found := strings.Cut(place, " of ")
	if !found {
		return l.name(place)
	}
	owner, leg, hasLeg := strings.Cut(owner, " (")
	out := device + " of " + l.name(owner)
	if hasLeg {
		out += " (" + leg
	}
	return out
}

func (l lasting) path(p *model.Path) ID {
	id := ID{
		From: l.end(p.From), To: l.end(p.To), Network: p.Network, Proto: p.Proto,
		Port: p.Port, NAT: p.NAT, Direction: p.Direction,
	}
	if p.PublishedPort != nil {
		id.PublishedPort = *p.PublishedPort
	}
	return id
}
