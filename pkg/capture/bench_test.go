package capture

import (
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/hopscope/hopscope/pkg/journey"
)

// benchJourneys is a whole number of blocks.
const benchJourneys = 8 * flushJourneys

func prepared(n int) []journey.Journey {
	t := newTraffic(1)
	out := make([]journey.Journey, n)
	for i := range out {
		out[i] = *t.next()
		out[i].Stops = append([]journey.Stop(nil), out[i].Stops...)
	}
	return out
}

func writeAll(tb testing.TB, path string, list []journey.Journey) int64 {
	tb.Helper()
	w, err := Create(path, Options{Overwrite: true, FlushEvery: 1 << 40})
	if err != nil {
		tb.Fatal(err)
	}
	for i := range list {
		if err := w.Journey(&list[i], nil); err != nil {
			tb.Fatal(err)
		}
	}
	if err := w.Close(End{Ended: "duration"}); err != nil {
		tb.Fatal(err)
	}
	return sizeOf(tb, path)
}

func sizeOf(tb testing.TB, path string) int64 {
	tb.Helper()
	info, err := os.Stat(path)
	if err != nil {
		tb.Fatal(err)
	}
	return info.Size()
}

func readAll(tb testing.TB, path string) (n int) {
	tb.Helper()
	r, err := Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	defer r.Close()
	for {
		rec, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			tb.Fatal(err)
		}
		if rec.Journey != nil {
			n++
		}
	}
	if d := r.Damage(); d.Any() {
		tb.Fatal(d)
	}
	return n
}

func BenchmarkWrite(b *testing.B) {
	list := prepared(benchJourneys)
	path := filepath.Join(b.TempDir(), "x.hop")
	var size int64
	b.ReportAllocs()
	for b.Loop() {
		size = writeAll(b, path, list)
	}
	rate(b, len(list))
	b.ReportMetric(float64(size)/float64(len(list)), "B/journey")
}

func BenchmarkRead(b *testing.B) {
	list := prepared(benchJourneys)
	path := filepath.Join(b.TempDir(), "x.hop")
	writeAll(b, path, list)
	b.ReportAllocs()
	for b.Loop() {
		if n := readAll(b, path); n != len(list) {
			b.Fatalf("%d journeys of %d", n, len(list))
		}
	}
	rate(b, len(list))
}

// BenchmarkReadLarge shows that memory does not grow with the file: it reports
// the most that was in use beyond what was before.
func BenchmarkReadLarge(b *testing.B) {
	const n = 2_000_000
	w, path := create(b, Options{})
	made := newTraffic(1)
	for range n {
		if err := w.Journey(made.next(), nil); err != nil {
			b.Fatal(err)
		}
	}
	if err := w.Close(End{}); err != nil {
		b.Fatal(err)
	}
	var most uint64
	before := inUse()
	for b.Loop() {
		r, err := Open(path)
		if err != nil {
			b.Fatal(err)
		}
		for i := 0; ; i++ {
			if _, err := r.Next(); err != nil {
				break
			}
			if i%100_000 == 0 {
				most = max(most, inUse())
			}
		}
		if d := r.Damage(); d.Any() {
			b.Fatal(d)
		}
		r.Close()
	}
	rate(b, n)
	b.ReportMetric(float64(sizeOf(b, path))/1e6, "MB-file")
	b.ReportMetric(float64(most-min(most, before))/1e6, "MB-memory")
}

func inUse() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}

func rate(b *testing.B, n int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/journey")
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "journeys/s")
}
