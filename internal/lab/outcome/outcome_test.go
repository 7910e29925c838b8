package outcome

import (
	"testing"
	"time"
)

func TestSummarizeTakesExactRanks(t *testing.T) {
	samples := make([]time.Duration, 0, 1000)
	for i := 1000; i >= 1; i-- {
		samples = append(samples, time.Duration(i))
	}
	got := Summarize(samples)
	want := Latency{
		Samples: 1000, MinNs: 1, MeanNs: 500, P50Ns: 500, P90Ns: 900, P99Ns: 990, P999Ns: 999, MaxNs: 1000,
	}
	if got != want {
		t.Errorf("Summarize = %+v, want %+v", got, want)
	}
}

func TestSummarizeOfOneAndNone(t *testing.T) {
	if got := Summarize([]time.Duration{7}); got.P50Ns != 7 || got.P999Ns != 7 || got.Samples != 1 {
		t.Errorf("one sample: %+v", got)
	}
	if got := Summarize(nil); got != (Latency{}) {
		t.Errorf("no sample: %+v", got)
	}
}

func TestRateIsPerSecond(t *testing.T) {
	if got := (Result{OK: 50, ElapsedNs: int64(500 * time.Millisecond)}).Rate(); got != 100 {
		t.Errorf("Rate = %v, want 100", got)
	}
	if got := (Result{OK: 50}).Rate(); got != 0 {
		t.Errorf("Rate without time = %v, want 0", got)
	}
}
