package main

import (
	"context"
	"net"
	"time"

	"github.com/hopscope/hopscope/internal/lab/outcome"
)

// resolve is the mode "resolve": it asks the name server of /etc/resolv.conf
// for the IPv4 address of a name.
func resolve(ctx context.Context, args []string) (outcome.Result, error) {
	c := newClient("resolve", 100)
	ctx, cancel, err := c.parse(ctx, args)
	if err != nil {
		return outcome.Result{}, err
	}
	defer cancel()
	resolver := net.Resolver{PreferGo: true}
	counts, pacing := newTally(), newPace(c.rate)
	for i := 0; i < c.count && ctx.Err() == nil; i++ {
		pacing.before(i)
		start := time.Now()
		if _, err := resolver.LookupNetIP(ctx, "ip4", c.address); err != nil {
			counts.fail(err)
			continue
		}
		counts.took(time.Since(start), 0, 0)
	}
	return counts.result(), nil
}
