package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"time"
)

// client holds what all sending modes have in common.
type client struct {
	flags    *flag.FlagSet
	address  string
	count    int
	duration time.Duration
	rate     float64
	wait     time.Duration
}

func newClient(name string, count int) *client {
	c := &client{flags: flag.NewFlagSet(name, flag.ExitOnError)}
	c.flags.IntVar(&c.count, "count", count, "stop after this many")
	c.flags.DurationVar(&c.duration, "duration", 30*time.Second, "stop after this time, at most 10m")
	c.flags.Float64Var(&c.rate, "rate", 0, "how many per second, 0: as fast as it goes")
	c.flags.DurationVar(&c.wait, "wait", 5*time.Second, "try this long to make the first connection")
	return c
}

// parse reads flags and address; ctx ends when the run's time is over.
func (c *client) parse(ctx context.Context, args []string) (context.Context, context.CancelFunc, error) {
	_ = c.flags.Parse(args) // ExitOnError: it does not return an error
	if c.flags.NArg() != 1 {
		return nil, nil, errors.New("needs one address, after the flags")
	}
	c.address = c.flags.Arg(0)
	if c.count < 1 || c.duration <= 0 || c.duration > 10*time.Minute {
		return nil, nil, errors.New("count and duration must be positive, duration at most 10m")
	}
	ctx, cancel := context.WithTimeout(ctx, c.duration)
	return ctx, cancel, nil
}

// dialPatiently tries until the peer listens or patience ends: containers come
// up in any order.
func dialPatiently(ctx context.Context, network, address string, patience time.Duration) (net.Conn, error) {
	var dialer net.Dialer
	deadline := time.Now().Add(patience)
	for {
		conn, err := dialer.DialContext(ctx, network, address)
		if err == nil {
			return conn, nil
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			return nil, fmt.Errorf("connect: %w", err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// pace spaces a sequence evenly. A sender that is late catches up without
// waiting, so that the mean rate holds.
type pace struct {
	start    time.Time
	interval time.Duration // 0: no pacing
}

func newPace(rate float64) pace {
	p := pace{start: time.Now()}
	if rate > 0 {
		p.interval = time.Duration(float64(time.Second) / rate)
	}
	return p
}

// before waits until number i is due.
func (p pace) before(i int) {
	if p.interval > 0 {
		time.Sleep(time.Until(p.start.Add(time.Duration(i) * p.interval)))
	}
}
