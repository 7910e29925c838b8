package export

import (
	"encoding/json"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/hopscope/hopscope/pkg/model"
)

// traceSchema is what the trace event format asks of the events that are
// written here.
const traceSchema = `{
  "type": "object", "required": ["traceEvents", "displayTimeUnit"],
  "properties": {
    "displayTimeUnit": {"enum": ["ms", "ns"]},
    "traceEvents": {"type": "array", "items": {
      "type": "object", "required": ["name", "ph", "pid", "tid"],
      "properties": {
        "ph": {"enum": ["X", "M", "s", "f"]}, "ts": {"type": "number", "minimum": 0},
        "dur": {"type": "number", "minimum": 0}, "pid": {"type": "integer"}, "tid": {"type": "integer"}
      },
      "allOf": [
        {"if": {"properties": {"ph": {"const": "X"}}}, "then": {"required": ["ts", "dur", "cat"]}},
        {"if": {"properties": {"ph": {"enum": ["s", "f"]}}}, "then": {"required": ["ts", "id", "cat"]}},
        {"if": {"properties": {"ph": {"const": "M"}}}, "then": {"required": ["args"]}}
      ]
    }}
  }
}`

type readTrace struct {
	TraceEvents []struct {
		Name, Cat, Ph string
		Ts, Dur       float64
		Pid, Tid, ID  int
		Args          map[string]any
	}
}

func overlapping() model.Snapshot {
	s := slowShop().Snapshot(names{}, meta())
	for i := range s.Slowest { // pairs of them 1.2 ms apart
		s.Slowest[i].At = meta().StartedAt.Add(time.Duration(i/2)*time.Second + time.Duration(i%2)*1234567)
	}
	return s
}

func TestPerfettoFollowsTheFormat(t *testing.T) {
	schema := compile(t, jsonschema.NewCompiler(), parseJSON(t, traceSchema))
	for name, s := range map[string]model.Snapshot{"shop": overlapping(), "bad names": slowShop().Snapshot(badNames, meta())} {
		if err := schema.Validate(parseJSON(t, written(t, s, Perfetto))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestPerfettoTracks checks that slices of one track never overlap, that the
// hops of a journey take its total to the nanosecond, and that tracks have the
// names of namespaces and places.
func TestPerfettoTracks(t *testing.T) {
	s := overlapping()
	var f readTrace
	if err := json.Unmarshal([]byte(written(t, s, Perfetto)), &f); err != nil {
		t.Fatal(err)
	}
	until, sums, whole := map[[2]int]float64{}, map[string]float64{}, map[string]float64{}
	tracks, arrows := map[string]bool{}, map[int]string{}
	for _, e := range f.TraceEvents {
		switch e.Ph {
		case "M":
			tracks[e.Name+" "+e.Args["name"].(string)] = true
		case "s", "f":
			arrows[e.ID] += e.Ph
		case "X":
			track := [2]int{e.Pid, e.Tid}
			if e.Ts < until[track]-1e-6 {
				t.Errorf("%s begins at %v on a track that is taken until %v", e.Name, e.Ts, until[track])
			}
			until[track] = e.Ts + e.Dur
			journey := fmt.Sprint(e.Args["journey"])
			if e.Cat == "journey" {
				whole[journey] = e.Dur
			} else {
				sums[journey] += e.Dur
			}
		}
	}
	if len(whole) != len(s.Slowest) {
		t.Errorf("%d journeys, want %d", len(whole), len(s.Slowest))
	}
	for j, total := range whole {
		if math.Abs(sums[j]-total) > 1e-6 {
			t.Errorf("hops of journey %s take %v µs, the journey %v", j, sums[j], total)
		}
	}
	for _, want := range []string{
		"process_name journeys", "process_name web", "process_name host", "process_name api",
		"thread_name veth of api", "thread_name veth of api #2", "thread_name eth0 of web",
	} {
		if !tracks[want] {
			t.Errorf("no track %q in %v", want, tracks)
		}
	}
	if len(arrows) != 9*len(s.Slowest) {
		t.Errorf("%d arrows, want one between two hops", len(arrows))
	}
	for id, ends := range arrows {
		if ends != "sf" {
			t.Errorf("arrow %d has ends %q", id, ends)
		}
	}
}
