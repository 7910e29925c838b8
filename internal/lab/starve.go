package lab

import (
	"context"
	"encoding/json"
	"time"

	"github.com/docker/docker/api/types/container"
)

// Throttled is how long the engine says that the container was held back by its
// CPU limit.
func (c *Container) Throttled() time.Duration {
	t := c.shop.t
	t.Helper()
	answer, err := c.shop.Client.ContainerStatsOneShot(context.Background(), c.ID)
	must(t, err, "stats of %s", c.Name)
	defer answer.Body.Close()
	var stats container.StatsResponse
	must(t, json.NewDecoder(answer.Body).Decode(&stats), "stats of %s", c.Name)
	return time.Duration(stats.CPUStats.ThrottlingData.ThrottledTime)
}
