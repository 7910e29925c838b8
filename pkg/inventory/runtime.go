package inventory

import (
	"context"
	"errors"
	"time"
)

// ErrNotFound is returned by a [Runtime] for a container that does not exist.
var ErrNotFound = errors.New("no such container")

// Runtime is the container runtime: Docker, or a fake of a test.
type Runtime interface {
	// Describe says what answers.
	Describe(ctx context.Context) (Engine, error)
	// Containers lists all containers, stopped ones too.
	Containers(ctx context.Context) ([]Container, error)
	// Container returns one, or an error that is [ErrNotFound].
	Container(ctx context.Context, id string) (Container, error)
	Networks(ctx context.Context) ([]Network, error)
	// Events subscribes. The subscription stands when Events returns. It ends
	// with one value on the error channel; the event channel is never closed.
	Events(ctx context.Context) (<-chan Event, <-chan error)
	Close() error
}

// Engine is what a [Runtime] tells about itself.
type Engine struct {
	About    string // such as "Docker 28.2.2 (API 1.50)"
	Rootless bool   // it runs without root, in namespaces of its own
}

// Event says that something about a container or a network changed.
type Event struct {
	ContainerID string // "" when it only concerns a network
	Network     bool   // networks were created, removed, connected, ...
	Created     bool   // the container is new: what the event tells is worth keeping
	// As the event tells, "" when it does not.
	Name, Image, Service, Project string
}

// DeviceSource reads network devices: netlink, or a fake of a test.
type DeviceSource interface {
	// Devices reads all devices of the namespaces. host is among them or 0.
	// Peers are resolved as far as their namespaces are given.
	Devices(host uint32, all []Namespace) []Scan
	// Watch tells that devices or addresses of the host's namespace changed,
	// until ctx ends.
	Watch(ctx context.Context, host Namespace) (<-chan struct{}, error)
}

// Scan is what was read of one namespace. With an error its devices are
// unknown, unless it is fs.ErrNotExist: then the namespace is gone.
type Scan struct {
	Netns   uint32
	Devices []Device
	Err     error
}

// Clock is the time. Tests step it.
type Clock interface {
	Now() time.Time
	After(d time.Duration) <-chan time.Time
}

type systemClock struct{}

func (systemClock) Now() time.Time                         { return time.Now() }
func (systemClock) After(d time.Duration) <-chan time.Time { return time.After(d) }
