package inventory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"

	"github.com/hopscope/hopscope/pkg/crash"
)

// inspectors bounds how many containers are inspected at once: the engine
// answers from memory, so a few keep it busy.
const inspectors = 4

// docker is the Docker Engine as a [Runtime].
type docker struct {
	api *client.Client
}

// newDocker does not connect yet. An empty host means DOCKER_HOST or the
// engine's default socket. Its error is an *[AddressError].
func newDocker(host string) (*docker, error) {
	opts := []client.Opt{client.FromEnv, client.WithAPIVersionNegotiation()}
	if host != "" {
		if err := checkAddress(host); err != nil {
			return nil, err
		}
		// As FromEnv, but for DOCKER_HOST, which may be malformed.
		opts[0] = client.WithTLSClientConfigFromEnv()
		opts = append(opts, client.WithHost(host), client.WithVersionFromEnv())
	}
	api, err := client.NewClientWithOpts(opts...)
	if err != nil {
		return nil, &AddressError{host, err}
	}
	return &docker{api: api}, nil
}

func (d *docker) Describe(ctx context.Context) (Engine, error) {
	v, err := d.api.ServerVersion(ctx)
	if err != nil {
		return Engine{}, err
	}
	if err := checkAPI(d.api.ClientVersion()); err != nil {
		return Engine{}, err
	}
	e := Engine{About: fmt.Sprintf("Docker %s (API %s) at %s", Clean(v.Version), d.api.ClientVersion(), d.api.DaemonHost())}
	// A proxy before the engine's socket may refuse this one: then the engine
	// counts as one of root's, as nearly all are.
	if info, err := d.api.Info(ctx); err == nil {
		e.Rootless = slices.Contains(info.SecurityOptions, "name=rootless")
	}
	return e, nil
}

func (d *docker) Close() error { return d.api.Close() }

// Containers lists all and inspects those that run: only an inspection tells
// the process id, without which there is no namespace and no cgroup.
func (d *docker) Containers(ctx context.Context) ([]Container, error) {
	list, err := d.api.ContainerList(ctx, container.ListOptions{All: true})
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	out := make([]Container, len(list))
	concurrently(len(list), func(i int) { out[i] = d.detail(ctx, list[i]) })
	return out, ctx.Err()
}

// concurrently calls f with 0 to n-1, a few at a time.
func concurrently(n int, f func(i int)) {
	var wg sync.WaitGroup
	next := make(chan int)
	for range min(inspectors, n) {
		wg.Add(1)
		crash.Go(func() {
			defer wg.Done()
			for i := range next {
				f(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}

// detail falls back on the listing for a container that does not run, or that
// went away in between.
func (d *docker) detail(ctx context.Context, s container.Summary) Container {
	switch s.State {
	case container.StateExited, container.StateCreated, container.StateDead:
		return fromSummary(s)
	}
	c, err := d.Container(ctx, s.ID)
	if err != nil {
		return fromSummary(s)
	}
	return c
}

func (d *docker) Container(ctx context.Context, id string) (Container, error) {
	r, err := d.api.ContainerInspect(ctx, id)
	switch {
	case errdefs.IsNotFound(err):
		return Container{}, fmt.Errorf("inspect %.12s: %w", id, ErrNotFound)
	case err != nil:
		return Container{}, fmt.Errorf("inspect %.12s: %w", id, err)
	case r.ContainerJSONBase == nil || r.State == nil:
		return Container{}, fmt.Errorf("inspect %.12s: %w", id, errors.New("the engine's answer has no state"))
	}
	return fromInspect(r), nil
}

func (d *docker) Networks(ctx context.Context) ([]Network, error) {
	list, err := d.api.NetworkList(ctx, network.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list networks: %w", err)
	}
	out := make([]Network, 0, len(list))
	for _, n := range list {
		out = append(out, fromNetwork(n))
	}
	return out, nil
}

// Events leaves out what does not change the inventory: health checks alone
// make three exec events each.
func (d *docker) Events(ctx context.Context) (<-chan Event, <-chan error) {
	f := filters.NewArgs(
		filters.Arg("type", string(events.ContainerEventType)),
		filters.Arg("type", string(events.NetworkEventType)))
	for _, a := range []events.Action{events.ActionCreate, events.ActionStart, events.ActionDie,
		events.ActionDestroy, events.ActionRename, events.ActionPause, events.ActionUnPause,
		events.ActionUpdate, events.ActionConnect, events.ActionDisconnect, events.ActionRemove} {
		f.Add("event", string(a))
	}
	in, errs := d.api.Events(ctx, events.ListOptions{Filters: f})
	out, ended := make(chan Event, 64), make(chan error, 1)
	crash.Go(func() {
		for {
			select {
			case m := <-in:
				select {
				case out <- fromEvent(m):
				case <-ctx.Done():
				}
			case err := <-errs:
				if err == nil {
					err = errors.New("the event stream ended")
				}
				ended <- err
				return
			}
		}
	})
	return out, ended
}
