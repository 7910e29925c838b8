package inventory

import (
	"slices"
	"time"
)

// forget drops the oldest of the dead beyond the bounds.
func (s *state) forget() {
	prune(s.containers, maxGone, func(c Container) time.Time { return c.Gone })
	prune(s.networks, maxGoneNetworks, func(n Network) time.Time { return n.Gone })
	prune(s.devices, maxGoneDevices, func(d Device) time.Time { return d.Gone })
	gone := 0
	for i := len(s.proxies) - 1; i >= 0; i-- { // the last seen stay
		if s.proxies[i].Gone.IsZero() {
			continue
		}
		if gone++; gone > maxGoneProxies {
			s.proxies = slices.Delete(s.proxies, i, i+1)
		}
	}
}

// prune deletes the entries that went first, until at most keep of the gone
// are left. gone is zero for what exists.
func prune[K comparable, V any](m map[K]V, keep int, gone func(V) time.Time) {
	if len(m) <= keep {
		return
	}
	type dead struct {
		key K
		at  time.Time
	}
	var all []dead
	for k, v := range m {
		if at := gone(v); !at.IsZero() {
			all = append(all, dead{k, at})
		}
	}
	if len(all) <= keep {
		return
	}
	slices.SortFunc(all, func(a, b dead) int { return a.at.Compare(b.at) })
	for _, d := range all[:len(all)-keep] {
		delete(m, d.key)
	}
}
