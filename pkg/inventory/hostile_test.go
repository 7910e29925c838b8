package inventory

import (
	"fmt"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/go-connections/nat"
)

const hostile = "\x1b]0;owned\x07\x1b[2Jx\u202e"

// obeys says whether a terminal would find something to obey in what is known.
func obeys(v any) bool {
	return strings.ContainsAny(fmt.Sprintf("%+v", v), "\x1b\x07\u202e")
}

// Whatever an engine says, nothing of it is for a terminal to obey.
func TestHostileEngine(t *testing.T) {
	labels := map[string]string{labelService: hostile, labelProject: hostile}
	ends := map[string]*network.EndpointSettings{hostile: {MacAddress: hostile}}
	summary := container.Summary{
		ID: id("aa"), Names: []string{"/" + hostile}, Image: hostile, State: hostile, Labels: labels,
		Ports: []container.Port{{Type: hostile, PrivatePort: 1}}, NetworkSettings: &container.NetworkSettingsSummary{Networks: ends},
	}
	summary.HostConfig.NetworkMode = hostile
	inspected := container.InspectResponse{
		ContainerJSONBase: &container.ContainerJSONBase{
			ID: id("aa"), Name: hostile, State: &container.State{Status: hostile}, HostConfig: &container.HostConfig{NetworkMode: hostile},
		},
		Config:          &container.Config{Image: hostile, Labels: labels},
		NetworkSettings: &container.NetworkSettings{Networks: ends},
	}
	inspected.NetworkSettings.Ports = nat.PortMap{"80/" + hostile: nil}
	event := events.Message{Type: events.ContainerEventType, Actor: events.Actor{ID: id("aa"), Attributes: map[string]string{"name": hostile, "image": hostile}}}
	for what, got := range map[string]any{
		"listing": fromSummary(summary), "inspection": fromInspect(inspected), "event": fromEvent(event),
		"network": fromNetwork(network.Summary{ID: id("bb"), Name: hostile, Driver: hostile}),
	} {
		if obeys(got) {
			t.Errorf("%s: %+q", what, fmt.Sprintf("%+v", got))
		}
	}
}

// Any process may call itself docker-proxy: what it says becomes a container's
// port where no engine tells.
func TestHostileProxy(t *testing.T) {
	for proto, want := range map[string]string{"tcp": "tcp", "udp": "udp", "sctp": "sctp", hostile: "", "TCP": ""} {
		p := proxyOf([]string{"docker-proxy", "-proto", proto, "-host-port", "80", "-container-port", "8000"})
		if p.Proto != want || p.HostPort != 80 {
			t.Errorf("%q: %+v", proto, p)
		}
	}
}
