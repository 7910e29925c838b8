package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/docker/docker/api/types/container"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/internal/lab/outcome"
)

// endless is a count or size that the time of a slice cuts short.
const endless = "1000000000000"

// pair is a client and a server in two containers on one user-defined bridge.
// Both run on the same CPU unless told otherwise: there every nanosecond that
// tracing takes is one that the traffic does not get. Where the scheduler may
// choose, client and server are now on one CPU, now on two, and round trips
// differ by a factor of two from one slice to the next.
type pair struct {
	client  *lab.Container
	server  string
	cgroups []string      // of both
	idle    time.Duration // CPU time of starting a program in a container that then has next to nothing to do
}

// carried is what one run of the traffic did, and the CPU time that both
// containers took for it.
type carried struct {
	outcome.Result
	cpu time.Duration
}

// bytesPerSecond is the rate of a bulk transfer.
func (c carried) bytesPerSecond() float64 {
	return float64(c.BytesSent) / time.Duration(c.ElapsedNs).Seconds()
}

func newPair(ctx context.Context, t lab.TB, cpus string) *pair {
	shop := lab.NewShop(t)
	network := shop.Network(lab.NetworkSpec{Name: "bench"})
	web := shop.Container(lab.ContainerSpec{Name: "web", Networks: []*lab.Network{network}, Args: []string{"serve"}})
	client := shop.Container(lab.ContainerSpec{Name: "client", Networks: []*lab.Network{network}})
	for _, c := range []*lab.Container{client, web} {
		limits := container.UpdateConfig{Resources: container.Resources{CpusetCpus: cpus}}
		if _, err := shop.Client.ContainerUpdate(ctx, c.ID, limits); err != nil {
			t.Fatalf("keep %s on CPU %s: %v", c.Name, cpus, err)
		}
	}
	p := &pair{client: client, server: netip.AddrPortFrom(web.IP(network), 8000).String()}
	if err := p.prepare(ctx, client, web); err != nil {
		t.Fatalf("prepare: %v", err)
	}
	return p
}

// prepare finds the cgroups and measures what a run's start takes; its packets
// resolve the neighbours.
func (p *pair) prepare(ctx context.Context, containers ...*lab.Container) error {
	for _, c := range containers {
		dir, err := cgroupOf(c)
		if err != nil {
			return err
		}
		p.cgroups = append(p.cgroups, dir)
	}
	var starts []float64
	for range 5 {
		c, err := p.traffic(ctx, "rr", "--count", "10")
		if err != nil {
			return err
		}
		starts = append(starts, float64(c.cpu))
	}
	p.idle = time.Duration(spreadOf(starts).Median)
	return nil
}

// roundTrips makes requests of 64 bytes, each waiting for its response of 64,
// on one connection; the result's rate is round trips per second.
func (p *pair) roundTrips(ctx context.Context, d time.Duration) (carried, error) {
	return p.traffic(ctx, "rr", "--duration", d.String(), "--count", endless)
}

// bulk sends as much as it can on one connection.
func (p *pair) bulk(ctx context.Context, d time.Duration) (carried, error) {
	return p.traffic(ctx, "bulk", "--duration", d.String(), "--bytes", endless)
}

func (p *pair) traffic(ctx context.Context, args ...string) (carried, error) {
	if err := ctx.Err(); err != nil {
		return carried{}, err
	}
	before, err := p.cpuTime()
	if err != nil {
		return carried{}, err
	}
	r := p.client.Run(append(args, p.server)...)
	after, err := p.cpuTime()
	if err != nil {
		return carried{}, err
	}
	if r.Errors != 0 {
		return carried{}, fmt.Errorf("%s: %d errors, the first: %s", r.Mode, r.Errors, r.FirstError)
	}
	cpu := after - before - p.idle
	if r.OK == 0 || r.ElapsedNs <= 0 || cpu <= 0 {
		return carried{}, errors.New(r.Mode + ": nothing was carried")
	}
	return carried{r, cpu}, nil
}
