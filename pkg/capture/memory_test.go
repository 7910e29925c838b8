package capture

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hopscope/hopscope/pkg/journey"
	"github.com/hopscope/hopscope/pkg/model"
)

// readPath tells this test program to read a capture as `hopscope report` does,
// in a process whose memory is that of nothing else.
const readPath = "HOPSCOPE_CAPTURE_READ"

// maxReadMemory is what reading a capture of any size may take, in bytes: all
// that the process ever had in memory.
const maxReadMemory = 200e6

// reading is what the reading process tells.
type reading struct {
	journeys uint64
	took     time.Duration
	peak     float64 // bytes of memory, VmHWM of proc_pid_status(5)
}

// readAndTell reads a whole capture into a summary, and says how that went.
func readAndTell(path string) error {
	begun := time.Now()
	contents, err := Survey(path)
	if err != nil {
		return err
	}
	agg := model.New(model.Limits{})
	s, err := contents.ReplayPart(agg, Filter{}, time.Time{}, time.Time{})
	if err != nil {
		return err
	}
	if s.Damage.Any() {
		return fmt.Errorf("%v", s.Damage)
	}
	var sum uint64
	for _, p := range s.Snapshot(agg).Paths {
		sum += p.Total.Samples
	}
	took := time.Since(begun)
	peak, err := peakMemory()
	if err != nil {
		return err
	}
	_, err = fmt.Println(sum, took.Nanoseconds(), peak)
	return err
}

func peakMemory() (bytes uint64, err error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if value, found := strings.CutPrefix(line, "VmHWM:"); found {
			kb, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return kb << 10, err
		}
	}
	return 0, fmt.Errorf("no VmHWM in %q", status)
}

func readInAProcess(tb testing.TB, path string) (r reading) {
	tb.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), readPath+"="+path)
	out, err := child.Output()
	if err != nil {
		tb.Fatalf("%v: %s", err, out)
	}
	if _, err := fmt.Sscan(string(out), &r.journeys, &r.took, &r.peak); err != nil {
		tb.Fatalf("%v in %q", err, out)
	}
	return r
}

// writeLong writes a list of journeys again and again, their time going on, until
// done; with a status each second, as a trace does.
func writeLong(tb testing.TB, path string, list []journey.Journey, done func(journeys int) bool) (n int) {
	tb.Helper()
	head := testHead()
	head.MonotonicZero = head.StartedAt.Add(-time.Duration(list[0].Start))
	w, err := Create(path, Options{Head: head})
	ok(tb, err)
	ok(tb, w.Inventory(list[0].Start, testFacts()))
	span := list[len(list)-1].Start - list[0].Start + 1
	first := list[0].Start
	status := func(at uint64) Status {
		s := testStatus(at)
		s.DurationNs = int64(at - first)
		return s
	}
	next := first + 1e9
	for !done(n) {
		for i := range list {
			ok(tb, w.Journey(&list[i], nil))
			if at := list[i].Start; at >= next {
				ok(tb, w.Status(status(at)))
				next += 1e9
			}
			list[i].Start += span
		}
		n += len(list)
	}
	ok(tb, w.Close(End{Ended: "duration", Status: status(list[0].Start)}))
	return n
}

// TestMemoryIsConstant: a file that is sixteen times as long takes no more
// memory to be read, but for what the collector leaves lying about.
func TestMemoryIsConstant(t *testing.T) {
	list := prepared(2 * flushJourneys)
	var few, many reading
	for times, r := range map[int]*reading{1: &few, 16: &many} {
		path := filepath.Join(t.TempDir(), "x.hop")
		n := writeLong(t, path, list, func(n int) bool { return n >= times*len(list) })
		*r = readInAProcess(t, path)
		if r.journeys != uint64(n) {
			t.Errorf("%d journeys of %d", r.journeys, n)
		}
	}
	t.Logf("%.1f MB, then %.1f MB", few.peak/1e6, many.peak/1e6)
	if many.peak > few.peak+20e6 || many.peak > maxReadMemory {
		t.Errorf("%.1f MB of memory to read %d journeys, %.1f MB for %d", many.peak/1e6, many.journeys, few.peak/1e6, few.journeys)
	}
}

// BenchmarkLargeFile writes a file of HOPSCOPE_BENCH_MB megabytes, 200 unless it
// is set, and lets another process make a summary of it, which may not take more
// memory than 200 MB, however large the file is.
func BenchmarkLargeFile(b *testing.B) {
	want := 200.0
	if s := os.Getenv("HOPSCOPE_BENCH_MB"); s != "" {
		var err error
		want, err = strconv.ParseFloat(s, 64)
		ok(b, err)
	}
	path := filepath.Join(b.TempDir(), "x.hop")
	list := prepared(benchJourneys)
	begun := time.Now()
	n := writeLong(b, path, list, func(int) bool {
		info, err := os.Stat(path)
		ok(b, err)
		return float64(info.Size()) >= want*1e6
	})
	writing := time.Since(begun)
	for b.Loop() {
		r := readInAProcess(b, path)
		if r.journeys != uint64(n) {
			b.Errorf("%d journeys of %d", r.journeys, n)
		}
		if r.peak > maxReadMemory {
			b.Errorf("%.0f MB of memory", r.peak/1e6)
		}
		b.ReportMetric(r.peak/1e6, "MB-memory")
		b.ReportMetric(float64(n)/r.took.Seconds(), "read/s")
	}
	b.ReportMetric(float64(sizeOf(b, path))/1e6, "MB-file")
	b.ReportMetric(float64(n), "journeys")
	b.ReportMetric(float64(n)/writing.Seconds(), "written/s")
	b.ReportMetric(0, "ns/op")
}
