package main

import "testing"

func TestSpoilt(t *testing.T) {
	for text, want := range map[string]string{
		"qdisc @ eth1 of web":                        "",
		"  \x1b[38;5;4munknown @ eth1 of web\x1b[0m": "unknown @",
		"stack  bpf_dispatcher_xdp ← bpf_trace_run4": "bpf_trace_run",
	} {
		if got := spoilt(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
