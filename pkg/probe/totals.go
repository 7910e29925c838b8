package probe

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
)

// totals follows a hash map of running totals, which the kernel side only adds to.
type totals[K, V comparable] struct {
	told map[K]V // what was handed out of each group
}

// news calls fn for each group that has moved since the last call, with what it was
// then and what it is now. Groups have the addresses of both ends: on a host that
// the whole internet talks to, no table is large enough for all that ever were. Once
// half of it is taken, those at rest are given back.
func (t *totals[K, V]) news(m *ebpf.Map, fn func(key K, before, now V)) error {
	if t.told == nil {
		t.told = make(map[K]V)
	}
	var rest []K
	groups := uint32(0)
	err := walk(m, func(k *K, v *V) {
		groups++
		if before := t.told[*k]; before == *v {
			rest = append(rest, *k)
		} else {
			t.told[*k] = *v
			fn(*k, before, *v)
		}
	})
	if err != nil || groups <= m.MaxEntries()/2 {
		return err
	}
	return t.giveBack(m, rest, fn)
}

// giveBack removes groups. What is added in the moment of their removal is handed
// out like the rest.
func (t *totals[K, V]) giveBack(m *ebpf.Map, groups []K, fn func(key K, before, now V)) error {
	for _, k := range groups {
		now, err := take[K, V](m, k)
		if errors.Is(err, ebpf.ErrKeyNotExist) {
			continue // it was met twice: a batch may be read again
		}
		if err != nil {
			return fmt.Errorf("give back a group: %w", err)
		}
		if before := t.told[k]; before != now {
			fn(k, before, now)
		}
		delete(t.told, k)
	}
	return nil
}

// take removes an element and gives its value: at once since Linux 5.14
// (BPF_MAP_LOOKUP_AND_DELETE_ELEM of hash maps, 3e87f192b405).
func take[K, V any](m *ebpf.Map, k K) (v V, err error) {
	err = m.LookupAndDelete(&k, &v)
	if !errors.Is(err, ebpf.ErrNotSupported) {
		return v, err
	}
	if err = m.Lookup(&k, &v); err == nil {
		err = m.Delete(&k)
	}
	return v, err
}

// walk calls fn for every element of a hash map, in batches.
func walk[K, V any](m *ebpf.Map, fn func(*K, *V)) error {
	const batch = 512
	keys, values := make([]K, batch), make([]V, batch)
	var cursor ebpf.MapBatchCursor
	for {
		n, err := m.BatchLookup(&cursor, keys, values, nil)
		for i := range n {
			fn(&keys[i], &values[i])
		}
		if errors.Is(err, ebpf.ErrKeyNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
