package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
)

// said is the output of test programs run with -test.v=test2json, in which
// \x16 stands before each line of the framework.
func said(lines ...string) []byte {
	return []byte("\x16" + strings.Join(lines, "\n\x16") + "\n")
}

func TestOutcome(t *testing.T) {
	pass := said("=== RUN   TestA", "=== ATTR  TestA key some value", "--- PASS: TestA (0.00s)", "PASS")
	fail := said("=== RUN   TestB", "--- FAIL: TestB (0.00s)", "FAIL")
	for name, c := range map[string]struct {
		result []byte
		want   string // part of the error, "" for none
	}{
		"passed":             {append(bytes.Clone(pass), done...), ""},
		"nothing ran":        {[]byte(done), "no test ran"},
		"ended early":        {pass, "ended early"},
		"failed":             {append(bytes.Clone(fail), done...), "failed: TestB"},
		"failed beside pass": {append(append(bytes.Clone(pass), fail...), done...), "failed: TestB"},
	} {
		t.Run(name, func(t *testing.T) {
			o := outcome{result: c.result}
			if err := o.parse(context.Background()); err != nil {
				t.Fatal(err)
			}
			err := o.verdict()
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("verdict %v, want %q", err, c.want)
			}
		})
	}
}

func TestAttributesAreParsed(t *testing.T) {
	o := outcome{result: said("=== RUN   TestA", "=== ATTR  TestA way a/eth0: qdisc @ a/eth0 → xmit @ a/eth0", "--- PASS: TestA (0.00s)", "PASS")}
	if err := o.parse(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, e := range o.events {
		if e.Action == "attr" && e.Key == "way" && e.Value == "a/eth0: qdisc @ a/eth0 → xmit @ a/eth0" && e.Test == "TestA" {
			return
		}
	}
	t.Errorf("no attribute in %+v", o.events)
}
