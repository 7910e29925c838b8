package main

import (
	"testing"
	"time"
)

func TestUsage(t *testing.T) {
	got, err := usage("usage_usec 12345\nuser_usec 2345\nsystem_usec 10000\n")
	if err != nil || got != 12345*time.Microsecond {
		t.Errorf("%v, %v; want 12.345 ms", got, err)
	}
	if _, err := usage("nr_periods 0\n"); err == nil {
		t.Error("another file passes as cpu.stat")
	}
}
