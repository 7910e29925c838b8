package lab

import (
	"context"
	"fmt"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
)

// Mortal is the whole life of a container: made in a network, run with
// arguments of the traffic program to its end, and removed at once. It is for
// any goroutine; name is whole.
func (s *Shop) Mortal(ctx context.Context, name string, in *Network, args ...string) (id string, err error) {
	made, err := s.Client.ContainerCreate(ctx,
		&container.Config{Image: s.image, Cmd: args, Labels: map[string]string{label: "1"}},
		&container.HostConfig{NetworkMode: container.NetworkMode(in.Name)},
		&network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{in.Name: {}}}, nil, name)
	if err != nil {
		return "", fmt.Errorf("create %s: %w", name, err)
	}
	ended, failed := s.Client.ContainerWait(ctx, made.ID, container.WaitConditionNextExit)
	if err := s.Client.ContainerStart(ctx, made.ID, container.StartOptions{}); err != nil {
		return made.ID, fmt.Errorf("start %s: %w", name, err)
	}
	select {
	case <-ended:
	case err := <-failed:
		return made.ID, fmt.Errorf("wait for %s: %w", name, err)
	}
	return made.ID, s.Client.ContainerRemove(ctx, made.ID, container.RemoveOptions{Force: true})
}
