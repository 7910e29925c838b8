package capture

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hopscope/hopscope/pkg/journey"
	"github.com/hopscope/hopscope/pkg/model"
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

// BenchmarkPart is what one second costs out of the middle of captures that are
// ten times as long: the survey, and then the second.
func BenchmarkPart(b *testing.B) {
	for _, length := range []int{600, 6000} {
		path, start := seconds(b, length)
		from := start.Add(time.Duration(length/2) * time.Second)
		var contents *Summary
		b.Run(fmt.Sprintf("survey-%ds", length), func(b *testing.B) {
			var err error
			for b.Loop() {
				if contents, err = Survey(path); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(sizeOf(b, path))/1e6, "MB-file")
		})
		b.Run(fmt.Sprintf("second-of-%ds", length), func(b *testing.B) {
			f, err := Choice{From: from, To: from.Add(time.Second)}.Filter(contents)
			ok(b, err)
			for b.Loop() {
				if s, err := contents.ReplayPart(model.New(model.Limits{}), f, from, from.Add(time.Second)); err != nil || s.Journeys == 0 {
					b.Fatal(s, err)
				}
			}
		})
	}
}

func rate(b *testing.B, n int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/journey")
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "journeys/s")
}
