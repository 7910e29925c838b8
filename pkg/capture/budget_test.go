package capture

import (
	"path/filepath"
	"runtime"
	"testing"

	"github.com/hopscope/hopscope/pkg/journey"
)

// What a journey may cost.
const (
	maxBytes     = 48.0 // on disk, at steady state
	maxAllocs    = 0.05 // to write or to read
	maxReadBytes = 8.0  // of new memory to read one; the file does not come to memory
)

// TestBudget measures the difference that more journeys make, so that what a
// file costs once is left out.
func TestBudget(t *testing.T) {
	few, many := prepared(2*flushJourneys), prepared(8*flushJourneys)
	n := float64(len(many) - len(few))
	fewPath, manyPath := filepath.Join(t.TempDir(), "few.hop"), filepath.Join(t.TempDir(), "many.hop")
	bytes := float64(writeAll(t, manyPath, many)-writeAll(t, fewPath, few)) / n
	t.Logf("%.1f bytes a journey of %d stops", bytes, len(many[0].Stops))
	if bytes > maxBytes {
		t.Errorf("%.1f bytes a journey, at most %.0f are allowed", bytes, maxBytes)
	}
	allocs := func(path string, list []journey.Journey) (write, read, readBytes float64) {
		write, _ = allocated(func() { writeAll(t, path, list) })
		read, readBytes = allocated(func() { readAll(t, path) })
		return write, read, readBytes
	}
	writeFew, readFew, bytesFew := allocs(fewPath, few)
	writeMany, readMany, bytesMany := allocs(manyPath, many)
	if a := (writeMany - writeFew) / n; a > maxAllocs {
		t.Errorf("%.3f allocations to write a journey", a)
	}
	if a := (readMany - readFew) / n; a > maxAllocs {
		t.Errorf("%.3f allocations to read a journey", a)
	}
	if a := (bytesMany - bytesFew) / n; a > maxReadBytes {
		t.Errorf("%.1f bytes of memory to read a journey", a)
	}
}

// allocated counts allocations, and their bytes, of a second run of f.
func allocated(f func()) (n, bytes float64) {
	f()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs - before.Mallocs), float64(after.TotalAlloc - before.TotalAlloc)
}

// TestSmallBlocks: a quiet host's blocks hold few journeys, and their
// dictionaries weigh more.
func TestSmallBlocks(t *testing.T) {
	for _, perBlock := range []int{100, 1000} {
		w, path := create(t, Options{FlushEvery: 1 << 40})
		made := newTraffic(1)
		for i := range 20 * perBlock {
			ok(t, w.Journey(made.next(), nil))
			if i%perBlock == perBlock-1 {
				ok(t, w.Flush())
			}
		}
		ok(t, w.Close(End{}))
		t.Logf("%d journeys a block: %.1f bytes a journey", perBlock, float64(sizeOf(t, path))/float64(20*perBlock))
	}
}
