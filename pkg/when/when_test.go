package when

import (
	"strings"
	"testing"

	"github.com/hopscope/hopscope/pkg/model"
)

func ns(v int64) *int64 { return &v }

// busy has a slow path with few packets, a fast one with many, 3 drops, and 2
// retransmits of 100 segments.
func busy() *model.Snapshot {
	return &model.Snapshot{
		Paths: []model.Path{
			{From: model.End{Name: "web"}, To: model.End{Name: "api"}, Proto: "tcp", Port: 8080, Direction: "request", Journeys: 5,
				Total: model.Dist{P50Ns: ns(1e6), P90Ns: ns(2e6), P95Ns: ns(3e6), P99Ns: ns(7_810_000), P999Ns: ns(9e6), MeanNs: ns(1e6), MaxNs: ns(9e6)}},
			{From: model.End{Name: "api"}, To: model.End{Name: "db"}, Proto: "tcp", Port: 5432, Direction: "request", Journeys: 1000,
				Total: model.Dist{P50Ns: ns(2e4), P99Ns: ns(5e4), MaxNs: ns(1e5)}},
			{From: model.End{Name: "quiet"}, To: model.End{Name: "db"}},
		},
		Drops: []model.Drop{{Count: 1}, {Count: 2}},
		TCP: []model.TCP{
			{SegmentsSent: 90, Retransmits: model.Retransmits{Total: 2}},
			{SegmentsSent: 10},
		},
	}
}

func TestHolds(t *testing.T) {
	for _, c := range []struct {
		text string
		want bool
		why  string
	}{
		{"p99>5ms", true, "p99 7.81ms (web → api tcp/8080 request)"},
		{"p99 > 8ms", false, ""},
		{"p99>=7.81ms", true, ""},
		{"max<200µs", true, "(api → db"},
		{"max<200us and max>1ms", false, ""}, // no path is both
		{"p50>500us and packets>100", false, ""},
		{"p50>10us and packets>100", true, "packets 1000 (api → db"},
		{"drops>0", true, "drops 3"},
		{"drops>3", false, ""},
		{"drops>=3 and p99>5ms", true, "drops 3"},
		{"drops>3 and p99>5ms", false, ""},
		{"drops>3 or p99>5ms", true, "p99"},
		{"retransmits>1%", true, "retransmits 2%"},
		{"retransmits>2%", false, ""},
		{"retransmits>1", true, "retransmits 2"},
		{"p90<1s and packets<1", false, ""}, // what is unknown fulfils nothing
	} {
		cond, err := Parse(c.text)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		why, ok := cond.Holds(busy())
		if ok != c.want || !strings.Contains(why, c.why) {
			t.Errorf("%s: %v, %q, want %v with %q", c.text, ok, why, c.want, c.why)
		}
	}
}

func TestNothingHoldsOfNothing(t *testing.T) {
	for _, name := range Signals() {
		for _, value := range []string{"<5ms", "<5", "<5%"} {
			cond, err := Parse(name + value)
			if err != nil {
				continue // not a unit of that signal
			}
			_, ok := cond.Holds(&model.Snapshot{})
			if counts := name == "drops" || name == "retransmits" && value == "<5"; ok != counts {
				t.Errorf("%s of no traffic: %v", cond, ok)
			}
		}
	}
}

func TestMistakesAreNamed(t *testing.T) {
	for text, says := range map[string]string{
		"":                        "missing",
		"p99":                     "no whole test",
		"p99>5ms and":             "missing",
		"p98>5ms":                 "p99",
		"p99>5":                   "such as 5ms",
		"p99>0":                   "such as 5ms",
		"p99=5ms":                 "'='",
		"p99>-5ms":                "'-'",
		"p99 5ms >":               "where one of",
		"drops>1%":                "a number",
		"drops>1.5":               "a number",
		"retransmits>101%":        "percentage",
		"retransmits>nan%":        "percentage",
		"p99>5ms drops>0":         `"and" or "or"`,
		"p99>5ms or or drops>0":   `"or"`,
		"drops>99999999999999999": "a number",
		"p99>200000h":             "a time",
		strings.Repeat("drops>0 or ", 40) + "drops>0": "more than",
	} {
		if c, err := Parse(text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v (%v), want an error with %q", text, err, c, says)
		}
	}
}

// FuzzParse: what is read is written so that it is read as the same, and
// judging never panics.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"p99>5ms", "drops>0", "retransmits>1%", "p50 >= 1m30s and packets<7 or max<=20µs", "p99>5ms or", "retransmits>0.1%", "mean<1e3ms"} {
		f.Add(s)
	}
	s := busy()
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(c.String())
		if err != nil || again.String() != c.String() {
			t.Fatalf("%q is written as %q, which is read as %v (%v)", text, c, again, err)
		}
		why, ok := c.Holds(s)
		whyAgain, okAgain := again.Holds(s)
		if ok != okAgain || why != whyAgain || ok != (why != "") {
			t.Fatalf("%q: %v %q, then %v %q", text, ok, why, okAgain, whyAgain)
		}
	})
}
