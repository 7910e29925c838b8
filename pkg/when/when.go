// Package when tells whether a snapshot shows what somebody waits for, such as
// `p99>5ms` or `drops>0`. docs/when.md has the grammar.
package when

import (
	"strconv"
	"strings"
	"time"
)

// Condition is what is waited for. It is immutable.
type Condition struct {
	any [][]test // one of these, of which all hold
}

// test compares one number of a snapshot.
type test struct {
	signal signal
	op     string // one of operators
	value  float64
	unit   unit
}

// unit of a test's value.
type unit uint8

const (
	count    unit = iota
	duration      // ns
	percent
)

// signal is something that a snapshot measures.
type signal struct {
	name   string
	units  []unit
	ofPath bool // of each path, not of all traffic
}

// signals are all that there are, in the order of the documentation.
func signals() []signal {
	var out []signal
	for _, name := range []string{"p50", "p90", "p95", "p99", "p999", "mean", "max"} {
		out = append(out, signal{name, []unit{duration}, true})
	}
	return append(out,
		signal{"packets", []unit{count}, true},
		signal{"drops", []unit{count}, false},
		signal{"retransmits", []unit{count, percent}, false})
}

// operators are all comparisons; the longer ones first.
func operators() []string { return []string{">=", "<=", ">", "<"} }

// Signals names what a condition can speak of.
func Signals() []string {
	var out []string
	for _, s := range signals() {
		out = append(out, s.name)
	}
	return out
}

// String is the condition in its own grammar.
func (c *Condition) String() string {
	var alternatives []string
	for _, all := range c.any {
		var tests []string
		for _, t := range all {
			tests = append(tests, t.String())
		}
		alternatives = append(alternatives, strings.Join(tests, " and "))
	}
	return strings.Join(alternatives, " or ")
}

func (t test) String() string { return t.signal.name + t.op + t.unit.text(t.value) }

func (u unit) text(v float64) string {
	switch u {
	case duration:
		return time.Duration(v).String()
	case percent:
		return strconv.FormatFloat(v, 'f', -1, 64) + "%"
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

// compare reports whether v is as the test wants it.
func (t test) compare(v float64) bool {
	switch t.op {
	case ">":
		return v > t.value
	case ">=":
		return v >= t.value
	case "<":
		return v < t.value
	}
	return v <= t.value
}
