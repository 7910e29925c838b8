package capture

import (
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/hopscope/hopscope/pkg/inventory"
)

// fitting is an inventory as a reader takes it: within the bounds of a payload.
// What is gone longest is left out where it has to be and, where not even what
// exists fits, a part of that. What is left out is counted.
func fitting(v Inventory) (text []byte, err error) {
	for {
		text, err = json.Marshal(v)
		if err != nil || len(text) <= maxPayload && elements(text) <= maxElements {
			return text, err
		}
		n := leaveOut(&v.Facts)
		if n == 0 {
			n = leaveOutHalf(&v.Facts)
		}
		if n == 0 {
			return nil, errors.New("it does not fit though it is empty")
		}
		v.LeftOut += uint64(n)
	}
}

// leaveOutHalf takes away half of what is left, whatever that is.
func leaveOutHalf(f *inventory.Facts) int {
	n := 0
	f.Containers, f.Networks, f.Devices = half(f.Containers, &n), half(f.Networks, &n), half(f.Devices, &n)
	f.Former, f.Namespaces, f.Proxies = half(f.Former, &n), half(f.Namespaces, &n), half(f.Proxies, &n)
	return n
}

func half[T any](list []T, left *int) []T {
	cut := (len(list) + 1) / 2
	*left += cut
	return list[:len(list)-cut]
}

// leaveOut takes away the older half of what is gone, and tells how much that is.
// The lists that it was given stay as they are.
func leaveOut(f *inventory.Facts) int {
	n := 0
	f.Containers = younger(f.Containers, func(c inventory.Container) time.Time { return c.Gone }, &n)
	f.Devices = younger(f.Devices, func(d inventory.Device) time.Time { return d.Gone }, &n)
	f.Former = younger(f.Former, func(d inventory.Device) time.Time { return d.Gone }, &n)
	f.Networks = younger(f.Networks, func(x inventory.Network) time.Time { return x.Gone }, &n)
	f.Proxies = younger(f.Proxies, func(p inventory.Proxy) time.Time { return p.Gone }, &n)
	f.Containers = slices.Clone(f.Containers)
	for i := range f.Containers { // earlier lives of one that was restarted, oldest first
		c := &f.Containers[i]
		half := (len(c.Former) + 1) / 2
		c.Former, n = c.Former[half:], n+half
	}
	return n
}

func younger[T any](list []T, gone func(T) time.Time, left *int) []T {
	var times []time.Time
	for _, x := range list {
		if at := gone(x); !at.IsZero() {
			times = append(times, at)
		}
	}
	if len(times) == 0 {
		return list
	}
	slices.SortFunc(times, time.Time.Compare)
	until := times[(len(times)-1)/2]
	out := make([]T, 0, len(list))
	for _, x := range list {
		if at := gone(x); at.IsZero() || at.After(until) {
			out = append(out, x)
		}
	}
	*left += len(list) - len(out)
	return out
}
