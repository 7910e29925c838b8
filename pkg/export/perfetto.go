package export

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/hopscope/hopscope/pkg/model"
	"github.com/hopscope/hopscope/pkg/printable"
)

// traceFile is the JSON object form of Chrome's trace event format, which
// Perfetto reads (Trace Event Format, "JSON Object Format").
type traceFile struct {
	DisplayTimeUnit string            `json:"displayTimeUnit"`
	OtherData       map[string]string `json:"otherData"`
	TraceEvents     []traceEvent      `json:"traceEvents"`
}

// traceEvent is one of its events. Times are in µs since the earliest journey:
// those since 1970 would lose their nanoseconds in a reader's float64.
type traceEvent struct {
	Name     string         `json:"name"`
	Category string         `json:"cat,omitempty"`
	Phase    string         `json:"ph"` // X: slice; s, f: ends of an arrow; M: name of a track
	At       json.Number    `json:"ts,omitempty"`
	Duration json.Number    `json:"dur,omitempty"`
	Process  int            `json:"pid"` // a namespace
	Thread   int            `json:"tid"` // a place in it
	Arrow    int            `json:"id,omitempty"`
	Bind     string         `json:"bp,omitempty"`
	Args     map[string]any `json:"args,omitempty"`
}

// Perfetto writes the slowest journeys as a timeline: a process for each
// namespace, a track for each place in it, a slice for each hop, and arrows
// along each journey. The first process has the journeys as a whole.
func Perfetto(w io.Writer, s model.Snapshot) error {
	t := newTimeline(s)
	for i := range t.journeys {
		t.add(i, &t.journeys[i])
	}
	file := traceFile{
		DisplayTimeUnit: "ns",
		OtherData: map[string]string{
			"host": s.Host, "kernel": s.Kernel, "tool": "hopscope " + s.ToolVersion,
			"zero": t.zero.UTC().Format(time.RFC3339Nano),
		},
		TraceEvents: append(t.names, t.events...),
	}
	if err := json.NewEncoder(w).Encode(file); err != nil {
		return fmt.Errorf("write trace events: %w", err)
	}
	return nil
}

const journeysTrack = "journeys"

type timeline struct {
	zero      time.Time
	journeys  []model.Slow // by time
	processes map[string]int
	lanes     map[place][]lane
	names     []traceEvent
	events    []traceEvent
	arrows    int
	threads   int
}

type place struct{ namespace, where string }

// lane is one track of a place. Slices of one track must not overlap, so that
// a place has as many as it had packets at one time.
type lane struct {
	thread int
	until  int64
}

func newTimeline(s model.Snapshot) *timeline {
	t := &timeline{
		journeys: slices.Clone(s.Slowest), processes: map[string]int{}, lanes: map[place][]lane{},
		names: []traceEvent{}, zero: s.StartedAt,
	}
	slices.SortStableFunc(t.journeys, func(a, b model.Slow) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(b.TotalNs, a.TotalNs))
	})
	if len(t.journeys) > 0 {
		t.zero = t.journeys[0].At
	}
	return t
}

func (t *timeline) add(number int, j *model.Slow) {
	begin := j.At.Sub(t.zero).Nanoseconds()
	title := printable.Clean(fmt.Sprintf("%s → %s %s", j.From.Name, j.To.Name, service(j.Proto, j.Port)))
	args := map[string]any{"journey": number + 1, "path": title, "at": j.At.UTC().Format(time.RFC3339Nano)}
	p := place{journeysTrack, journeysTrack}
	t.slice(title, p, begin, j.TotalNs, args)
	var from *traceEvent
	for i := range j.Hops {
		h := &j.Hops[i]
		p := place{printable.Clean(h.Namespace), printable.Clean(h.Where)}
		e := t.slice(h.Hop+" @ "+p.where, p, begin, h.Ns, args)
		if from != nil {
			t.arrow(from, e)
		}
		from = &e
		begin += h.Ns
	}
}

func (t *timeline) slice(name string, p place, begin, ns int64, args map[string]any) traceEvent {
	e := traceEvent{
		Name: name, Category: "hop", Phase: "X", At: micro(begin), Duration: micro(ns),
		Process: t.process(p.namespace), Thread: t.thread(p, begin, begin+ns), Args: args,
	}
	if p.namespace == journeysTrack {
		e.Category = "journey"
	}
	t.events = append(t.events, e)
	return e
}

// arrow leads from the begin of one hop to the begin of the next.
func (t *timeline) arrow(from *traceEvent, to traceEvent) {
	t.arrows++
	a := traceEvent{Name: "journey", Category: "journey", Arrow: t.arrows}
	a.Phase, a.At, a.Process, a.Thread = "s", from.At, from.Process, from.Thread
	t.events = append(t.events, a)
	a.Phase, a.At, a.Process, a.Thread, a.Bind = "f", to.At, to.Process, to.Thread, "e"
	t.events = append(t.events, a)
}

func (t *timeline) process(namespace string) int {
	id, ok := t.processes[namespace]
	if !ok {
		id = len(t.processes) + 1
		t.processes[namespace] = id
		t.name("process_name", namespace, id, 0)
	}
	return id
}

// thread is the first track of a place that is free.
func (t *timeline) thread(p place, begin, end int64) int {
	lanes := t.lanes[p]
	for i := range lanes {
		if lanes[i].until <= begin {
			lanes[i].until = end
			return lanes[i].thread
		}
	}
	t.threads++
	t.lanes[p] = append(lanes, lane{thread: t.threads, until: end})
	name := p.where
	if n := len(lanes); n > 0 {
		name += " #" + strconv.Itoa(n+1)
	}
	t.name("thread_name", name, t.process(p.namespace), t.threads)
	return t.threads
}

func (t *timeline) name(what, name string, process, thread int) {
	t.names = append(t.names, traceEvent{
		Name: what, Phase: "M", Process: process, Thread: thread, Args: map[string]any{"name": name},
	})
}

// micro writes ns as µs without rounding.
func micro(ns int64) json.Number {
	return json.Number(fmt.Sprintf("%d.%03d", ns/1000, ns%1000))
}
