package probe

import (
	"maps"
	"testing"

	"github.com/cilium/ebpf"
)

// A table that is more than half full gives back the groups at rest, and every
// count is handed out once, whenever it was added.
func TestTotalsAreHandedOutOnce(t *testing.T) {
	if testing.Short() {
		t.Skip("needs root, which -short does without")
	}
	const groups = 16
	m, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Hash, KeySize: 4, ValueSize: 8, MaxEntries: groups})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	kernel, got := map[uint32]uint64{}, map[uint32]uint64{}
	add := func(key uint32, n uint64) {
		t.Helper()
		var v uint64
		_ = m.Lookup(key, &v) // none: 0
		if err := m.Put(key, v+n); err != nil {
			t.Fatalf("group %d: %v", key, err)
		}
		kernel[key] += n
	}
	var totals totals[uint32, uint64]
	look := func() {
		t.Helper()
		err := totals.news(m, func(k uint32, before, now uint64) { got[k] += now - before })
		if err != nil {
			t.Fatal(err)
		}
		if !maps.Equal(got, kernel) {
			t.Fatalf("handed out %v, the kernel counted %v", got, kernel)
		}
	}
	// Three tables full of groups, each of which comes twice and rests then.
	for key := range uint32(3 * groups) {
		add(key, 5)
		look()
		add(key, 2)
		look()
	}
	add(0, 3) // one that was given back
	look()
	if left := len(totals.told); left > groups {
		t.Errorf("%d groups are remembered of a table of %d", left, groups)
	}
}
