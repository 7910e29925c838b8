package lab

import (
	"context"
	"time"

	"github.com/docker/docker/client"
)

// Engine is a client of this machine's Docker engine. DOCKER_HOST is ignored:
// what runs on another machine's kernel is of no use here. A machine without
// an engine fails the test.
func Engine(t TB) *client.Client {
	t.Helper()
	engine, err := dial()
	if err != nil {
		t.Fatalf("no Docker engine answers (%v): run `make test`, which starts one, or `scripts/setup.sh engine-start`", err)
	}
	t.Cleanup(func() { _ = engine.Close() })
	return engine
}

func dial() (*client.Client, error) {
	engine, err := client.NewClientWithOpts(client.WithHost(client.DefaultDockerHost), client.WithAPIVersionNegotiation())
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if _, err := engine.Ping(ctx); err != nil {
		_ = engine.Close()
		return nil, err
	}
	return engine, nil
}
