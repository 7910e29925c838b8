package export

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/mattn/go-runewidth"

	"github.com/hopscope/hopscope/pkg/model"
)

var update = flag.Bool("update", false, "write the golden files")

func render(t *testing.T, s model.Snapshot, o Options) string {
	t.Helper()
	var out bytes.Buffer
	if err := Table(&out, s, o); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// golden compares with testdata/name. Times are shown in local time: the tests
// hold for any zone since the date is cut out.
func golden(t *testing.T, name, got string) {
	t.Helper()
	started := meta().StartedAt.Local().Format("2006-01-02 15:04:05 -07:00")
	got = strings.ReplaceAll(got, started, "YYYY-MM-DD hh:mm:ss +zz:zz")
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (go test -update writes it):\n%s", path, got)
	}
}

func fits(t *testing.T, text string, width int) {
	t.Helper()
	cells := runewidth.Condition{}
	for line := range strings.Lines(text) {
		if n := cells.StringWidth(strings.TrimSuffix(line, "\n")); n > width {
			t.Errorf("%d cells in a terminal of %d: %q", n, width, line)
		}
	}
}

func TestTable(t *testing.T) {
	s := slowShop().Snapshot(names{}, meta())
	for _, width := range []int{80, 120} {
		got := render(t, s, Options{Width: width})
		golden(t, fmt.Sprintf("table-%d.txt", width), got)
		fits(t, got, width)
		if strings.Contains(got, "\x1b") {
			t.Errorf("escape sequences without color at %d columns", width)
		}
	}
}

// TestColorChangesNoText also holds that without its colors the table is the
// same, cell by cell.
func TestColorChangesNoText(t *testing.T) {
	s := slowShop().Snapshot(names{}, meta())
	plain, colored := render(t, s, Options{}), render(t, s, Options{Color: true})
	if !strings.Contains(colored, "\x1b[1;31m> qdisc @ veth of api") {
		t.Errorf("the worst hop is not marked:\n%q", colored)
	}
	if got := stripColor(colored); got != plain {
		t.Errorf("text changed with color:\n%s", got)
	}
}

func stripColor(s string) string {
	var out strings.Builder
	for {
		before, after, found := strings.Cut(s, "\x1b[")
		out.WriteString(before)
		if !found {
			return out.String()
		}
		_, s, _ = strings.Cut(after, "m")
	}
}

// TestNamesCannotDriveTheTerminal has names that try, and that are long.
func TestNamesCannotDriveTheTerminal(t *testing.T) {
	bad := names{suffix: "\x1b[2J\r\n\u202e" + strings.Repeat("水", 40)}
	m := meta()
	m.Host = "box\x1b]0;title\a"
	m.Containers[0].Name += bad.suffix
	m.Containers[0].Networks[0].Network = "net\x1b[31m" + strings.Repeat("x", 100)
	for _, width := range []int{80, 120} {
		got := render(t, slowShop().Snapshot(bad, m), Options{Width: width})
		if strings.ContainsAny(got, "\x1b\a\r\u202e") {
			t.Errorf("a name reached the terminal as it was:\n%q", got)
		}
		fits(t, got, width)
	}
}

// Who reads the hops of a container in the host's network namespace is told what
// is missing of them.
func TestReducedHopsAreTold(t *testing.T) {
	m := meta()
	for _, c := range []struct {
		mode string
		want bool
	}{{"shop", false}, {"host", true}} {
		m.Containers[0].NetworkMode = c.mode
		got := render(t, slowShop().Snapshot(names{}, m), Options{Width: 120})
		if is := strings.Contains(got, "web: network host: no interface of its own, so its hops are the host's"); is != c.want {
			t.Errorf("network mode %s: told: %v\n%s", c.mode, is, got)
		}
		fits(t, got, 120)
	}
}

func TestNoJourneysSaysWhy(t *testing.T) {
	for want, a := range map[string]model.Accounting{
		"no packet was born":                        {},
		"sample rate left out all of 1,000 packets": {Notes: map[string]uint64{"unsampled": 1000}},
		"none of the 7 packets that completed":      {Tracked: 7, Completed: 7, Filtered: 7},
		"5 packets are still in flight":             {Tracked: 5, InFlight: 5},
		"lost by the tracer":                        {Tracked: 5, Lost: map[string]uint64{"evicted": 5}},
		"ended before a destination":                {Tracked: 5, Completed: 5, Emitted: 5},
	} {
		s := model.New(model.Limits{}).Snapshot(names{}, model.Meta{Accounting: a, Ended: "duration"})
		got := render(t, s, Options{})
		if flat := strings.Join(strings.Fields(got), " "); !strings.Contains(flat, "No journeys: ") || !strings.Contains(flat, want) {
			t.Errorf("want %q in:\n%s", want, got)
		}
		fits(t, got, 80)
	}
}

func TestHowItEndedIsTold(t *testing.T) {
	for ended, want := range map[string]string{
		"duration": "", "signal": ", ended by a signal", "key": ", ended by a key", "limit": ", ended as its --when held", "error": ", ended by an error",
	} {
		got := render(t, slowShop().Snapshot(names{}, model.Meta{Ended: ended}), Options{})
		_, window, _ := strings.Cut(got, "window  ")
		window, _, _ = strings.Cut(window, "\n")
		if _, told, _ := strings.Cut(window, ", ended"); told != strings.TrimPrefix(want, ", ended") {
			t.Errorf("%s: %q, want %q", ended, window, want)
		}
	}
}

func TestCountsThatWereLostAreTold(t *testing.T) {
	lost := model.Accounting{Tracked: 5, Completed: 5, Notes: map[string]uint64{"events_lost": 1200, "drops_ungrouped": 3, "drops": 9, "resets_ungrouped": 0}}
	got := render(t, slowShop().Snapshot(names{}, model.Meta{Accounting: lost, Ended: "duration"}), Options{})
	if want := "LOST    counts that are missing below: drops_ungrouped 3, events_lost 1,200\n"; !strings.Contains(got, want) {
		t.Errorf("want %q in:\n%s", want, got)
	}
}

func TestMoreFindingsAreBrief(t *testing.T) {
	s := slowShop().Snapshot(names{}, meta())
	s.Findings = nil
	for i := range 20 {
		s.Findings = append(s.Findings, model.Finding{Severity: "warning", Text: fmt.Sprintf("fact %d.", i), Evidence: "seen", Mend: "do"})
	}
	got := render(t, s, Options{})
	if facts, whole := strings.Count(got, "! fact "), strings.Count(got, "mend: do"); facts != maxFindings || whole != wholeFindings ||
		!strings.Contains(got, "  and 8 more, see --format json\n") {
		t.Errorf("%d facts, %d of them whole:\n%s", facts, whole, got)
	}
}

func TestMorePathsAreBrief(t *testing.T) {
	s := slowShop().Snapshot(names{}, meta())
	for i := range 40 {
		p := s.Paths[1]
		p.Port = uint16(9000 + i)
		s.Paths = append(s.Paths, p)
	}
	got := render(t, s, Options{Paths: 1})
	for _, want := range []string{"MORE PATHS", "tcp/9013 response", "and 26 more, see --format json", "`stack_rx @ eth0 of web`"} {
		if !strings.Contains(got, want) {
			t.Errorf("want %q in:\n%s", want, got)
		}
	}
	if n := strings.Count(got, "hop @ where"); n != 1 {
		t.Errorf("%d paths in full, want 1", n)
	}
	fits(t, got, 80)
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, os.ErrClosed }

func TestWriteErrorsAreReturned(t *testing.T) {
	s := slowShop().Snapshot(names{}, meta())
	if err := Table(brokenWriter{}, s, Options{}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Table: %v", err)
	}
	if err := JSON(brokenWriter{}, s); !errors.Is(err, os.ErrClosed) {
		t.Errorf("JSON: %v", err)
	}
}

func TestBarsJoin(t *testing.T) {
	const cells = 10
	shares := []float64{0.04, 0.21, 0.25, 0.01, 0.49}
	painted, begin := 0, 0.0
	for _, s := range shares {
		b := bar(begin, s, cells)
		if n := utf8.RuneCountInString(b); n != cells {
			t.Errorf("bar of %v at %v is %d cells wide: %q", s, begin, n, b)
		}
		painted += strings.Count(b, "█")
		begin += s
	}
	if painted != cells {
		t.Errorf("%d cells painted, want %d without a gap", painted, cells)
	}
}

func TestUnknownIsADash(t *testing.T) {
	s := slowShop().Snapshot(names{}, meta())
	s.Paths[0].Total = model.Dist{}
	s.StartedAt = time.Time{}
	if got := render(t, s, Options{}); !strings.Contains(got, "-      -      -      -      -") {
		t.Errorf("unknown durations are not shown as dashes:\n%s", got)
	}
}
